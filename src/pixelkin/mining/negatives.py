"""Which pixels to push away: neither too easy nor too hard.

Free functions over rows of candidates, one row an anchor. Knows nothing about losses.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Hardness = Literal["rank", "cosine"]
_LARGEST = torch.finfo(torch.float32).max


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
        similarity: P x K cosines of each anchor with its candidates.
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
        The band: abstract and supplement. Both kinds of hardness and the floor: our decision, the
        paper's exact definition being unknown.
    """
    if not 0 <= low <= high <= 1:
        raise ValueError(f"the band must satisfy 0 <= m1 <= m2 <= 1, got {low = }, {high = }")
    if hardness not in ("rank", "cosine"):
        raise ValueError(f"{hardness = }: must be rank or cosine")
    if low == 0 and high == 1:
        return candidates.clone()
    if hardness == "cosine":
        value = similarity.clamp_min(0)
        chosen = candidates & (value >= low) & (value <= high)
        short = chosen.sum(1) < floor
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
    if floor and bool(short.any()):
        easiest = ordered.gather(1, last.clamp(0, floor - 1)).clamp_max(_LARGEST)
        chosen |= (value <= easiest) & short
    return chosen


def _sorted_rows(x: Tensor) -> Tensor:
    """`x` with ascending rows. On the CPU by NumPy, whose vectorised sort is 10 times faster."""
    if x.device.type == "cpu":
        return torch.from_numpy(np.sort(x.numpy(), axis=1))
    return x.sort(dim=1).values


def neighbourhood(cells: Tensor, height: int, width: int, radius: int) -> Tensor:
    """The cells of a grid at most `radius` rows and columns away from given ones.

    Neighbouring cells overlap in what they see: that of a positive is no negative (our decision).

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
