"""Masks as polygons and back, exactly: outlines along the cracks between pixels.

Coordinates are (x, y) of pixel corners: (0, 0) is the top-left corner of the top-left pixel, half a
pixel above and left of its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FINER = 5  # steps a pixel in which COCO walks along the sides of a polygon
Ring = NDArray[np.int64]


def outlines(mask: NDArray[np.bool_]) -> list[Ring]:
    """The rings around the 4-connected pieces of an H x W mask, and around their holes.

    Each is N x 2 corners: clockwise around a piece as the picture is seen, the other way around a
    hole. Filling them with `fill` gives the mask back.

    Example:
        >>> outlines(np.ones((2, 3), bool))[0].tolist()
        [[0, 0], [3, 0], [3, 2], [0, 2]]
    """
    inside = np.pad(mask, 1)
    sides = inside[:-1, 1:-1], inside[1:, 1:-1], inside[1:-1, :-1], inside[1:-1, 1:]
    above, below, left, right = sides
    ends: dict[tuple[int, int, int], tuple[int, int]] = {}  # (x, y, heading) -> (x, y)
    for y, x0, x1 in _stretches(below & ~above):
        ends[x0, y, 0] = x1, y
    for x, y0, y1 in _stretches((left & ~right).T):
        ends[x, y0, 1] = x, y1
    for y, x0, x1 in _stretches(above & ~below):
        ends[x1, y, 2] = x0, y
    for x, y0, y1 in _stretches((right & ~left).T):
        ends[x, y1, 3] = x, y0
    rings = []
    while ends:
        x, y, heading = first = next(iter(ends))
        ring: list[tuple[int, int]] = []
        while (x, y, heading) != first or not ring:
            ring.append((x, y))
            x, y = ends.pop((x, y, heading))
            turn = (heading + 1) % 4  # to the right where pieces touch: they stay apart
            heading = turn if (x, y, turn) in ends or (x, y, turn) == first else (heading - 1) % 4
        rings.append(np.array(ring))
    return rings


def area(ring: NDArray[np.generic]) -> float:
    """The area within a ring in square pixels; negative around a hole."""
    x, y = np.asarray(ring, dtype=float).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def simplify(ring: Ring, tolerance: float) -> Ring:
    """The ring with fewer of its corners: those that Douglas and Peucker's method keeps.

    Every corner that is left out is within `tolerance` pixels of the side that passes it. Three
    corners are kept at least; sides of a winding ring may cross.

    Args:
        ring: N x 2 corners, not all on one line.
        tolerance: In pixels.
    """
    closed = np.concatenate([ring, ring[:1]]).astype(float)
    far = int(np.hypot(*(closed[:-1] - closed[0]).T).argmax())
    kept = np.zeros(len(ring), dtype=np.bool_)
    kept[[0, far]] = True
    spans = [(0, far), (far, len(ring))]
    while spans:
        start, end = spans.pop()
        gaps = _distances(closed[start + 1 : end], closed[start], closed[end])
        if gaps.max(initial=0) > tolerance:
            middle = start + 1 + int(gaps.argmax())
            kept[middle] = True
            spans += [(start, middle), (middle, end)]
    if kept.sum() < 3:
        kept[int(_distances(closed[:-1], closed[0], closed[far]).argmax())] = True
    return ring[kept]


def fill(
    rings: Iterable[Sequence[Sequence[float]] | NDArray[np.generic]], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """The H x W mask of the pixels within an odd number of rings.

    A ring is rasterised as COCO's tools do it: its sides are walked in fifths of a pixel, and a
    pixel counts as inside where the side passes above its centre.

    Args:
        rings: Polygons, each N x 2 corners.
        size: (height, width) of the mask.

    Raises:
        ValueError: If a coordinate is not finite, or far outside.
    """
    height, width = size
    toggles = np.zeros(height * width + 1, dtype=np.int64)
    for ring in rings:
        np.add.at(toggles, _crossings(np.asarray(ring, dtype=float), height, width), 1)
    inside: NDArray[np.bool_] = np.cumsum(toggles[:-1]) % 2 == 1
    return inside.reshape((height, width), order="F")


def fill_box(box: Sequence[float], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The H x W mask of the filled rectangle (left, top, width, height)."""
    left, top, width, height = box
    right, bottom = left + width, top + height
    return fill([[[left, top], [right, top], [right, bottom], [left, bottom]]], size)


def _stretches(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """(row, first column, column after the last) of each stretch of edges, row by row."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    stops = np.nonzero(steps == -1)[1]
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """N: how far points, N x 2, are from the side between two corners."""
    side = end - start
    share = np.clip((points - start) @ side / (side @ side or 1), 0, 1)
    return np.asarray(np.hypot(*(points - start - share[:, None] * side).T))


def _crossings(ring: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """Where, going down the columns, a polygon is entered or left."""
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
        raise ValueError(f"a polygon must be 3 corners (x, y) or more, got shape {ring.shape}")
    if not (np.abs(ring) <= 4 * max(height, width)).all():
        raise ValueError("a polygon has a corner that is not finite, or far outside of the frame")
    u, v = _walk(np.trunc(FINER * ring + 0.5).astype(np.int64)).T
    moved = np.flatnonzero(np.diff(u))
    column = (np.minimum(u[moved], u[moved + 1]) + 0.5) / FINER - 0.5
    row = (np.minimum(v[moved], v[moved + 1]) + 0.5) / FINER - 0.5
    within = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip(row[within], 0, height)).astype(np.int64)
    return np.asarray(column[within].astype(np.int64) * height + row)


def _walk(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The steps along the sides of a polygon, N x 2, one each along the longer axis of a side.

    Along the other axis they are rounded as on the way up the longer one.
    """
    after = np.roll(corners, -1, axis=0)
    steep = np.abs(after - corners)[:, 1] > np.abs(after - corners)[:, 0]
    flipped = np.where(steep[:, None], corners[:, ::-1], corners)  # (longer, other) axis
    flipped_after = np.where(steep[:, None], after[:, ::-1], after)
    back = flipped[:, 0] > flipped_after[:, 0]
    low = np.where(back[:, None], flipped_after, flipped)
    high = np.where(back[:, None], flipped, flipped_after)
    length = high[:, 0] - low[:, 0]
    slope = (high[:, 1] - low[:, 1]) / np.maximum(length, 1)
    side = np.repeat(np.arange(len(corners)), length + 1)
    step = np.arange(len(side)) - np.repeat(np.cumsum(length + 1) - length - 1, length + 1)
    step = np.where(back[side], length[side] - step, step)
    longer = low[side, 0] + step
    other = np.trunc(low[side, 1] + slope[side] * step + 0.5).astype(np.int64)
    points = np.stack([longer, other], axis=1)
    return np.where(steep[side, None], points[:, ::-1], points)
