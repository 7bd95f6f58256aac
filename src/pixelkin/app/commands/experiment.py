"""pixelkin experiment: tables and plots of many trainings, by one resumable command each."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import say
from pixelkin.types import InputError

Name = Literal[
    "comparison",
    "criteria",
    "upper-threshold",
    "curriculum-signal",
    "options",
    "positives",
    "tuning",
    "runtime",
]
NAMES = get_args(Name)

DESCRIPTION = """
Train and score the rows of a table, or measure a part of the method, and write OUT/NAME:
report.md, results.csv, plot.png.

  comparison         objectives, baselines, and the parts of the method one by one
  criteria           positives by Q, Q+T, Q+T+C
  upper-threshold    fixed upper hardness m2, and the dynamic curriculum, over the training
  curriculum-signal  m2 by var(Q), var(T), var(C)
  options            a soft Q, no T, a dust-bin, hardness as cosine, forms of the walk
  positives          precision and coverage of mined positives of given weights; trains nothing
  tuning             weights tuned to each video of --davis, and scored on it
  runtime            time of Sinkhorn and of the variances for one pair

The report is renewed after every run. The same command goes on after an interruption, whatever the
cause. Experiments with the same OUT share what they have in common.

Example:
  pixelkin experiment criteria --scale smoke --out out/smoke
  pixelkin experiment comparison --data CLIPS --davis DAVIS2016 --out out/experiments
"""


def experiment(
    name: tyro.conf.Positional[Name],
    /,
    out: Path,
    scale: str = "cpu",
    data: tuple[Path, ...] = (),
    davis: Path | None = None,
    sequences: Collection[str] = (),
    rows: Collection[str] = (),
    seeds: tuple[int, ...] = (),
    minutes: float | None = None,
    report_only: bool = False,
    weights: tuple[str, ...] = (),
    judges: tuple[str, ...] = (),
) -> None:
    """Run an experiment.

    Args:
        name: Which.
        out: Folder for everything that is written; experiments may share it.
        scale: smoke, cpu, cpu-long, paper, or a YAML file.
        data: Folders of videos to train on; the smoke scale makes some up.
        davis: Data set in DAVIS-2016's layout; its val split is scored.
        sequences: Which of it, separated by commas or in a text file; all by default.
        rows: Run these rows of the table alone, separated by commas (results.csv has their names).
        seeds: Instead of the scale's.
        minutes: Begin no further run after this time.
        report_only: Renew the report from what is there; run nothing.
        weights: Encoders that `positives` looks at: default, random, lab, or folders.
        judges: Two encoders whose agreement `positives` takes for the truth in --data.
    """
    command = _command(name, scale, data, davis, out, sequences, rows, seeds, weights, judges)
    if (weights or judges) and name != "positives":
        raise InputError(f"--weights and --judges are for positives: {name} trains its own")
    given = {
        "--data": data,
        "--davis": davis,
        "--sequences": sequences,
        "--rows": rows,
        "--seeds": seeds,
        "--minutes": minutes,
        "--report-only": report_only,
    }
    taken, why = _TAKEN.get(name, (tuple(given), ""))
    if wrong := [option for option, value in given.items() if value and option not in taken]:
        raise InputError(f"{wrong[0]} says nothing to {name}, which {why}")
    if minutes is not None and minutes <= 0:
        raise InputError(f"--minutes {minutes:g}: must be more than 0")
    if name == "runtime":
        from pixelkin.experiments.runtime import run_runtime

        report = run_runtime(out, scale=scale, command=command, tell=say)
    elif name == "tuning":
        from pixelkin.experiments.tuning import run_tuning

        report = run_tuning(
            out,
            scale=scale,
            davis=davis,
            sequences=tuple(sequences),
            rows=tuple(rows),
            seeds=seeds,
            minutes=minutes,
            report_only=report_only,
            command=command,
            tell=say,
        )
    elif name == "positives":
        from pixelkin.experiments.positives import run_positives

        report = run_positives(
            out,
            scale=scale,
            weights=weights,
            data=data,
            judges=judges,
            command=command,
            tell=say,
        )
    else:
        from pixelkin.experiments.runner import run_experiment

        report = run_experiment(
            name,
            out,
            scale=scale,
            data=data,
            davis=davis,
            sequences=tuple(sequences),
            rows=tuple(rows),
            seeds=seeds,
            minutes=minutes,
            report_only=report_only,
            command=command,
            tell=say,
        )
    say(str(report))


_TAKEN = {
    "runtime": ((), "measures seconds, and trains and scores nothing"),
    "positives": (("--data",), "looks at encoders that are there, and trains and scores nothing"),
    "tuning": (
        ("--davis", "--sequences", "--rows", "--seeds", "--minutes", "--report-only"),
        "trains on the sequences of --davis alone",
    ),
}
"""Options that an experiment takes, where it does not take all; and why not."""


def _command(
    name: str,
    scale: str,
    data: Sequence[Path],
    davis: Path | None,
    out: Path,
    sequences: Collection[str],
    rows: Collection[str],
    seeds: Sequence[int],
    weights: Sequence[str],
    judges: Sequence[str],
) -> str:
    """The command line for the report, without what does not change the results."""
    words = ["pixelkin", "experiment", name, "--scale", scale]
    words += ["--data", *(p.name for p in data)] if data else []
    words += ["--davis", davis.name] if davis else []
    words += ["--sequences", ",".join(sequences)] if sequences else []
    words += ["--rows", ",".join(rows)] if rows else []
    words += ["--seeds", *map(str, seeds)] if seeds else []
    for option, encoders in (("--weights", weights), ("--judges", judges)):
        # As the report calls them: a folder by its last two names.
        words += [option, *("/".join(Path(e).parts[-2:]) for e in encoders)] if encoders else []
    return shlex.join([*words, "--out", out.name])


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(experiment, "experiment", arguments, DESCRIPTION)
