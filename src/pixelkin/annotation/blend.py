"""Passes that meet in a frame: how much each of them counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

DEPTH = 2  # labels of each side that show a mask together
LEAST_AGREEMENT = 0.35
"""Of two passes, soft intersection over union. Above it J does not depend on it (on the videos that
the table of confidence is made of); below it the two show different things."""
LEAST_ERROR = 0.02  # 1 - J that is expected of a pass: below it all are as good
MOST = 0.5
VISIBLE_CELLS = 2.0  # positions of a point from both sides are one within this distance
SPREAD_CELLS = 1.0  # distance at which the confidence of two positions has fallen to exp(-1/2)


def weights(
    distances: Sequence[int], expected: Sequence[float], passed: Sequence[float]
) -> tuple[float, ...]:
    """How much each pass of a mask counts in a frame: cbrt(1 / distance) / (1 - expected J).

    Less, if it showed something else than the newer label that it went through; nothing, if it
    missed it altogether.

    Args:
        distances: Frames from the label of each.
        expected: J that is to be expected of each by itself.
        passed: How far each agreed with the newer label that it went through; 1 without one.

    Returns:
        Weights that sum to 1.
    """
    found = [
        min(1, p / LEAST_AGREEMENT) * math.cbrt(1 / distance) / max(1 - j, LEAST_ERROR)
        for distance, j, p in zip(distances, expected, passed, strict=True)
    ]
    return tuple(x / sum(found) for x in found)


def share_of(votes: NDArray[np.float32]) -> float:
    """Mean share of the votes of one object, h x w, where it has most; 0 if nowhere.

    Between cells as in the middle of their quarters: near enough to that of all pixels, which
    takes long.
    """
    if votes.max(initial=0) <= MOST:
        return 0.0
    fine = F.interpolate(torch.from_numpy(votes)[None, None], scale_factor=2, mode="bilinear")
    most = fine[fine > MOST]
    return float(most.mean()) if len(most) else 0.0


def agreement(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Soft intersection over union of two maps h x w in [0, 1]; 1 where both are empty."""
    union = float(np.maximum(a, b).sum())
    return float(np.minimum(a, b).sum()) / union if union else 1.0


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
