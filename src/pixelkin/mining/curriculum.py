"""What moves the upper hardness m2: the variance of a confidence, the clock, or nothing.

A confident network has a peaked confidence, whose variance is large: it can learn from harder
negatives [S, eq. 9]. Knows nothing about losses or networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from pixelkin.checks import check_number, check_types
from pixelkin.ops.host import at_hand

Signal = Literal["fixed", "clock", "var_q", "var_t", "var_c"]
MOMENTUM = 0.98  # of the moving average of the variance, per step [D]


@torch.no_grad()
def variance(confidence: Tensor, *, normalize_rows: bool = False) -> Tensor:
    """How peaked a dense confidence is: v = (1/N) sum_ij X_ij^2.

    For N x N matrices X whose rows sum to 1, v = N * Var(X) + 1/N, in [1/N, 1]: 1/N if X is flat,
    1 if it is a permutation, and 1/v is the number of candidates that an average pixel hesitates
    between. `variance_of_entries` gives the same from the entries alone, several times faster. But
    finding the entries takes longer than this (benchmarks/mining.py measures each), so that mining
    uses it where it needs them anyway: for C.

    Args:
        confidence: X = That or C, B x N x M; or Q.
        normalize_rows: Scale rows to sum to 1 first, for Q, whose rows do not.

    Returns:
        B.

    Source:
        [S, eq. 9] the variance; [D] this reading of it, and that Q's rows are normalised.
    """
    if not normalize_rows and not at_hand(confidence):
        rows = confidence.flatten(1)
        dense: Tensor = torch.linalg.vecdot(rows, rows) / confidence.shape[1]
        return dense
    if not normalize_rows:
        return _sums_of_squares(confidence.flatten(1), confidence) / confidence.shape[1]
    squares = torch.linalg.vector_norm(confidence, dim=2).square()
    squares = squares / confidence.sum(2).square().clamp_min(torch.finfo(squares.dtype).tiny)
    v: Tensor = squares.mean(1)
    return v


@torch.no_grad()
def variance_of_entries(values: Tensor, clips: Tensor, count: int, cells: int) -> Tensor:
    """`variance` of `count` confidences from their entries alone (see `entries`).

    Args:
        values: E: the entries X_ij.
        clips: E int64: the matrix each belongs to, ascending.
        count: Number of matrices B.
        cells: Rows N of each.

    Returns:
        B.
    """
    if not at_hand(values):
        return values.new_zeros(count).index_add_(0, clips, values.square()) / cells
    bounds = torch.searchsorted(clips, torch.arange(count + 1, device=clips.device)).tolist()
    return _sums_of_squares([values[a:b] for a, b in pairwise(bounds)], values) / cells


def _sums_of_squares(parts: Iterable[Tensor], like: Tensor) -> Tensor:
    """One for each vector. Dot products, as squares on their own may be slow subnormal numbers."""
    squares = [part @ part for part in parts]
    return torch.stack(squares) if squares else like.new_zeros(0)


@dataclass(frozen=True)
class Curriculum:
    """m2 over the training.

    m2 = low + (high - low) * clip((v - v0) / (v_ref - v0), 0, 1), where v is the exponential moving
    average of `variance` and v0 = 1/N that of a flat confidence. With "clock", the clipped fraction
    is the progress of the training instead; with "fixed", m2 = high and the rest has no effect.

    Attributes:
        signal: "fixed" | "clock" | "var_q" | "var_t" (the paper's final model) | "var_c".
        low: m2 of a network that knows nothing.
        high: m2 of one that is sure.
        v_ref: The variance that counts as sure. None takes 0.5 for T, 0.3 for C, and 2.5 / N for
            Q, whose normalised rows stay nearly flat: a network warmed up for 300 steps on known
            geometry has come about half of the way in each.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [S, eq. 9 and table 2] m2 follows a variance, which ones, and that var(T) is the one to
        take; [D] the formula, its constants and the clock.
    """

    signal: Signal = "var_t"
    low: float = 0.3
    high: float = 1.0
    v_ref: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_number("high", self.high, least=0, most=1)
        if self.signal != "fixed":
            check_number("low", self.low, least=0, most=self.high)
        if self.v_ref is not None:
            check_number("v_ref", self.v_ref, above=0)

    @property
    def least(self) -> float:
        """The lowest m2 that there will ever be."""
        return self.high if self.signal == "fixed" else self.low

    @property
    def follows_variance(self) -> bool:
        """Whether m2 depends on `average`."""
        return self.signal.startswith("var_")

    def average(self, before: float | None, v: float) -> float:
        """The moving average of the variance after a step.

        Args:
            before: What it was; None before the first step, which sets it.
            v: The variance of this step.
        """
        kept = before if before is not None else v
        return MOMENTUM * kept + (1 - MOMENTUM) * v

    def upper(self, average: float | None, progress: float, cells: int) -> float:
        """m2.

        Args:
            average: Of the variance; None counts as that of a flat confidence.
            progress: Of the training, in [0, 1].
            cells: N, the number of pixels of a frame.
        """
        if self.signal == "fixed":
            return self.high
        share = progress
        if self.follows_variance:
            flat = 1 / cells
            v = average if average is not None else flat
            sure = {"var_t": 0.5, "var_c": 0.3, "var_q": 2.5 * flat}[self.signal]
            sure = self.v_ref if self.v_ref is not None else sure
            share = (v - flat) / max(sure - flat, 1e-12)
        return self.low + (self.high - self.low) * min(max(share, 0.0), 1.0)
