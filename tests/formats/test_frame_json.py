"""A frame's prediction as files: what survives, what is refused, whose word counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixelkin.formats.frame_json import files_of, load, load_prediction, save_prediction
from pixelkin.formats.mask_png import write_mask
from pixelkin.formats.results_folder import probe
from pixelkin.types import (
    InputError,
    Labels,
    MaskLabels,
    Object,
    Objects,
    Prediction,
    VideoInfo,
)

IDS = np.zeros((7, 9), np.int32)
IDS[1:4, 2:5], IDS[3:6, 4:8] = 12, 3


def same(a: Prediction, b: Prediction) -> None:
    assert (a.index, a.objects, a.origin, a.name) == (b.index, b.objects, b.origin, b.name)
    np.testing.assert_array_equal(a.confidence, b.confidence)
    assert (a.labels.kind, a.labels.size) == (b.labels.kind, b.labels.size)
    assert [o.name for o in a.labels.objects] == [o.name for o in b.labels.objects]
    if isinstance(a.labels, MaskLabels):
        np.testing.assert_array_equal(a.ids, b.ids)
    else:
        np.testing.assert_array_equal(a.points, b.points)


@pytest.mark.parametrize("names", [(None, None, None), ("dog", "person", "bird")])
@pytest.mark.parametrize("kind", ["mask", "parts"])
def test_maps_survive(tmp_path: Path, kind: str, names: tuple[str | None, ...]) -> None:
    """Objects that are not in the picture too."""
    objects = Objects(tuple(Object(i, kind, n) for i, n in zip((3, 12, 40), names, strict=True)))
    sure = np.array([0.1, 1 / 3, 0], np.float32)
    prediction = Prediction(4, MaskLabels(kind, objects, IDS), sure, name="00004")
    save_prediction(tmp_path, "00004", prediction)
    same(load_prediction(tmp_path, "00004"), prediction)
    content = json.loads((tmp_path / "frames/00004.json").read_text())
    assert [o["confidence"] for o in content["objects"]] == [0.1, pytest.approx(1 / 3), 0]
    paths = [tmp_path / "frames/00004.json", tmp_path / "masks/00004.png"]
    assert list(files_of(tmp_path, "00004", kind)) == paths
    assert all(path.is_file() for path in paths)


def test_colours_survive(tmp_path: Path) -> None:
    objects = Objects((Object(1, colour=(10, 20, 30)), Object(2)))
    ids = np.array([[0, 1], [2, 2]], np.int32)
    prediction = Prediction(0, MaskLabels("mask", objects, ids), np.ones(2, np.float32))
    save_prediction(tmp_path, "a", prediction)
    assert load_prediction(tmp_path, "a").labels.objects[1].colour == (10, 20, 30)


def test_the_picture_is_the_truth_of_a_mask(tmp_path: Path) -> None:
    """Somebody corrects the PNG, and adds an object to it."""
    prediction = Prediction(0, Labels.from_mask(IDS), np.ones(2, np.float32))
    save_prediction(tmp_path, "00000", prediction)
    painted = np.where(IDS == 3, 0, IDS)
    painted[6, 8] = 5
    write_mask(tmp_path / "masks/00000.png", Labels.from_mask(painted))
    with pytest.raises(InputError, match="object 5"):
        load_prediction(tmp_path, "00000")
    painted[6, 8] = 0
    write_mask(tmp_path / "masks/00000.png", Labels.from_mask(painted))
    read = load_prediction(tmp_path, "00000")
    assert np.array_equal(read.ids, painted) and read.objects == (3, 12)


@pytest.mark.parametrize("names", [None, ("a", "b", "c")])
def test_points_survive(tmp_path: Path, names: tuple[str, ...] | None) -> None:
    points = np.array([[1 / 3, 2], [np.nan, np.nan], [-4, 99.9]], np.float32)
    labels = Labels.from_points(points, (7, 9), kind="points", names=names)
    prediction = Prediction(0, labels, np.ones(3, np.float32), "given")
    save_prediction(tmp_path, "a", prediction)
    same(load_prediction(tmp_path, "a"), prediction)
    content = json.loads((tmp_path / "frames/a.json").read_text())
    assert content["objects"][1]["x"] is None
    assert not (tmp_path / "masks").exists()


def test_no_objects_at_all(tmp_path: Path) -> None:
    empty = Labels.from_mask(np.zeros((2, 3), int))
    prediction = Prediction(0, empty, np.zeros(0, np.float32))
    save_prediction(tmp_path, "a", prediction)
    same(load_prediction(tmp_path, "a"), prediction)


def test_a_result_is_valid_as_labels(tmp_path: Path) -> None:
    labels = Labels.from_points(np.array([[1.5, 2]]), (7, 9), names=("nose",))
    save_prediction(tmp_path, "a", Prediction(3, labels, np.ones(1, np.float32)))
    path = tmp_path / "frames/a.json"
    (number, (read,)), *rest = load(path, VideoInfo("v", 9, 7, 5)).frames.items()
    assert (number, rest, read.objects[0].name) == (3, [], "nose")


@pytest.mark.parametrize("change", ["kind", "frame", "size", "objects", "origin", "text", "map"])
def test_refusals(tmp_path: Path, change: str) -> None:
    prediction = Prediction(0, Labels.from_mask(np.eye(3, dtype=int)), np.ones(1, np.float32))
    save_prediction(tmp_path, "a", prediction)
    assert load_prediction(tmp_path, "a").labels.present == (1,)
    path = tmp_path / "frames/a.json"
    content = json.loads(path.read_text())
    if change == "kind":
        content["kind"] = "video"
    elif change == "map":
        (tmp_path / "masks/a.png").unlink()
    elif change != "text":
        del content[change]
    path.write_text("{" if change == "text" else json.dumps(content))
    with pytest.raises(InputError) as error:
        load_prediction(tmp_path, "a")
    where = tmp_path / "masks/a.png" if change == "map" else path
    assert str(where) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        load_prediction(tmp_path, "b")


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "[1e999, 3]"), ("size", "[3, -1]"), ("frame", "1e999"), ("size", "[3, 4, 5]")],
)
def test_numbers_that_are_none(tmp_path: Path, key: str, value: str) -> None:
    prediction = Prediction(0, Labels.from_mask(np.eye(3, dtype=int)), np.ones(1, np.float32))
    save_prediction(tmp_path, "a", prediction)
    path = tmp_path / "frames/a.json"
    content = {**json.loads(path.read_text()), key: "HERE"}
    path.write_text(json.dumps(content).replace('"HERE"', value))
    with pytest.raises(InputError, match=r"a\.json is not the JSON of a prediction"):
        load_prediction(tmp_path, "a")


def test_how_many_frames_a_run_has(tmp_path: Path) -> None:
    """What run.json says; without it, up to the last that there is."""
    for number in (0, 4):
        labels = MaskLabels("mask", Objects((Object(3), Object(12))), IDS)
        prediction = Prediction(number, labels, np.ones(2, np.float32))
        save_prediction(tmp_path, f"{number:05d}", prediction)
    assert probe(tmp_path).frames == 5
    (tmp_path / "run.json").write_text(json.dumps({"video": {"frames": 9}}))
    assert probe(tmp_path).frames == 9
