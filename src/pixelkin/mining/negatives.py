"""Which pixels to push away: neither too easy nor too hard.

Free functions over rows of candidates, one row an anchor. Knows nothing about losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pixelkin.checks import check_choice, check_number, check_types
from pixelkin.ops.host import at_hand, wide

Hardness = Literal["rank", "cosine"]
_LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Negatives:
    """What may be a negative of an anchor. The greatest hardness m2 comes from the curriculum.

    Attributes:
        hardness: "rank" or "cosine", see `negatives_in_band`.
        m1: Least hardness of a negative.
        floor: Least number of negatives of an anchor.
        exclude: Cells at most so many rows and columns from the positive are no negatives.
        cross_video: Cells of other videos, drawn anew for each step, that are negatives of all
            anchors. The band is not for them: it keeps an anchor from pushing away what may belong
            to it, which they cannot.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [A, S] the band, m1 = 0 [S]; [D] hardness, floor, neighbourhood and cross-video negatives.
    """

    hardness: Hardness = "rank"
    m1: float = 0.0
    floor: int = 32
    exclude: int = 1
    cross_video: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        check_number("m1", self.m1, least=0, most=1)
        for name in ("floor", "exclude", "cross_video"):
            check_number(name, getattr(self, name), least=0)


def mine_negatives(
    similarity: Tensor, positives: Tensor, grid: tuple[int, int], m2: float, settings: Negatives
) -> tuple[Tensor, Tensor]:
    """The negatives of each positive among the cells of the same frame t.

    Args:
        similarity: P x (h * w) cosines of each anchor with the cells of frame t.
        positives: P int64: the cell that is each anchor's positive.
        grid: (h, w) of frame t.
        m2: Greatest hardness of a negative.
        settings: Least hardness, floor and neighbourhood.

    Returns:
        (negatives, candidates), P x (h * w) bool: the candidates are all cells but the positive's
        neighbourhood.
    """
    candidates = ~neighbourhood(positives, *grid, settings.exclude)
    negatives = negatives_in_band(
        similarity, candidates, settings.m1, m2, hardness=settings.hardness, floor=settings.floor
    )
    return negatives, candidates


@torch.no_grad()
def negatives_in_band(
    similarity: Tensor,
    candidates: Tensor,
    low: float,
    high: float,
    *,
    hardness: Hardness = "rank",
    floor: int = 32,
) -> Tensor:
    """The candidates of adequate hardness: those within [m1, m2], and never fewer than a floor.

    Hardness, 0 the easiest and 1 the hardest, is

    * "rank": the share of the anchor's other candidates that are less similar to it, which keeps
      the same share of negatives whatever the network (a single candidate is in every band);
    * "cosine": the similarity itself, negative ones counted as 0. The features of an untrained
      network have cosines of 0.7 to 0.95, so that an absolute m2 can leave nothing at all.

    An anchor with fewer than `floor` candidates in the band gets its `floor` easiest as well (all,
    if it has no more), so that there is a loss to learn from.

    Args:
        similarity: P x K cosines of each anchor with its candidates, of any float type.
        candidates: P x K bool: which may be negatives at all.
        low: m1.
        high: m2.
        hardness: "rank" or "cosine".
        floor: Least number of negatives of an anchor that has so many candidates.

    Returns:
        P x K bool, a subset of `candidates`.

    Raises:
        ValueError: If the band or the kind of hardness makes no sense.

    Source:
        [A, S] the band; [D] both kinds of hardness and the floor, the paper's exact definition
        being unknown.
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"the band must satisfy 0 <= m1 <= m2 <= 1, got m1 = {low}, m2 = {high}")
    check_choice("hardness", hardness, get_args(Hardness))
    if low == 0 and high == 1:
        return candidates.clone()
    similarity = wide(similarity.detach())
    if hardness == "cosine":
        value = similarity.clamp_min(0)
        chosen = candidates & (value >= low) & (value <= high)
        short = chosen.sum(1) < floor
        if not at_hand(short):
            return chosen | (short[:, None] & _within_ranks(similarity, candidates, 0, 0, floor))
        if bool(short.any()):
            chosen[short] |= _within_ranks(similarity[short], candidates[short], 0.0, 0.0, floor)
        return chosen
    return _within_ranks(similarity, candidates, low, high, floor)


def _within_ranks(
    similarity: Tensor, candidates: Tensor, low: float, high: float, floor: int
) -> Tensor:
    """Candidates from quantile `low` to `high` of their row, or the `floor` easiest as well."""
    value = similarity.masked_fill(~candidates, torch.inf)
    ordered = _sorted_rows(value)
    beyond = ordered.new_full((len(ordered), 1), _LARGEST)
    last = torch.searchsorted(ordered, beyond, right=True) - 1  # rank of the hardest
    # A hair wide, so that a quantile that falls on a rank takes it in whatever the rounding.
    first_rank = (low * last - 1e-4).ceil().long().clamp_min(0)
    last_rank = (high * last + 1e-4).floor().long().clamp_min(0)
    most = ordered.gather(1, last_rank).clamp_max(_LARGEST)  # infinite where nothing is allowed
    chosen = value <= most
    if low > 0:
        chosen &= value >= ordered.gather(1, first_rank)
    short = last_rank - first_rank + 1 < floor
    if floor and (not at_hand(short) or bool(short.any())):
        easiest = ordered.gather(1, last.clamp(0, floor - 1)).clamp_max(_LARGEST)
        chosen |= (value <= easiest) & short
    return chosen


def _sorted_rows(x: Tensor) -> Tensor:
    """`x` with ascending rows. On the CPU by NumPy, whose vectorised sort is 10 times faster."""
    if at_hand(x):
        return torch.from_numpy(np.sort(x.numpy(), axis=1))
    return x.sort(dim=1).values


def neighbourhood(cells: Tensor, height: int, width: int, radius: int) -> Tensor:
    """The cells of a grid at most `radius` rows and columns away from given ones.

    Neighbouring cells overlap in what they see: that of a positive is no negative [D].

    Args:
        cells: P int64, numbered row by row.
        height: Rows of the grid.
        width: Columns of the grid.
        radius: In cells; 0 is the cell alone.

    Returns:
        P x (height * width) bool.
    """

    def near(position: Tensor, count: int) -> Tensor:
        index = torch.arange(count, device=cells.device)
        return (index - position[:, None]).abs() <= radius

    rows, columns = near(cells // width, height), near(cells % width, width)
    return (rows[:, :, None] & columns[:, None]).flatten(1)
