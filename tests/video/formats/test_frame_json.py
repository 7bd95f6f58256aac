from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pixelkin.types import InputError, Labels, Prediction
from pixelkin.video.formats.frame_json import (
    decode_rle,
    encode_rle,
    load_prediction,
    prediction_to_dict,
    save_prediction,
)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.booleans()))
def test_run_lengths(mask: NDArray[np.bool_]) -> None:
    rle = encode_rle(mask)
    brute: list[int] = [0]
    value = False
    for pixel in mask.T.ravel():
        if pixel != value:
            brute.append(0)
            value = not value
        brute[-1] += 1
    assert rle == {"size": list(mask.shape), "counts": brute}
    np.testing.assert_array_equal(decode_rle(rle), mask)


def same(a: Prediction, b: Prediction) -> None:
    assert (a.index, a.objects, a.origin, a.name) == (b.index, b.objects, b.origin, b.name)
    np.testing.assert_array_equal(a.confidence, b.confidence)
    assert (a.labels.kind, a.labels.size, a.labels.names) == (
        b.labels.kind,
        b.labels.size,
        b.labels.names,
    )
    np.testing.assert_array_equal(a.labels.ids, b.labels.ids)
    np.testing.assert_array_equal(a.labels.points, b.labels.points)


@pytest.mark.parametrize("names", [None, ("dog", "person")])
@pytest.mark.parametrize("kind", ["mask", "parts"])
def test_maps_survive(tmp_path: Path, kind: str, names: tuple[str, ...] | None) -> None:
    ids = np.zeros((7, 9), int)
    ids[1:4, 2:5], ids[3:6, 4:8] = 12, 3
    labels = Labels.from_mask(ids, kind=kind, names=names)
    sure = np.array([0.1, 1 / 3, 0], np.float32)
    prediction = Prediction(4, labels, (3, 12, 40), sure, name="00004")
    save_prediction(tmp_path / "a.json", prediction)
    same(load_prediction(tmp_path / "a.json"), prediction)
    first, second, lost = json.loads((tmp_path / "a.json").read_text())["objects"]
    assert (first["area"], first["box"], first["confidence"]) == (12, [4, 3, 7, 5], 0.1)
    assert (second["area"], second["box"]) == (8, [2, 1, 4, 3])
    assert (lost["area"], lost["box"], lost["rle"]["counts"]) == (0, None, [63])


@pytest.mark.parametrize("names", [None, ("a", "b", "c")])
def test_points_survive(tmp_path: Path, names: tuple[str, ...] | None) -> None:
    points = np.array([[1 / 3, 2], [np.nan, np.nan], [-4, 99.9]], np.float32)
    labels = Labels.from_points(points, (7, 9), kind="points", names=names)
    prediction = Prediction(0, labels, (0, 1, 2), np.ones(3, np.float32), "given")
    save_prediction(tmp_path / "a.json", prediction)
    same(load_prediction(tmp_path / "a.json"), prediction)
    assert prediction_to_dict(prediction)["objects"][1]["x"] is None


def test_no_objects_at_all(tmp_path: Path) -> None:
    empty = Labels.from_mask(np.zeros((2, 3), int))
    prediction = Prediction(0, empty, (), np.zeros(0, np.float32))
    save_prediction(tmp_path / "a.json", prediction)
    same(load_prediction(tmp_path / "a.json"), prediction)


def damaged(change: str) -> str:
    ids = np.eye(3, dtype=int)
    good = prediction_to_dict(Prediction(0, Labels.from_mask(ids), (1,), np.ones(1, np.float32)))
    if change == "counts":
        good["objects"][0]["rle"]["counts"][0] += 1
    elif change == "kind":
        good["kind"] = "video"
    elif change:
        del good[change]
    return json.dumps(good)


@pytest.mark.parametrize("change", ["counts", "kind", "frame", "size", "objects", "origin", "text"])
def test_refusals(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.json"
    path.write_text("{" if change == "text" else damaged(change))
    with pytest.raises(InputError) as error:
        load_prediction(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    path.write_text(damaged(""))
    assert load_prediction(path).labels.objects == (1,)
    with pytest.raises(InputError, match="No such file"):
        load_prediction(tmp_path / "b.json")
