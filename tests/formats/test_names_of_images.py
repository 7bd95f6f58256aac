"""Names of images outlast formats, without the video, and tell the same frames in all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import FILE, SIZE

from pixelkin.formats.listed_frames import named_video
from pixelkin.formats.registry import load_annotations, probe_video, recognise, save_annotations
from pixelkin.types import Annotations, Labels, VideoInfo

NAMES = {
    "numbers from 5 on": tuple(f"{n:05d}" for n in range(5, 11)),
    "every fifth": tuple(f"{n:05d}" for n in range(0, 30, 5)),
    "a word and numbers": tuple(f"kick_{n}" for n in range(8, 14)),
    "words": ("a", "b x", "ç", "d1", "e", "f10"),
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
        ({"0.png": 2}, None),  # those before would have the same name
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
