"""Labels and images, their writer killed at any rename: old, new, or known not to be whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facts
from pixelkin.formats.catalogue import FORMATS
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.staging import UNFINISHED, staged_file, staged_folder
from pixelkin.types import Annotations, InputError, Labels
from pixelkin.video.reader import open_video
from stopped import content

HEIGHT, WIDTH = 12, 16
TARGETS = {  # where each format goes, and its images
    "coco": ("out/a.json", "out/pictures"),
    "cvat": ("out/a.xml", "out/pictures"),
    "label_studio": ("out/a.json", "out/pictures"),
    "labelme": ("out/lm", "out/lm"),
    "yolo": ("out/y", "out/y/images"),
    "dlc_csv": ("out/labeled-data/v/CollectedData_me.csv", "out/labeled-data/v"),
    "dlc_h5": ("out/labeled-data/v/CollectedData_me.h5", "out/labeled-data/v"),
    "png": ("out/png", None),
    "davis": ("out/davis", None),
    "youtube_vos": ("out/yv", None),
}
KILLED = 9


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("v").mkdir()
    for t in range(6):
        image = np.full((HEIGHT, WIDTH, 3), 40 * t, np.uint8)
        Image.fromarray(image).save(f"v/img{t:04d}.jpg", "JPEG")
    return tmp_path


def labels(name: str, frames: tuple[int, ...], at: int) -> Annotations:
    """A square or two points, in some frames, at a place."""
    if name.startswith("dlc"):
        xy = np.array([[1, 2], [3.5, 4]]) + at
        one: Labels = Labels.from_points(xy, (HEIGHT, WIDTH), names=["nose", "tail"])
    else:
        ids = np.zeros((HEIGHT, WIDTH), int)
        ids[at : at + 3, at : at + 4] = 1
        one = Labels.from_mask(ids, names=["dog"])
    return Annotations.of(dict.fromkeys(frames, one))


def write(name: str, given: Annotations) -> None:
    target, images = TARGETS[name]
    save_annotations(
        target, given, name, video=open_video("v"), images=images, scorer="me", overwrite=True
    )


def killed_at(nth: int, do: Callable[[], None]) -> bool:
    """Do it in a process that is killed at its n-th rename; whether there were as many."""
    child = os.fork()
    if child == 0:
        rename, left = os.replace, [nth]

        def stop(*names: object) -> None:
            staged = "files" in Path(str(names[1])).parts  # not in place yet: once is enough
            left[0] -= not staged or left[0] == nth
            if left[0] == 0:
                os._exit(KILLED)
            rename(*names)  # type: ignore[arg-type]

        os.replace = stop  # type: ignore[assignment]
        try:
            do()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def known(name: str) -> facts.Facts | None:
    """What can be read; nothing where it says that it is not whole."""
    try:
        return facts.facts(load_annotations(TARGETS[name][0], open_video("v").info, name))
    except InputError:
        return None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork")
@pytest.mark.parametrize("before", ["nothing", "fewer frames", "an empty folder"])
@pytest.mark.parametrize("name", TARGETS)
def test_killed_at_any_rename(place: Path, name: str, before: str) -> None:
    if name == "dlc_h5":
        pytest.importorskip("tables")
    old, new = labels(name, (0, 3), 1), labels(name, (0, 2, 3, 5), 5)
    ways: dict[str, Callable[[], None]] = {
        "nothing": lambda: None,
        "fewer frames": lambda: write(name, old),
        "an empty folder": lambda: Path(TARGETS[name][1] or TARGETS[name][0]).mkdir(parents=True),
    }

    def begin() -> None:
        shutil.rmtree("out", ignore_errors=True)
        ways[before]()

    begin()
    first = known(name)
    write(name, new)
    timed = "CollectedData_me.h5"  # which says when it was made
    whole, last = content(place / "out", timed), known(name)
    assert last is not None and last != first
    assert not list(Path("out").rglob(".*"))
    nth = 0
    while True:
        begin()
        if not killed_at(nth := nth + 1, lambda: write(name, new)):
            break
        found = known(name)
        assert found is None or found in (first, last), (name, nth)
        if found == last and TARGETS[name][1]:
            assert len(list(Path(TARGETS[name][1]).glob("*.[jp][pn]g"))) == 4
        write(name, new)
        assert content(place / "out", timed) == whole and known(name) == last
        assert not list(Path("out").rglob(".*")), nth
    assert nth > 1


def test_every_format_of_several_files_is_tried() -> None:
    assert set(TARGETS) == {f.name for f in FORMATS if f.save and (f.folder or f.images)}


def test_a_folder_that_is_not_whole_is_refused(place: Path) -> None:
    write("labelme", labels("labelme", (0, 3), 1))
    (place / "out/lm" / UNFINISHED).touch()
    with pytest.raises(InputError, match="out/lm is not whole, as its writing was cut off: write"):
        load_annotations("out/lm", open_video("v").info)
    write("labelme", labels("labelme", (0, 3), 1))
    assert sorted(load_annotations("out/lm", open_video("v").info).frames) == [0, 3]


def test_what_another_is_writing_stays(tmp_path: Path) -> None:
    """Two write the same file: both end well, and the later one's is there."""
    path = tmp_path / "a.json"
    with staged_file(path) as one:
        one.write_text("one")
        with staged_file(path) as other:
            other.write_text("other")
        assert one.read_text() == "one" and path.read_text() == "other"
    assert path.read_text() == "one" and [p.name for p in tmp_path.iterdir()] == ["a.json"]
    left = tmp_path / ".b.01234567" / "files"
    kept = tmp_path / ".b.x" / "files"
    for folder in (left, kept):
        folder.mkdir(parents=True)
        (folder / "x").write_text("half")
    with staged_folder(tmp_path / "b") as folder:
        assert not left.exists() and kept.exists()
        (folder / "sub").mkdir()
        (folder / "sub/x").write_text("new")
    assert (tmp_path / "b/sub/x").read_text() == "new"


@pytest.mark.parametrize("images", [None, "link"])
def test_folders_that_are_links_or_other_file_systems(place: Path, images: str | None) -> None:
    """What lies beside a link, or a mounted folder, may be on another file system."""
    Path("elsewhere").mkdir()
    Path("link").symlink_to("elsewhere")
    seen: list[Path] = []
    with staged_folder(Path("link")) as folder:
        seen.append(folder.resolve())
    assert seen[0].is_relative_to((place / "elsewhere").resolve())
    given = labels("coco", (0, 3), 1)
    target = "link/a.json" if images else "link"
    save_annotations(target, given, "coco" if images else "labelme", video=open_video("v"),
                     images=images)  # fmt: skip
    assert Path("link").is_symlink() and not list(place.rglob(".*"))
    found = load_annotations(target, open_video("v").info)
    assert sorted(found.frames) == [0, 3]
    assert len(list(Path("elsewhere").iterdir())) == (3 if images else 2)


def test_what_cannot_be_read_is_not_said_to_be_written(place: Path) -> None:
    """Errors within the labels are theirs."""
    given = labels("png", (0, 3), 1)

    class Broken(dict[int, tuple[Labels, ...]]):
        def __getitem__(self, number: int) -> tuple[Labels, ...]:
            raise InputError("frame 3 is broken")

    with pytest.raises(InputError, match=r"^frame 3 is broken$"):
        save_annotations("out/png", replace(given, frames=Broken(given.frames)), "png")
    assert not list(place.rglob("*.png"))
