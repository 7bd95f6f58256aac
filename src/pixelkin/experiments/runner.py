"""An experiment from its name to its report: what to run next, and what the folder belongs to.

    OUT/experiment.json    settings; the same OUT serves all experiments of these settings
    OUT/runs/              trainings and scores, shared by all of them
    OUT/NAME/              report.md, results.csv, plot.png, renewed after every run

The same command goes on where it was. It does the first seed of all rows, the most informative
rows first, then the next seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelkin.checks import check_same
from pixelkin.data.index import digest_of_files
from pixelkin.evaluation.davis import load_split
from pixelkin.experiments.catalogue import EXPERIMENTS, Experiment, Row
from pixelkin.experiments.native import native_section, score_native
from pixelkin.experiments.report import write_report
from pixelkin.experiments.runs import Runs, Tell, check_rows
from pixelkin.experiments.runtime import times_section
from pixelkin.experiments.scale import Scale, load_scale, merge
from pixelkin.experiments.synthetic import make_clips, make_davis
from pixelkin.experiments.table import points_of, seeds_of
from pixelkin.files import remove_leftovers, write_json
from pixelkin.locks import LOCK, Lock, remove_stale
from pixelkin.run_folder import FORMAT, check_empty
from pixelkin.types import InputError

DRAW_EVERY = 60.0  # seconds at least between two drawings of the plot


def run_experiment(
    name: str,
    out: str | Path,
    *,
    scale: str = "cpu",
    data: Sequence[str | Path] = (),
    davis: str | Path | None = None,
    sequences: Sequence[str] = (),
    rows: Sequence[str] = (),
    seeds: Sequence[int] = (),
    minutes: float | None = None,
    report_only: bool = False,
    command: str = "",
    tell: Tell = lambda _: None,
) -> Path:
    """Do what is missing of an experiment, and write its report.

    Args:
        name: One of `EXPERIMENTS`.
        out: Folder of the results; several experiments may share it.
        scale: Name or file.
        data: Folders of videos to train on; none where the scale makes them up.
        davis: Data set in DAVIS-2016's layout to score on; None where the scale makes it up.
        sequences: Which of its val split; all by default.
        rows: Run these alone; the report shows what there is of all.
        seeds: Instead of the scale's.
        minutes: Begin no further run after this time.
        report_only: Write the report from what is there, and run nothing.
        command: The command line, for the report.
        tell: Called with a line about what happens.

    Returns:
        Path of the report.

    Raises:
        InputError: If there is no such experiment or scale, data are missing, `out` was begun with
            other settings, or another process is at this experiment in it.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"no experiment {name!r}: there are {', '.join(EXPERIMENTS)}")
    experiment, out = EXPERIMENTS[name], Path(out).absolute()
    check_rows(name, rows, [row.name for row in experiment.rows])
    size = load_scale(scale, tuple(seeds))
    if size.synthetic and not data and davis is None:
        data, davis = (
            [make_clips(out / "synthetic" / "clips")],
            make_davis(out / "synthetic" / "davis"),
        )
        store = {"run": {"store": str(out / "synthetic" / "store")}}
        size = replace(size, recipe=merge(size.recipe, store))
    if not data or davis is None:
        missing = " and ".join(
            ["--data (folders of videos to train on)"] * (not data)
            + ["--davis (a data set in DAVIS-2016's layout to score on)"] * (davis is None)
        )
        or_none = ", or neither of --data and --davis" if size.synthetic else ""
        raise InputError(f"scale {size.name} needs {missing}{or_none}")
    videos = load_split(davis, 2016, "val", list(sequences) or None)
    runs = Runs(out, size, [Path(d) for d in data], videos, tell)
    facts = {"data": runs.digest, "content": digest_of_files(runs.sources)}
    _claim(out, size, facts | {"davis": str(Path(davis).absolute())})
    with Lock(out / name / LOCK):
        remove_leftovers(out / name / file for file in ("report.md", "results.csv", "plot.png"))
        try:
            return _Run(experiment, runs, rows, command, minutes).go(report_only)
        finally:
            remove_stale((out / "runs").glob(".*.lock"))
            remove_stale((out / "runs").glob(f"*/{LOCK}"))


class _Run:
    def __init__(
        self,
        experiment: Experiment,
        runs: Runs,
        rows: Sequence[str],
        command: str,
        minutes: float | None,
    ) -> None:
        self.experiment, self.runs, self.command = experiment, runs, command
        self.rows = [row for row in experiment.rows if not rows or row.name in rows]
        self.folder = runs.root / experiment.name
        self.begun = self.drawn = time.monotonic()
        self.minutes = minutes

    def go(self, report_only: bool) -> Path:
        for _ in () if report_only else self._steps():
            self._report(plot=time.monotonic() - self.drawn > DRAW_EVERY)
            if self.minutes is not None and time.monotonic() - self.begun > 60 * self.minutes:
                break
        return self._report(plot=True)

    def _steps(self) -> Iterator[None]:
        """Do what is missing, one run at a time."""
        for row, seed in self._order():
            if any(self.runs.result(row, seed, point) is None for point in self._points()):
                self._do(row, seed)
                yield
        if self.runs.scale.native and self.experiment.name == "comparison":
            yield from score_native(self.experiment, self.runs)

    def _order(self) -> Iterator[tuple[Row, int]]:
        """All runs: the first seed of every row, then the second."""
        for seed in self.runs.scale.seeds:
            for row in self.rows:
                if row.weights is None:
                    yield row, seed
                elif seed == self.runs.scale.seeds[0]:
                    yield row, seeds_of(row, ())[0]

    def _points(self) -> list[int | None]:
        """Where a row is scored: the end, and the points of its curve."""
        return [None, *points_of(self.runs)] if self.experiment.curve else [None]

    def _do(self, row: Row, seed: int) -> None:
        began = time.monotonic()
        if row.parts:
            self.runs.train(row, seed)
        for step in self._points():
            result = self.runs.score(row, seed, step)
            at = "" if step is None else f" at step {step}"
            self.runs.tell(
                f"{row.name}, seed {seed}{at}: J&F {100 * result.mean.jf:.1f} "
                f"({time.monotonic() - began:.0f} s)"
            )

    def _report(self, *, plot: bool) -> Path:
        if plot:
            self.drawn = time.monotonic()
        extra = []
        if self.experiment.name == "comparison":
            extra += native_section(self.experiment, self.runs)
        if self.experiment.variance_time:
            extra += times_section(self.runs.root, self.runs.scale)
        return write_report(
            self.folder, self.experiment, self.runs, self.command, extra=extra, plot=plot
        )


LATER = ("kind", "format", "content")  # that folders of earlier versions do not have


def _claim(out: Path, scale: Scale, facts: dict[str, Any]) -> None:
    """Make `out` the folder of these settings, or go on with it.

    Raises:
        InputError: If it is that of others.
    """
    path = out / "experiment.json"
    settings = json.loads(json.dumps({"scale": scale.identity(), **facts}))
    head = {"kind": "experiment", "format": FORMAT}
    lock = Lock(out / LOCK)
    with closing(lock):
        lock.acquire(wait=True)  # others of these settings may begin now, too
        remove_leftovers([path])
        if path.is_file():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise InputError(f"{path} is damaged: choose another folder") from error
            since = {k: v for k, v in (head | settings).items() if k in known or k not in LATER}
            check_same(out, known, since)
        else:
            check_empty(out, (path.name, "synthetic", "runtime", "positives", "tuning"))
            write_json(path, head | settings)
