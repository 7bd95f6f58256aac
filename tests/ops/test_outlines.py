"""Outlines give masks back, and polygons are filled as pycocotools fills them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from pixelkin.ops import outlines, rle

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_masks_come_back(mask: NDArray[np.bool_]) -> None:
    rings = outlines.outlines(mask)
    np.testing.assert_array_equal(outlines.fill(rings, mask.shape), mask)
    areas = [outlines.area(ring) for ring in rings]
    assert sum(areas) == mask.sum()
    assert sum(area > 0 for area in areas) == ndimage.label(mask)[1]  # 4-connected
    for ring in rings:  # along the cracks, and a corner at every turn
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps == 0).sum(axis=1) == 1).all()
        assert ((steps == 0).argmax(axis=1) != np.roll((steps == 0).argmax(axis=1), 1)).all()


def test_a_piece_goes_clockwise_and_its_hole_the_other_way() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    outer, hole = outlines.outlines(mask)
    assert outer.tolist() == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert (outlines.area(outer), outlines.area(hole)) == (9, -1)


def test_polygons_are_filled_as_by_pycocotools(golden: Path) -> None:
    recorded = json.loads((golden / "formats/coco.json").read_text())["polygons"]
    for name, case in recorded.items():
        mask = outlines.fill([case["ring"]], case["size"])
        assert rle.compress(rle.encode(mask)["counts"]) == case["counts"], name


@pytest.mark.parametrize(
    "ring",
    [[[0, 0], [1, 1]], [[0, 0, 0]] * 3, [[0, 0], [np.nan, 1], [2, 2]], [[0, 0], [1e9, 0], [0, 1]]],
)
def test_what_is_no_polygon_is_an_error(ring: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="a polygon"):
        outlines.fill([ring], (4, 4))
