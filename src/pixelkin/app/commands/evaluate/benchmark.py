"""pixelkin evaluate BENCHMARK: the options of any benchmark, its run, its table and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say, show_table
from pixelkin.app.options import Faster
from pixelkin.evaluation.registry import benchmark_class
from pixelkin.files import check_writable, write_json, write_text
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.benchmark import Benchmark, Result


@dataclass(frozen=True)
class Running(Faster):
    """How to run a benchmark."""

    out: Path | None = None
    """Keep predictions, figures and table here, and go on with what is missing."""
    videos: bool = False
    """Also draw OUT/videos/*.mp4: truth, prediction and confidence side by side."""
    json: Path | None = None
    """Write all figures to this file."""


@dataclass(frozen=True)
class Maps:
    """How to score masks that are there."""

    results: Path | None = None
    """Score the PNGs in this folder (SEQUENCE/FRAME.png) instead of predicting."""
    resize: bool = False
    """Resample masks of another size than the truth, by nearest neighbour."""


@dataclass(frozen=True)
class Tables:
    """Further tables."""

    csv: Path | None = None
    """Write the CSV tables of the official code into this folder."""


def run(name: str, arguments: Sequence[str]) -> None:
    """Run the command of a benchmark on its arguments.

    Raises:
        InputError: If an option, the data set or an output is wrong.
    """
    kind = benchmark_class(name)
    options = call(_options(kind), f"evaluate {name}", arguments, kind.ABOUT)
    running, maps, tables = options.running, options.maps, options.tables
    names = [] if tables.csv is None else options.benchmark.table_names
    csv = [tables.csv / name for name in names]
    check_writable(running.json, *csv, overwrite=running.overwrite)
    result: Result | None
    if maps.results is None:
        result = _predict(options.benchmark, running, maps)
    else:
        result = _score(options.benchmark, running, maps.results, maps.resize)
    if result is not None:
        _show(result, running, tables)


def _options(kind: type[Benchmark[Any]]) -> type[Any]:
    """A class of all options of a benchmark; groups that do not apply to it are not shown."""
    shown = {Running: True, Maps: kind.TAKES_MAPS, Tables: bool(kind.TABLES)}
    return make_dataclass(
        "Options",
        [
            ("benchmark", kind),
            *(
                (group.__name__.lower(), group, field(default_factory=group, init=applies))
                for group, applies in shown.items()
            ),
        ],
        frozen=True,
    )


def _score(benchmark: Benchmark[Any], running: Running, results: Path, resize: bool) -> Result:
    from pixelkin.evaluation.run import score_maps

    if running.out is not None or running.videos:
        raise InputError("--results scores masks that are there: --out and --videos do not apply")
    return score_maps(benchmark, results, resize=resize, bar=progress_bar)


def _predict(benchmark: Benchmark[Any], running: Running, maps: Maps) -> Result | None:
    from pixelkin.evaluation.run import run_benchmark
    from pixelkin.processes import join_processes

    running.use_threads()
    with join_processes(running.device, "--device") as processes:
        return run_benchmark(
            benchmark,
            running.weights,
            protocol=running.rules(benchmark.PROTOCOL),
            runtime=running.runtime,
            device=running.device if processes.count == 1 else processes.device,
            out=running.out,
            overwrite=running.overwrite,
            draw=running.videos,
            resize=maps.resize,
            processes=processes,
            bar=progress_bar,
        )


def _show(result: Result, running: Running, tables: Tables) -> None:
    """Print the figures, and write the files that were asked for."""
    say(result.title)
    if result.score is not None:
        show_table(result.rows, columns=result.columns, total=True)
    if result.note is not None:
        say(result.note)
    if running.json is not None:
        write_json(running.json, result.figures)
    if tables.csv is not None:
        for name, text in result.tables.items():
            write_text(tables.csv / name, text)
