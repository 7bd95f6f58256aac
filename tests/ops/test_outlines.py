"""Outlines give masks back, and polygons are filled as pycocotools fills them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


def test_a_box_has_its_left_top_width_and_height() -> None:
    expected = np.zeros((9, 12), bool)
    expected[2:5, 3:10] = True
    np.testing.assert_array_equal(outlines.fill_box([3, 2, 7, 3], (9, 12)), expected)


def test_corners_may_lie_four_frames_away() -> None:
    """Those of a 4 x 6 frame 24 pixels; the band between them is filled within the frame."""
    far = [[-24, 1], [24, 1], [24, 3], [-24, 3]]
    assert outlines.fill([far], (4, 6)).sum(axis=1).tolist() == [0, 6, 6, 0]
    with pytest.raises(ValueError, match="far outside"):
        outlines.fill([[[-24, 1], [24.1, 1], [24, 3]]], (4, 6))


@given(MASKS.filter(lambda mask: mask.any()), st.sampled_from([0.3, 1.0, 2.5]))
def test_corners_that_are_left_out_are_near(mask: NDArray[np.bool_], tolerance: float) -> None:
    """By walking along each side in small steps: no corner is further from all of its steps."""
    for ring in outlines.outlines(mask):
        simple = outlines.simplify(ring, tolerance)
        places = [np.flatnonzero((ring == corner).all(axis=1)) for corner in simple]
        assert 3 <= len(simple) <= len(ring) and all(len(p) for p in places)
        steps = np.linspace(0, 1, 200)[:, None]
        sides = [
            a + steps * (b - a) for a, b in zip(simple, np.roll(simple, -1, axis=0), strict=True)
        ]
        walked = np.concatenate(sides)
        gaps = np.hypot(*(ring[:, None] - walked).transpose(2, 0, 1)).min(axis=1)
        assert gaps.max() <= tolerance + 0.1


def test_rectangles_keep_their_corners_and_stairs_become_a_line() -> None:
    (square,) = outlines.outlines(np.ones((30, 40), bool))
    np.testing.assert_array_equal(outlines.simplify(square, 3), square)
    (stairs,) = outlines.outlines(np.tri(30, 30, dtype=bool))
    assert len(stairs) == 62
    assert sorted(outlines.simplify(stairs, 1).tolist())[:2] == [[0, 0], [0, 30]]
    assert len(outlines.simplify(stairs, 1)) <= 5


def test_a_ring_that_passes_a_corner_twice_keeps_both_lobes() -> None:
    mask = np.ones((22, 22), bool)
    mask[1:11, 1:11] = mask[11:21, 11:21] = False
    rings = outlines.outlines(mask)
    assert sorted(len(ring) for ring in rings) == [4, 8]
    for ring in rings:
        np.testing.assert_array_equal(outlines.simplify(ring, 2), ring)
