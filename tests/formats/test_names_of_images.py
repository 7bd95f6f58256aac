"""Names of images outlast formats, without the video, and tell the same frames in all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import FILE, SIZE

from pixelkin.formats import npz
from pixelkin.formats.listed_frames import named_video
from pixelkin.formats.registry import load_annotations, probe_video, recognise, save_annotations
from pixelkin.types import Annotations, InputError, Labels, VideoInfo

NAMES = {
    "numbers from 5 on": tuple(f"{n:05d}" for n in range(5, 11)),
    "every fifth": tuple(f"{n:05d}" for n in range(0, 30, 5)),
    "a word and numbers": tuple(f"kick_{n}" for n in range(8, 14)),
    "words": ("a", "b x", "d1", "e", "f10", "ç"),
}
FORMATS = {
    "coco": "a.json",
    "cvat": "a.xml",
    "label_studio": "a.json",
    "burst": "a.json",
    "ytvis": "a.json",
    "npz": "a.npz",
    "labelme": "a",
    "png": "a",
    "davis": "a",
    "youtube_vos": "a",
}
POSITIONS = ("coco", "cvat", "burst", "ytvis", "npz")  # which of all frames is told, too


def labels_of(name: str) -> Labels:
    """Labels that no frame of another name has."""
    ids = np.zeros(SIZE, int)
    ids[2:5, 1 : 3 + sum(map(ord, name)) % 11] = 1
    return Labels.from_mask(ids)


def by_name(annotations: Annotations, video: VideoInfo) -> dict[str | None, list[int]]:
    return {video.name(number): np.argwhere(labels.ids).tolist() for number, labels in annotations}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("format", FORMATS)
def test_a_name_has_its_labels_in_every_format(
    tmp_path: Path, format: str, names: tuple[str, ...]
) -> None:
    video = replace(FILE, path=str(tmp_path / "kick"), fps=None, names=names)
    given = Annotations.of({n: labels_of(names[n]) for n in (1, 2, 4)})
    path = tmp_path / FORMATS[format]
    save_annotations(path, given, format, video=video)
    told = probe_video(path, recognise(path, format))
    found = load_annotations(path, told, format)
    wanted = {
        name: np.argwhere(labels_of(name).ids).tolist() for name in (names[n] for n in (1, 2, 4))
    }
    assert by_name(found, told) == wanted
    assert by_name(load_annotations(path, video, format), video) == wanted
    if format in POSITIONS:
        assert sorted(found.frames) == [1, 2, 4]
    save_annotations(tmp_path / "again.json", found, "coco", video=told)
    images = json.loads((tmp_path / "again.json").read_text())["images"]
    assert {Path(image["file_name"]).stem for image in images} == set(wanted)


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"00003.png": 1, "00005.png": 3}, ("00002", "00003", "00004", "00005")),
        ({"9.png": 0, "11.png": 2}, ("9", "10", "11")),
        ({"t/8.png": 0, "t\\11.png": 3}, ("8", "9", "10", "11")),
        ({"a7.png": 0, "b8.png": 1}, ("a7", "b8")),
        ({"left.png": 0, "right.png": 2}, ("left", "frame_000001", "right")),
        ({"00010.png": 1, "00020.png": 3}, ("00005", "00010", "00015", "00020")),
        (
            {"00001.png": 1, "00002.png": 4},
            ("frame_000000", "00001", *(f"frame_{n:06d}" for n in (2, 3)), "00002"),
        ),
        ({"frame_000001.png": 0, "a.png": 2}, None),
        ({"0.png": 2}, ("frame_000000", "frame_000001", "0")),
        ({"frame_000001.png": 1, "frame_000004.png": 4}, None),  # of a video file
        ({"..": 0, "a.png": 1}, None),
        ({"a/1.png": 0, "b/1.png": 1}, None),
        ({"1.png": 0, "2.png": 0}, None),
        ({"999999.png": 0, "1.png": 10**7}, None),
    ],
)
def test_frames_that_are_not_listed(listed: dict[str, int], names: tuple[str, ...] | None) -> None:
    told = named_video(listed, (3, 4), Path("a.json"), numbers=list(listed.values()))
    assert (told.names, told.frames) == (names, max(listed.values()) + 1)


def test_names_without_numbers_are_counted() -> None:
    assert named_video(["b10", "b9", "c"], (3, 4), Path("a")).names == ("b9", "b10", "c")
    assert named_video(["b3", "b1"], (3, 4), Path("a")).names == ("b0", "b1", "b2", "b3")
    assert named_video(["99999999.png"], (3, 4), Path("a")) == VideoInfo("a", 4, 3, 10**8)


def test_arrays_are_found_by_name_and_names_are_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = labels_of("b").as_map().ids
    two = replace(FILE, names=("b", "e"), frames=2)
    path = tmp_path / "a.npz"
    save_annotations(path, Annotations.of({0: Labels.from_mask(ids)}), "npz", video=two)
    all_six = replace(FILE, names=("a", "b", "c", "d", "e", "f"))
    assert sorted(load_annotations(path, all_six).frames) == [1]
    with pytest.raises(InputError, match="labels the frame b, which is not in the video"):
        load_annotations(path, replace(FILE, names=("a", "e"), frames=2))
    for name in ("../../escape", "a/b", "a\\b", "", "..", "a\0"):
        bad = replace(FILE, names=(name, "e"), frames=2)
        save_annotations(path, Annotations.of({0: Labels.from_mask(ids)}), "npz", video=bad)
        assert probe_video(path, recognise(path)).names is None  # a file must be readable again
        with monkeypatch.context() as hostile:
            hostile.setattr(npz, "is_stem", lambda name: True)
            save_annotations(path, Annotations.of({0: Labels.from_mask(ids)}), "npz", video=bad)
        with pytest.raises(InputError, match="which is no name of an image"):
            load_annotations(path, None)
    far = Annotations.of({1: Labels.from_mask(ids)})
    save_annotations(path, far, "npz", video=two)
    with np.load(path) as file:  # and then it says to be of one frame
        arrays = dict(file)
    about = json.loads(str(arrays["about"])) | {"names": ["b"], "length": 1}
    np.savez(path, **(arrays | {"about": np.array(json.dumps(about))}))
    with pytest.raises(InputError, match=r"labels frame 1, which is not in the video \(1\)"):
        load_annotations(path, all_six)


def test_frames_of_a_video_file_have_no_names(tmp_path: Path) -> None:
    save_annotations(tmp_path / "a.json", Annotations.of({3: labels_of("x")}), "coco", video=FILE)
    told = probe_video(tmp_path / "a.json", recognise(tmp_path / "a.json"))
    assert (told.names, told.frames) == (None, 6)
    assert sorted(load_annotations(tmp_path / "a.json", told).frames) == [3]


def test_numbers_of_another_order_are_not_taken(tmp_path: Path) -> None:
    """CVAT numbers a10 before a2 where it sorts letter by letter; a folder is read by numbers."""
    names = tuple(f"a{n}" for n in range(12))
    video = replace(FILE, names=names, frames=12)
    given = Annotations.of({n: labels_of(name) for n, name in enumerate(names)})
    path = tmp_path / "a.xml"
    save_annotations(path, given, "cvat", video=video)
    text = path.read_text()
    for place, name in enumerate(sorted(names)):
        text = text.replace(
            f'id="{names.index(name)}" name="{name}.', f'id="{place}" name="{name}.'
        )
    path.write_text(text)
    told = probe_video(path, recognise(path))
    assert told.names == names
    assert by_name(load_annotations(path, told), told) == by_name(given, video)


def test_xml_cannot_hold_every_name(tmp_path: Path) -> None:
    bad = replace(FILE, names=("a\x01b", *"cdefg"))
    with pytest.raises(InputError, match="cannot hold the name of the image"):
        save_annotations(tmp_path / "a.xml", Annotations.of({0: labels_of("x")}), video=bad)
