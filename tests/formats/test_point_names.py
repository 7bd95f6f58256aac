"""One name is one point in all files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixelkin.formats.label_files import LabelFile, load_label_files
from pixelkin.formats.points_json import save_points
from pixelkin.types import InputError, Labels, VideoInfo

VIDEO = VideoInfo("v.mp4", 60, 40, 9)


def save(folder: Path, frame: int, **points: float) -> LabelFile:
    """Points at (x, x) for each name."""
    places = np.array([[x, x] for x in points.values()])
    save_points(folder / f"{frame}.json", Labels.from_points(places, (40, 60), names=list(points)))
    return LabelFile(folder / f"{frame}.json")


@pytest.mark.parametrize("backwards", [False, True])
def test_a_correction_of_some_points_is_of_these(tmp_path: Path, backwards: bool) -> None:
    files = [
        save(tmp_path, 0, nose=1, tail=2, paw=3),
        save(tmp_path, 4, tail=20),
        save(tmp_path, 6, ear=9, nose=10),
    ]
    found = load_label_files(files[::-1] if backwards else files, VIDEO).annotations
    assert {o.id: o.name for o in found.objects} == {0: "nose", 1: "tail", 2: "paw", 3: "ear"}
    at = {
        t: {o.name: float(x) for o, (x, _) in zip(one.objects, one.as_points().points, strict=True)}
        for t, one in found
    }
    assert at == {
        0: {"nose": 1, "tail": 2, "paw": 3},
        4: {"tail": 20},
        6: {"ear": 9, "nose": 10},
    }


def test_points_without_names_are_told_by_their_place(tmp_path: Path) -> None:
    places = np.array([[1, 1], [np.nan, np.nan], [5, 5]])
    for frame in (0, 3):
        save_points(tmp_path / f"{frame}.json", Labels.from_points(places, (40, 60)))
    found = load_label_files([LabelFile(tmp_path)], VIDEO).annotations
    assert found.objects.ids == (0, 1, 2) and list(found.frames) == [0, 3]


def test_absent_points_give_way_to_names(tmp_path: Path) -> None:
    """A file that holds one name and a null, in another order."""
    first = save(tmp_path, 0, nose=1, tail=2)
    later = {"kind": "keypoints", "size": [40, 60]}
    points = [{"name": "tail", "x": 30, "y": 30}, None]
    (tmp_path / "5.json").write_text(json.dumps({**later, "points": points}))
    found = load_label_files([first, LabelFile(tmp_path / "5.json")], VIDEO).annotations
    assert {o.id: o.name for o in found.objects} == {0: "nose", 1: "tail"}
    assert dict(found)[5].objects.ids == (1,)
    points[1] = {"x": 3, "y": 3}
    (tmp_path / "5.json").write_text(json.dumps({**later, "points": points}))
    with pytest.raises(InputError, match=r"5\.json: point 1 has no name, and its place is"):
        load_label_files([first, LabelFile(tmp_path / "5.json")], VIDEO)


def test_names_that_are_there_twice_tell_nothing(tmp_path: Path) -> None:
    places = np.array([[1, 1], [5, 5]])
    for frame in (0, 3):
        labels = Labels.from_points(places, (40, 60), names=("paw", "paw"))
        save_points(tmp_path / f"{frame}.json", labels)
    found = load_label_files([LabelFile(tmp_path)], VIDEO).annotations
    assert found.objects.ids == (0, 1)
