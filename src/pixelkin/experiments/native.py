"""The comparison's best rows and the weights in the package, at the benchmark's own setting."""

from __future__ import annotations

from collections.abc import Iterator

from pixelkin.experiments.catalogue import Experiment, Row
from pixelkin.experiments.runs import Runs
from pixelkin.experiments.scale import Scoring
from pixelkin.experiments.table import NO_SEED, collect, markdown, percent, seeds_of

BEST = 3
NATIVE = Scoring()
PACKAGE = Row("default", "weights in the package", weights="default")


def chosen(experiment: Experiment, runs: Runs) -> list[tuple[Row, int]]:
    """The rows with the greatest mean J&F, each with its first seed, and the package's weights."""
    done = [line for line in collect(experiment, runs) if line.scores]
    best = sorted(done, key=lambda line: -line.spread.mean)[:BEST]
    rows = [(line.row, seeds_of(line.row, runs.scale.seeds)[0]) for line in best]
    return [*rows, (PACKAGE, NO_SEED)]


def score_native(experiment: Experiment, runs: Runs) -> Iterator[None]:
    """Score what is chosen and not scored yet, one encoder at a time."""
    for row, seed in chosen(experiment, runs):
        if runs.result(row, seed, scoring=NATIVE) is None:
            runs.score(row, seed, scoring=NATIVE)
            yield


def native_section(experiment: Experiment, runs: Runs) -> list[str]:
    """A section of the report; none as long as there is nothing to show."""
    rows = [["weights", "J&F", "J", "F"]]
    for row, seed in chosen(experiment, runs):
        result = runs.result(row, seed, scoring=NATIVE)
        if result is not None:
            name = row.label + (f", seed {seed}" if row.parts else "")
            mean = result.mean
            rows.append([name, *(percent(100 * x) for x in (mean.jf, mean.j, mean.f))])
    if len(rows) == 1:
        return []
    return [f"## At native size, every frame\n\n{markdown(rows)}"]
