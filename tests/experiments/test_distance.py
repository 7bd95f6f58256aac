"""Scores by the time from the labelled frame, against a loop over frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pixelkin.evaluation.scores import SequenceScore
from pixelkin.experiments.catalogue import EXPERIMENTS
from pixelkin.experiments.distance import BANDS, COLUMNS, distance_section, figures, mean_j
from pixelkin.experiments.runs import Result
from pixelkin.experiments.statistics import Difference
from pixelkin.experiments.table import Line


def score(name: str, frames: int, seed: int) -> SequenceScore:
    j, f = np.random.default_rng(seed).random((2, 2, frames))
    return SequenceScore(name, j, f)


@pytest.mark.parametrize("every", [1, 4])
def test_bands_hold_every_frame_once(every: int) -> None:
    long = score("a", 60, 0)
    found = {band: [] for band in BANDS}
    for k in range(60):
        (band,) = (b for b in BANDS if b.first <= (k + 1) * every <= b.last)
        found[band].append(long.j[:, k].mean())
    for band, values in found.items():
        assert mean_j(long, band, every) == pytest.approx(np.mean(values))


def test_sequences_that_are_too_short_do_not_count() -> None:
    short, long = score("short", 8, 1), score("long", 45, 2)
    told = figures(Result({"short": short, "long": long}, 1))
    assert tuple(told) == COLUMNS
    assert told["41 and more"] == pytest.approx(100 * long.j[:, 40:].mean())
    both = (short.j[:, :5].mean() + long.j[:, :5].mean()) / 2
    assert told["1–5"] == pytest.approx(100 * both)
    halves = (short.j[:, 4:].mean() + long.j[:, 22:].mean()) / 2
    assert told["second half"] == pytest.approx(100 * halves)
    alone = figures(Result({"short": short}, 1))
    assert math.isnan(alone["41 and more"])


def test_the_section_compares_rows_seed_by_seed() -> None:
    rows = EXPERIMENTS["criteria"].rows[:2]
    results = [
        {seed: Result({"a": score("a", 50, 10 * k + seed)}, 1) for seed in range(3)} for k in (0, 1)
    ]
    unused = Difference(0, math.nan, math.nan)
    lines = [Line(row, {}, r, math.nan, unused) for row, r in zip(rows, results, strict=True)]
    (section,) = distance_section(lines, rows[1].name)
    own, control = (
        [100 * r[seed].sequences["a"].j[:, 10:20].mean() for seed in range(3)] for r in results
    )
    apart = np.subtract(own, control)
    half = 4.302653 * apart.std(ddof=1) / math.sqrt(3)  # Student's t, two degrees of freedom
    assert f"| {apart.mean():+.1f} ± {half:.1f} |" in section
    assert f"| {np.mean(own):.1f} |" in section
    assert distance_section([line._replace(results={}) for line in lines], "q") == []
