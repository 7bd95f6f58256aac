"""Scores by the time from the labelled frame: what a mean over easy first frames hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pixelkin.evaluation.scores import SequenceScore
from pixelkin.experiments.runs import Result
from pixelkin.experiments.statistics import Difference, Spread, difference, spread
from pixelkin.experiments.table import Line, markdown, percent, signed


class Band(NamedTuple):
    """Distances from the labelled frame, in frames of the video.

    Attributes:
        first: The least.
        last: The greatest; infinity for all that are farther.
    """

    first: int
    last: float

    def __str__(self) -> str:
        return f"{self.first}–{self.last}" if self.last < math.inf else f"{self.first} and more"


BANDS = (Band(1, 5), Band(6, 10), Band(11, 20), Band(21, 40), Band(41, math.inf))


def mean_j(score: SequenceScore, band: Band, every: int) -> float:
    """Mean J of a sequence's frames at some distances, over its objects; NaN where it has none.

    Args:
        score: Of every `every`-th frame, the first and the last of them left out.
        band: The distances.
        every: Frames of the video between two that were seen.
    """
    frames = every * np.arange(1, score.j.shape[1] + 1)
    inside = score.j[:, (frames >= band.first) & (frames <= band.last)]
    return float(inside.mean()) if inside.size else math.nan


def figures(result: Result) -> dict[str, float]:
    """J in percent by distance, of the second half of each sequence, and its decay.

    Means over the sequences that have frames so far away. Decay: the first quarter's mean less the
    last's, as DAVIS defines it.
    """
    scores = list(result.sequences.values())
    found = {}
    for band in BANDS:
        values = [mean_j(s, band, result.every) for s in scores]
        known = [v for v in values if not math.isnan(v)]
        found[str(band)] = 100 * float(np.mean(known)) if known else math.nan
    halves = [s.j[:, s.j.shape[1] // 2 :].mean() for s in scores]
    found["second half"] = 100 * float(np.mean(halves))
    found["decay"] = 100 * float(np.mean([s.summary.j.decay for s in scores]))
    return found


COLUMNS = (*map(str, BANDS), "second half", "decay")


def spreads(line: Line) -> dict[str, Spread]:
    """Each figure's mean and deviation over the seeds of a row."""
    found = [figures(r) for r in line.results.values()]
    return {name: spread([f[name] for f in found]) for name in COLUMNS}


def differences(line: Line, control: Line) -> dict[str, Difference]:
    """Each figure's difference to that of the control, seed by seed."""
    own, other = (
        {seed: figures(result) for seed, result in x.results.items()} for x in (line, control)
    )
    return {
        name: difference(
            {seed: f[name] for seed, f in own.items()},
            {seed: f[name] for seed, f in other.items()},
        )
        for name in COLUMNS
    }


def distance_section(lines: Sequence[Line], control: str) -> list[str]:
    """A section of the report; none as long as there is nothing to show."""
    done = [line for line in lines if line.results]
    if not done:
        return []
    head = ["J, frames from the labelled one", *COLUMNS]
    values = [
        [line.row.label, *(percent(spreads(line)[name].mean) for name in COLUMNS)] for line in done
    ]
    text = (
        f"## By distance from the labelled frame\n\n{markdown([head, *values])}\n\n"
        "Means over seeds of the means over sequences, in percent. Second half: of each sequence's "
        "frames. Decay: J of the first quarter less that of the last (less is better)."
    )
    against = next((line for line in done if line.row.name == control), None)
    others = [line for line in done if line.row.name != control]
    if against and others:
        rows = [
            [line.row.label, *(_cell(differences(line, against)[name]) for name in COLUMNS)]
            for line in others
        ]
        title = f"less “{against.row.label}”"
        text += (
            f"\n\n{markdown([[title, *COLUMNS], *rows])}\n\n"
            "Seed by seed, with 95 % intervals of the mean over seeds."
        )
    return [text]


def _cell(found: Difference) -> str:
    half = "" if math.isnan(found.half) else f" ± {percent(found.half)}"
    return signed(found.mean) + half
