"""What a few seeds say about a mean and about a difference. Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student


class Spread(NamedTuple):
    """Of one row.

    Attributes:
        seeds: Number of seeds.
        mean: Of them; NaN for none.
        std: Sample standard deviation (n - 1); NaN for fewer than two.
    """

    seeds: int
    mean: float
    std: float


class Difference(NamedTuple):
    """Of two rows, over the seeds that both have.

    Attributes:
        seeds: Number of these seeds.
        mean: Of the differences, seed by seed.
        half: Half the width of the 95 % interval of that mean (Student's t); NaN for fewer than
            two seeds.
    """

    seeds: int
    mean: float
    half: float

    @property
    def verdict(self) -> str:
        """What can be said about its sign."""
        if self.seeds < 2:
            return "one seed: nothing can be said" if self.seeds else "not run yet"
        if abs(self.mean) <= self.half:
            return "cannot be told at this scale"
        return "yes" if self.mean > 0 else "no: the opposite"


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation."""
    count = len(values)
    return Spread(
        count,
        float(np.mean(values)) if count else math.nan,
        float(np.std(values, ddof=1)) if count > 1 else math.nan,
    )


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Difference:
    """a - b, seed by seed, since rows of one seed share clips, initial weights and warm-up.

    Args:
        a: Score by seed. A row without seeds has one entry, with key -1: it goes with every seed
            of the other.
        b: As `a`.
    """
    seeds = sorted(a.keys() & b.keys())
    if -1 in a.keys() ^ b.keys():
        seeds = sorted((a.keys() | b.keys()) - {-1})
    pairs = [a.get(s, a.get(-1, math.nan)) - b.get(s, b.get(-1, math.nan)) for s in seeds]
    pairs = [x for x in pairs if not math.isnan(x)]
    count, mean, std = spread(pairs)
    half = float(student.ppf(0.975, count - 1)) * std / math.sqrt(count) if count > 1 else math.nan
    return Difference(count, mean, half)
