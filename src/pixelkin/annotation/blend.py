"""Two passes that meet: how much each counts between its label and the other's.

Pure functions; what is measured about a label comes from `compute`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEAST_ERROR = 0.02  # of a label: below it all are as good
CYCLE = 5  # frames out and back over which a label's error is measured
VISIBLE_CELLS = 2.0  # positions of a point from both sides are one within this distance
SPREAD_CELLS = 1.0  # distance at which the confidence of two positions has fallen to exp(-1/2)


def weight(frame: int, before: int, after: int, errors: tuple[float, float]) -> float:
    """Share of the pass forwards at a frame between two labels.

    w = (1 - u) / e_a over itself plus u / e_b, with u the place between the two: a label from which
    five frames out and back lose much of it is a poor source, however near it is.

    Args:
        frame: Frame number.
        before: Of the label before it.
        after: Of the label after it.
        errors: (e_a, e_b): error of each label by `cycle_error`.
    """
    u = (frame - before) / (after - before)
    first, last = (
        share / max(error, LEAST_ERROR) for share, error in zip((1 - u, u), errors, strict=True)
    )
    return first / (first + last)


def cycle_error(label: NDArray[np.float32], returned: NDArray[np.float32]) -> float:
    """1 - soft intersection over union of a label on the grid and of what came back of it.

    Args:
        label: h x w, in [0, 1].
        returned: h x w, after some frames out and back.
    """
    union = float(np.maximum(label, returned).sum())
    return 1.0 - float(np.minimum(label, returned).sum()) / union if union else 1.0


def agreement(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> float:
    """Soft intersection over union of two passes' votes in one frame; 1 where both are empty."""
    if not forward.any() and not backward.any():
        return 1.0
    return 1.0 - cycle_error(forward, backward)


def blend_points(
    first: tuple[float, float, float], last: tuple[float, float, float], share: float, cell: float
) -> tuple[float, float, float, float]:
    """The position of a point from two passes.

    Args:
        first: (x, y, confidence) of the pass forwards; NaN where it has no position.
        last: Of the pass backwards.
        share: Of the pass forwards.
        cell: Pixels of a cell.

    Returns:
        x, y, confidence and agreement, which falls with the distance of the two.
    """
    if math.isnan(first[0]) or math.isnan(last[0]):
        known = last if math.isnan(first[0]) else first
        return (*known, 0.0)
    distance = math.dist(first[:2], last[:2]) / cell
    alike = math.exp(-0.5 * (distance / SPREAD_CELLS) ** 2)
    x, y, confidence = (share * a + (1 - share) * b for a, b in zip(first, last, strict=True))
    return x, y, confidence * alike, alike
