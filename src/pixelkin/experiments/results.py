"""results.csv: every score of an experiment."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pixelkin.experiments.catalogue import Experiment
from pixelkin.experiments.distance import COLUMNS, figures
from pixelkin.experiments.runs import Runs
from pixelkin.experiments.table import NO_SEED, points_of, seeds_of
from pixelkin.files import write_text


def write_csv(path: Path, experiment: Experiment, runs: Runs) -> None:
    """Every score of every row, seed and step: a line each, fractions."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    names = [v.name for v in runs.videos]
    distances = [f"J {name}" for name in COLUMNS]
    out.writerow(["row", "label", "seed", "step", "jf", "j", "f", *distances, *names])
    steps = [*points_of(runs), None] if experiment.curve else [None]
    for row in experiment.rows:
        for seed in seeds_of(row, runs.scale.seeds):
            for step in steps:
                result = runs.result(row, seed, step)
                if result is None:
                    continue
                at = runs.scale.phases[-1].steps if step is None else step
                mean, away = result.mean, figures(result)
                values = [mean.jf, mean.j, mean.f, *(away[name] / 100 for name in COLUMNS)]
                values += [result.sequences[n].summary.jf for n in names]
                which = ["" if seed == NO_SEED else seed, at if row.parts else ""]
                out.writerow([row.name, row.label, *which, *(f"{x:.6f}" for x in values)])
    write_text(path, text.getvalue())
