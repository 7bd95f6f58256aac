from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixelkin.formats.points_json import load_points, save_points
from pixelkin.types import InputError, Labels

POINTS = np.array([[311.5, 240], [np.nan, np.nan], [-3.1, 1e-7]], np.float32)


@pytest.mark.parametrize("kind", ["keypoints", "points"])
@pytest.mark.parametrize("names", [None, ("nose", "left ear", "")])
def test_round_trip(tmp_path: Path, kind: str, names: tuple[str, ...] | None) -> None:
    labels = Labels.from_points(POINTS, (480, 854), kind=kind, names=names)
    save_points(tmp_path / "a.json", labels)
    read = load_points(tmp_path / "a.json", (480, 854))
    assert (read.kind, read.size) == (kind, (480, 854))
    assert read.objects.names == (names or (None,) * len(POINTS))
    np.testing.assert_array_equal(read.points, POINTS)


def test_the_documented_form(tmp_path: Path) -> None:
    text = """{"kind": "keypoints", "size": [480, 854],
     "points": [{"name": "nose", "x": 311.5, "y": 240}, null, {"x": 80, "y": 95}]}"""
    (tmp_path / "a.json").write_text(text)
    read = load_points(tmp_path / "a.json")
    assert read.objects.names == ("nose", "1", "2")
    np.testing.assert_array_equal(read.points, [[311.5, 240], [np.nan, np.nan], [80, 95]])
    save_points(tmp_path / "b.json", Labels.from_points(POINTS[:2], (2, 3)))
    assert json.loads((tmp_path / "b.json").read_text()) == {
        "kind": "keypoints",
        "size": [2, 3],
        "points": [{"x": 311.5, "y": 240.0}, None],
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "size"),
        ("null", "size"),
        ('{"kind": "keypoints", "points": [{"x": 1, "y": 2}]}', "size"),
        ('{"kind": "keypoints", "size": [4], "points": [{"x": 1, "y": 2}]}', "height, width"),
        (
            '{"kind": "keypoints", "size": [4, 5], "points": [[1, 2]]}',
            "points[0] is a list of 2, must be null or a",
        ),
        (
            '{"kind": "keypoints", "size": [4, 5], "points": [{"x": "1", "y": 2}]}',
            'points[0].x is the text "1"',
        ),
        ('{"kind": "keypoints", "size": [4, 5], "points": [{"x": NaN, "y": 2}]}', "NaN"),
        ('{"kind": "points", "size": [1e999, 5], "points": [{"x": 1, "y": 2}]}', "height, width"),
        (
            '{"kind": "points", "size": [4, 0], "points": [{"x": 1, "y": 2}]}',
            "size is a list of 2, must be [height",
        ),
        (
            '{"kind": "points", "size": [4, 1e9], "points": [{"x": 1, "y": 2}]}',
            "must be [height, width], each 1",
        ),
        (
            '{"kind": "points", "size": [4.5, 9], "points": [{"x": 1, "y": 2}]}',
            "must be [height, width], each",
        ),
        (f'{{"kind": "points", "size": [4, 5], "points": [{{"x": 1{400 * "0"}, "y": 2}}]}}', "x"),
        (100_000 * "[", "nested too deeply"),
        (
            '{"kind": "mask", "size": [4, 5], "points": [{"x": 1, "y": 2}]}',
            'kind is the text "mask"',
        ),
        ('{"kind": "points", "size": [4, 5], "points": []}', "no visible point"),
        ('{"kind": "points", "size": [4, 5], "points": [null, {"x": 1}]}', "no visible point"),
    ],
)
def test_refusals(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        load_points(path)
    message = str(error.value)
    assert str(path) in message and says in message and "\n" not in message


def test_other_sizes_and_missing_files(tmp_path: Path) -> None:
    save_points(tmp_path / "a.json", Labels.from_points(POINTS, (480, 854)))
    with pytest.raises(InputError, match=r"854x480.*432x240"):
        load_points(tmp_path / "a.json", (240, 432))
    with pytest.raises(InputError, match="no such file"):
        load_points(tmp_path / "b.json")
    with pytest.raises(ValueError, match="not points"):
        save_points(tmp_path / "a.json", Labels.from_mask(np.ones((2, 2), int)))
