"""Run lengths against walks over the pixels, and against what other tools recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pixelkin.ops import brush, rle

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def recorded(golden: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / f"formats/{name}.json").read_text())
    return found


def masks(golden: Path) -> dict[str, NDArray[np.bool_]]:
    return {
        name: np.array([[c == "1" for c in row] for row in rows])
        for name, rows in recorded(golden, "masks").items()
    }


def walked(pixels: NDArray[np.bool_]) -> list[int]:
    runs, value = [0], False
    for pixel in pixels.ravel():
        if pixel != value:
            runs.append(0)
            value = not value
        runs[-1] += 1
    return runs


@given(MASKS)
def test_runs_down_the_columns(mask: NDArray[np.bool_]) -> None:
    ours = rle.encode(mask)
    assert ours == {"size": list(mask.shape), "counts": walked(mask.T)}
    np.testing.assert_array_equal(rle.decode(ours), mask)
    text = rle.compress(ours["counts"])
    assert rle.expand(text) == ours["counts"]
    np.testing.assert_array_equal(rle.decode(ours | {"counts": text}), mask)


@given(MASKS)
def test_runs_along_the_rows_of_a_box(mask: NDArray[np.bool_]) -> None:
    if not mask.any():
        with pytest.raises(ValueError, match="no box"):
            rle.encode_rows(mask)
        return
    runs, (left, top, width, height) = rle.encode_rows(mask)
    assert runs == walked(mask[top : top + height, left : left + width])
    rows, columns = np.nonzero(mask)
    assert (left, top) == (columns.min(), rows.min())
    assert (left + width - 1, top + height - 1) == (columns.max(), rows.max())
    again = rle.decode_rows(runs, (left, top, width, height), mask.shape)
    np.testing.assert_array_equal(again, mask)


@given(MASKS)
def test_brushes_come_back(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(brush.decode(brush.encode(mask), mask.shape), mask)


def test_strings_are_those_of_pycocotools(golden: Path) -> None:
    theirs = recorded(golden, "coco")["masks"]
    for name, mask in masks(golden).items():
        assert rle.compress(rle.encode(mask)["counts"]) == theirs[name]["counts"]
        box = rle.bounds(mask) if mask.any() else (0, 0, 0, 0)
        assert [*box, mask.sum()] == [*theirs[name]["bbox"], theirs[name]["area"]]


def test_rows_are_those_of_cvat(golden: Path) -> None:
    theirs = recorded(golden, "cvat")
    assert len(theirs) > 4
    for name, runs in theirs.items():
        ours, (left, top, width, height) = rle.encode_rows(masks(golden)[name])
        assert [*ours, left, top, left + width - 1, top + height - 1] == runs


def test_brushes_are_those_of_label_studio(golden: Path) -> None:
    theirs = recorded(golden, "brush")
    for name, mask in masks(golden).items():
        assert brush.encode(mask) == theirs[name]
        np.testing.assert_array_equal(brush.decode(theirs[name], mask.shape), mask)


def test_a_brush_of_single_values_is_read() -> None:
    """Which Label Studio's own page writes, and `encode` does not."""
    bits = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}" + f"001{7:04b}"
    bits += "".join(f"{value:08b}" for value in (0, 0, 0, 0, 9, 9, 9, 9))
    bits += "0" * (-len(bits) % 8)
    stream = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    np.testing.assert_array_equal(brush.decode(stream, (1, 2)), [[False, True]])


@pytest.mark.parametrize("counts", [[1, 2, 2], [-1, 7], [0, 10**12], [2.0, 4], [True, 5], [6, "0"]])
def test_runs_that_do_not_fit_the_size_are_an_error(counts: list[Any]) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        rle.decode({"size": [2, 3], "counts": counts})


@pytest.mark.parametrize("text", ["P", "1é", " ", "\x7f\x80"])
def test_strings_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        rle.expand(text)


@given(st.lists(st.integers(0, 255), max_size=40))
def test_bytes_that_are_no_brush_are_an_error(stream: list[int]) -> None:
    with pytest.raises(ValueError, match="brush"):
        brush.decode(stream, (3, 3))


def test_boxes_outside_are_an_error() -> None:
    for box in ((-1, 0, 2, 2), (0, 0, 4, 2), (2, 1, 2, 2)):
        with pytest.raises(ValueError, match="is not within 3x2"):
            rle.decode_rows([0, box[2] * box[3]], box, (2, 3))


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.booleans()))
def test_boxes(mask: NDArray[np.bool_]) -> None:
    there = [(x, y) for y, row in enumerate(mask) for x, pixel in enumerate(row) if pixel]
    x, y = ([p[k] for p in there] or [0] for k in (0, 1))
    expected = [min(x), min(y), max(x) - min(x) + 1, max(y) - min(y) + 1] if there else [0, 0, 0, 0]
    assert rle.box(mask) == expected
