"""The results of an experiment that are there, and how tables show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pixelkin.experiments.catalogue import Experiment, Row
from pixelkin.experiments.runs import Result, Runs
from pixelkin.experiments.statistics import Difference, Spread, difference, spread

NO_SEED = -1


class Line(NamedTuple):
    """One row with what is known of it.

    Attributes:
        row: The row.
        scores: J&F in percent, by seed (`NO_SEED` for what has none).
        results: All of it, by seed.
        seconds: Mean wall-clock seconds of its training's steps; NaN if not trained.
        difference: Against the experiment's control.
    """

    row: Row
    scores: dict[int, float]
    results: dict[int, Result]
    seconds: float
    difference: Difference

    @property
    def spread(self) -> Spread:
        """Mean and standard deviation of J&F."""
        return spread(list(self.scores.values()))

    def mean(self, name: str) -> float:
        """Mean of J ("j") or F ("f") in percent."""
        return 100 * spread([getattr(r.mean, name) for r in self.results.values()]).mean


def seeds_of(row: Row, seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds with which a row is run."""
    return tuple(seeds) if row.weights is None else (NO_SEED,)


def collect(experiment: Experiment, runs: Runs) -> list[Line]:
    """A line for each row, in the experiment's order, whether there are results or not."""
    found = {
        row.name: {
            seed: result
            for seed in seeds_of(row, runs.scale.seeds)
            if (result := runs.result(row, seed)) is not None
        }
        for row in experiment.rows
    }
    scores = {
        name: {seed: 100 * r.mean.jf for seed, r in results.items()}
        for name, results in found.items()
    }
    lines = []
    for row in experiment.rows:
        results = found[row.name]
        seconds = [runs.seconds(row, seed) for seed in results if row.parts]
        lines.append(
            Line(
                row,
                scores[row.name],
                results,
                spread(seconds).mean,
                difference(scores[row.name], scores[experiment.control]),
            )
        )
    return lines


def curve(experiment: Experiment, runs: Runs) -> dict[str, list[tuple[int, Spread]]]:
    """J&F in percent over the steps of the last phase, by label of the row."""
    scale = runs.scale
    curves: dict[str, list[tuple[int, Spread]]] = {}
    for row in experiment.rows:
        points = []
        for step in [*points_of(runs), None]:
            found = [runs.result(row, seed, step) for seed in scale.seeds]
            values = [100 * r.mean.jf for r in found if r is not None]
            if values:
                points.append((scale.phases[-1].steps if step is None else step, spread(values)))
        if points:
            curves[row.label] = points
    return curves


def points_of(runs: Runs) -> list[int]:
    """Steps of the last phase whose scores a curve shows, besides the last one."""
    first = 0 if len(runs.scale.phases) > 1 else 1
    return [k * runs.scale.interval for k in range(first, runs.scale.points + 1)]


def percent(value: float) -> str:
    """A number of a table; a dash for what is not known."""
    return "–" if math.isnan(value) else f"{value:z.1f}"


def signed(value: float) -> str:
    """A difference in points; a dash for what is not known."""
    return "–" if value != value else f"{value:+.1f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table: the first row is the head, first columns are texts, the others numbers."""
    head, *body = rows
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))
