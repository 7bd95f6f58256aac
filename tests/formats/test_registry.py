"""The registry: files are recognised by what they are, and go through it both ways."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import pixelkin
from pixelkin.formats.frame_json import save_prediction
from pixelkin.formats.registry import (
    FORMATS,
    Format,
    load_annotations,
    recognise,
    save_annotations,
)
from pixelkin.types import Annotations, InputError, Labels, LazyFrames, Prediction, VideoInfo

VIDEO = VideoInfo("frames", 9, 7, 4, names=("f0", "f1", "f2", "f3"))
IDS = np.zeros((7, 9), int)
IDS[2:5, 3:6] = 4
POINTS = Labels.from_points(np.array([[1.5, 2], [np.nan, np.nan]]), (7, 9), names=("nose", "tail"))


def test_every_format_is_there_once() -> None:
    names = [f.name for f in FORMATS]
    assert len(set(names)) == len(names)
    assert pixelkin.load_annotations is load_annotations


def written(folder: Path) -> dict[str, tuple[Path, list[int]]]:
    """A file of every format, and the frames that it labels."""
    save_annotations(folder / "f2.png", Annotations.of({0: Labels.from_mask(IDS)}))
    save_annotations(folder / "f1.json", Annotations.of({0: POINTS}))
    save_prediction(folder, "result", Prediction(3, POINTS, np.ones(2, np.float32)))
    entries = [
        {"image_path": f"a/f{t}.jpg", "joints": [[1, 2]], "visibility": [True]} for t in (0, 3)
    ]
    (folder / "badja.json").write_text(json.dumps(entries))
    savemat(folder / "joints.mat", {"pos_img": np.ones((2, 15, 4))})
    return {
        "points_json": (folder / "f1.json", [1]),
        "frame_json": (folder / "frames/result.json", [3]),
        "badja": (folder / "badja.json", [0, 3]),
        "jhmdb_mat": (folder / "joints.mat", [0, 1, 2, 3]),
        "mask_png": (folder / "f2.png", [2]),
    }


def test_files_are_recognised(tmp_path: Path) -> None:
    files = written(tmp_path)
    for name, (path, frames) in files.items():
        assert [f.name for f in FORMATS if f.looks_like(path)] == [name]
        for asked in (None, name):
            found = load_annotations(path, VIDEO, asked)
            assert sorted(found.frames) == frames
            assert all(one.size == (7, 9) for labels in found.frames.values() for one in labels)


@pytest.mark.parametrize("labels", [Labels.from_mask(IDS), POINTS])
def test_what_can_be_written_comes_back(tmp_path: Path, labels: Labels) -> None:
    path = tmp_path / ("other.png" if labels.kind == "mask" else "other.json")
    save_annotations(path, Annotations.of({2: labels}))
    (number, (found,)), *_ = load_annotations(path, VIDEO).frames.items()
    assert number == 0  # a file whose name is no frame's belongs to the first one
    assert found.kind == labels.kind and found.objects.names == labels.objects.names
    assert found.present == labels.present


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("labels")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.csv").touch()
    (tmp_path / "d").mkdir()
    for name, words in (
        ("a.txt", r"no known format of labels: there are folders and \.csv, \.h5, \.json"),
        ("b.json", r"no known format of labels: \*\.json can be points_json \(points of one"),
        ("c.csv", "c.csv is empty"),
        ("d", r"no known format of labels: a folder can be results \(folder of pixelkin"),
    ):
        with pytest.raises(InputError, match=words):
            load_annotations(tmp_path / name, VIDEO)
    with pytest.raises(InputError, match="no such labels file"):
        load_annotations(tmp_path / "none.png", VIDEO)
    with pytest.raises(InputError, match="no format 'jpeg': there are points_json, frame_json"):
        load_annotations(tmp_path / "a.txt", VIDEO, "jpeg")
    with pytest.raises(InputError, match="labels can be written as points_json"):
        save_annotations(tmp_path / "c.json", Annotations.of({0: POINTS}), "badja")
    with pytest.raises(InputError, match="mask_png holds masks alone, of which there are none"):
        save_annotations(tmp_path / "c.png", Annotations.of({0: POINTS}))
    with pytest.raises(InputError, match=r"cannot write .*c.gif: labels can be written as"):
        save_annotations(tmp_path / "c.gif", Annotations.of({0: POINTS}))
    files = written(tmp_path)
    with pytest.raises(InputError, match="4 frames, the video 3"):
        load_annotations(files["jhmdb_mat"][0], VideoInfo("v.mp4", 9, 7, 3))


WRITTEN = [one for one in FORMATS if one.save is not None]


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
def test_labels_that_do_not_fit_the_video_are_not_written(tmp_path: Path, one: Format) -> None:
    mask = Labels.from_mask(IDS, names=("dog",))
    labels = POINTS if "masks" in one.loses else mask
    every = range(4) if one.name == "nwb" else range(1)  # which wants them all, and a file
    (tmp_path / "clip.mp4").touch()
    for frames, height, words in (
        ([-3], 7, "labels of frame -3: no frame -3, they are counted from 0"),
        ([50], 7, "labels of frame 50: no frame 50, the video has frames 0 to 3"),
        ([4], 7, "no frame 4"),
        (every, 6, r"labels of frame 0: 9x7, the video is 9x6 \(WxH\)"),
    ):
        video = replace(VIDEO, path=str(tmp_path / "clip.mp4"), names=None, height=height)
        given = Annotations.of(dict.fromkeys(frames, labels))
        for there in (False, True):
            target = tmp_path / str(there) / f"labels{one.suffix}"
            target.parent.mkdir(exist_ok=True)
            if there and one.suffix:
                target.write_text("as it was")
            with pytest.raises(InputError, match=words):
                save_annotations(target, given, one.name, video=video)
            left = [p.read_text() for p in target.parent.iterdir()]
            assert left == (["as it was"] if there and one.suffix else [])


def test_a_frame_that_cannot_be_is_refused_without_a_video_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels of frame -1: no frame -1"):
        save_annotations(tmp_path / "a.npz", Annotations.of({-1: POINTS}))
    assert not list(tmp_path.iterdir())


def test_frames_have_whole_numbers_of_any_type(tmp_path: Path) -> None:
    labels = Labels.from_mask(IDS)
    for kind in (np.int64, np.uint8, np.int16):
        given = Annotations.of({kind(3): labels, kind(1): labels})
        assert [type(n) for n in given.frames] == [int, int] and list(given.frames) == [1, 3]
        direct = Annotations(given.objects, {kind(2): (labels,)})
        assert [type(n) for n in direct.frames] == [int]
        for name in ("a.npz", "a.xml", "a.json"):
            save_annotations(tmp_path / name, given, "coco" if name == "a.json" else None)
            found = load_annotations(tmp_path / name, replace(VIDEO, names=None))
            assert sorted(found.frames) == [1, 3]
    for wrong in (True, 1.0, "1", None, np.True_):
        for make in (
            lambda: Annotations.of({wrong: labels}),  # type: ignore[dict-item] # noqa: B023
            lambda: Annotations(given.objects, {wrong: (labels,)}),  # type: ignore[dict-item] # noqa: B023
            lambda: LazyFrames([wrong], lambda _: (labels,)),  # type: ignore[list-item] # noqa: B023
        ):
            with pytest.raises(InputError, match=r"^no frame .*: give the number of one$"):
                make()


def test_a_mask_is_an_image_whatever_its_name(tmp_path: Path) -> None:
    save_annotations(tmp_path / "f2.png", Annotations.of({0: Labels.from_mask(IDS)}))
    bare = (tmp_path / "f2.png").rename(tmp_path / "f2")
    assert sorted(load_annotations(bare, VIDEO).frames) == [2]


def test_pngs_beside_labelme_files_are_images(tmp_path: Path) -> None:
    annotations = Annotations.of({0: Labels.from_mask(IDS)})
    save_annotations(tmp_path / "lm", annotations, "labelme", video=VIDEO)
    Image.new("RGB", (9, 7)).save(tmp_path / "lm/f0.png")
    assert recognise(tmp_path / "lm").name == "labelme"
    next((tmp_path / "lm").glob("*.json")).unlink()
    assert recognise(tmp_path / "lm").name == "png"


def test_what_labels_are_called_is_their_file(tmp_path: Path) -> None:
    for path, frames in written(tmp_path).values():
        found = load_annotations(path, VIDEO)
        assert {found.called(t) for t in frames} == {str(path)}
    assert Annotations.of({3: POINTS}).called(3) == "labels of frame 3"


def test_a_runs_own_mask_belongs_to_its_frame(tmp_path: Path) -> None:
    """Also where the frames of the video have no names."""
    video = VideoInfo("v.mp4", 9, 7, 20)
    save_prediction(
        tmp_path, "00012", Prediction(12, Labels.from_mask(IDS), np.ones(1, np.float32))
    )
    for path in (tmp_path / "masks/00012.png", tmp_path / "frames/00012.json"):
        assert list(load_annotations(path, video).frames) == [12]
    elsewhere = tmp_path / "copied.png"
    elsewhere.write_bytes((tmp_path / "masks/00012.png").read_bytes())
    assert list(load_annotations(elsewhere, video).frames) == [0]


def test_a_runs_own_result_goes_by_its_name_where_frames_have_names(tmp_path: Path) -> None:
    """Frames may have been removed from the folder since; a number would mean another one."""
    labels = Labels.from_mask(IDS)
    save_prediction(tmp_path, "f2", Prediction(2, labels, np.ones(1, np.float32), name="f2"))
    cut = VideoInfo("frames", 9, 7, 2, names=("f1", "f2"))
    for path in (tmp_path / "masks/f2.png", tmp_path / "frames/f2.json"):
        assert list(load_annotations(path, cut).frames) == [1]
    other = VideoInfo("frames", 9, 7, 2, names=("f0", "f1"))
    for path in (tmp_path / "masks/f2.png", tmp_path / "frames/f2.json"):
        with pytest.raises(InputError, match="f2"):
            load_annotations(path, other)


def test_smoothed_masks_are_snapped_where_asked(tmp_path: Path) -> None:
    disc = np.zeros((70, 90), np.uint8)
    disc[20:50, 30:60] = 255
    Image.fromarray(disc).resize((60, 45), Image.Resampling.BILINEAR).save(tmp_path / "a.png")
    video = VideoInfo("v.mp4", 60, 45, 4)
    with pytest.raises(InputError, match="--snap"):
        load_annotations(tmp_path / "a.png", video)
    assert load_annotations(tmp_path / "a.png", video, snap=True).only().present == (1,)


@pytest.mark.parametrize(
    ("library", "suffix", "name", "extra"),
    [("pandas", ".h5", "dlc_h5", "dlc"), ("sleap_io", ".slp", "slp", "pose")],
)
def test_a_missing_library_is_named_by_its_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    suffix: str,
    name: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match=rf"pip install 'pixelkin\[{extra}\]'"):
        save_annotations(path, Annotations.of({0: POINTS}), name)
    assert not path.exists()
    path.write_bytes(b"\x89HDF\r\n\x1a\n pandas_type")
    with pytest.raises(InputError, match=rf"pip install 'pixelkin\[{extra}\]'"):
        load_annotations(path, VIDEO)
