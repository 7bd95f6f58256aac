"""What the benchmarks' commands share: options, the run, the table and the files."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pixelkin.app.commands.propagate import check_threads
from pixelkin.app.console import console, progress
from pixelkin.files import check_writable, write_json, write_text
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.pipeline import Speed, Store, Video
    from pixelkin.processes import Processes
    from pixelkin.propagation.protocol import Protocol as Rules

Show = Callable[[int, int], None]  # (done, in all)


@dataclass(frozen=True)
class Options:
    """How to run a benchmark."""

    weights: str = "default"
    """default, random, lab, or a folder with weights.safetensors."""
    protocol: str | None = None
    """Propagation protocol; the benchmark's own by default."""
    short_side: int | None = None
    """Work at this short side in pixels; not the benchmark's resolution."""
    fast: bool = False
    """Approximate and faster; not the benchmark's figure."""
    sequences: str | None = None
    """Only these: names separated by commas, or a text file with one a line."""
    out: Path | None = None
    """Keep predictions, figures and table here, and go on with what is missing."""
    videos: bool = False
    """Also draw OUT/videos/*.mp4: truth, prediction and confidence side by side."""
    json: Path | None = None
    """Write all figures to this file."""
    threads: int | None = None
    """CPU threads; all by default."""
    overwrite: bool = False
    """Replace what the output files and folders hold."""

    @property
    def chosen(self) -> list[str] | None:
        """The names in `sequences`; None for all."""
        if self.sequences is None:
            return None
        names = self.sequences.split(",")
        if len(names) == 1 and Path(self.sequences).is_file():
            names = Path(self.sequences).read_text("utf-8", "replace").splitlines()
        return [name.strip() for name in names if name.strip()]


@dataclass(frozen=True)
class MaskOptions(Options):
    """How to run a benchmark of masks, or score masks that are there."""

    results: Path | None = None
    """Score the PNGs in this folder (SEQUENCE/FRAME.png) instead of predicting."""
    resize: bool = False
    """Resample masks of another size than the truth, by nearest neighbour."""


class Result(Protocol):
    """Figures of a benchmark."""

    @property
    def COLUMNS(self) -> tuple[str, ...]:
        """Heads of the table."""

    def rows(self) -> list[tuple[str, ...]]:
        """Its rows; the last one is set apart."""

    def to_json(self) -> dict[str, Any]:
        """All figures, ready for `json.dumps`."""


@dataclass(frozen=True)
class Task:
    """One benchmark as it was asked for.

    Attributes:
        title: For the table.
        protocol: Its own propagation protocol.
        videos: What to predict.
        settings: What else decides the predictions or names the figures, for JSON.
        score: Scores what is stored; None where the truth is not at hand.
        finish: Writes further files into the folder of the run, if it is kept.
    """

    title: str
    protocol: str
    videos: Sequence[Video]
    settings: dict[str, Any]
    score: Callable[[Store, Show], Result] | None
    finish: Callable[[Store, Result | None], None] | None = None


def run_task(task: Task, options: Options) -> Result | None:
    """Predict what is missing, score, print the table and write the files.

    With `MaskOptions.results` nothing is predicted, and only --json is written.

    Returns:
        The figures, in the process that scores and where there is a truth.

    Raises:
        InputError: If an option or a file is wrong.
    """
    from pixelkin.evaluation.pipeline import Store
    from pixelkin.processes import join_processes
    from pixelkin.propagation.protocol import Protocol as Rules

    check_writable(options.json, overwrite=options.overwrite)
    if isinstance(options, MaskOptions) and options.results is not None:
        return _score_stored(task, options, options.results)
    rules = dataclasses.replace(Rules.named(options.protocol or task.protocol), fast=options.fast)
    if options.short_side is not None:
        rules = dataclasses.replace(rules, short_side=options.short_side)
    with (
        join_processes() as processes,
        output_folder(options, processes.count) as folder,
        Store(folder) as store,
    ):
        processes.agree(store.lock)
        speed = _predict(task, options, rules, store, processes)
        if not processes.is_main:
            return None
        title = f"{task.title}, weights {options.weights}, protocol {rules.name}"
        title += f", stride {rules.stride}" if rules.stride != 8 else ""
        title += f", short side {options.short_side}" if options.short_side else ""
        title += ", fast" if options.fast else ""
        figures = {
            **task.settings,
            "weights": options.weights,
            "protocol": dataclasses.asdict(rules),
        }
        if speed.frames:
            rate = speed.seconds / speed.frames
            title += f", {rate:.2f} s a frame"
            figures["seconds_per_frame"] = rate
        result = _score(task, store, title)
        if result is not None:
            figures |= result.to_json()
        if options.out is not None:
            write_json(store.file("result.json"), figures)
            if result is not None:
                write_markdown(store.file("table.md"), title, result.COLUMNS, result.rows())
            if task.finish is not None:
                task.finish(store, result)
            store.finish()
    if options.json is not None:
        write_json(options.json, figures)
    return result


def _score_stored(task: Task, options: Options, results: Path) -> Result:
    from pixelkin.evaluation.pipeline import Store

    if options.out is not None or options.videos:
        raise InputError("--results scores masks that are there: --out and --videos do not apply")
    result = _score(task, Store(results, results), f"{task.title}, {results}")
    if result is None:
        raise InputError(f"{task.title}: the truth is not at hand, so it cannot be scored here")
    if options.json is not None:
        write_json(options.json, {**task.settings, **result.to_json()})
    return result


def _score(task: Task, store: Store, title: str) -> Result | None:
    """Score what is stored and print the table."""
    if task.score is None:
        console().print(title, highlight=False, soft_wrap=True)
        return None
    with progress("scoring", "sequences") as show:
        result = task.score(store, show)
    show_table(title, result.COLUMNS, result.rows())
    return result


def _predict(
    task: Task, options: Options, rules: Rules, store: Store, processes: Processes
) -> Speed:
    import torch

    from pixelkin.evaluation.pipeline import predict_all
    from pixelkin.evaluation.qualitative import draw_video
    from pixelkin.models.encoder import load_encoder

    if options.threads is not None:
        torch.set_num_threads(check_threads(options.threads))
    share = f" (1 of {processes.count} processes)" if processes.count > 1 else ""
    with progress(f"predicting{share}") as show:
        return predict_all(
            task.videos,
            load_encoder(options.weights),
            rules,
            store,
            settings=task.settings,
            overwrite=options.overwrite,
            processes=processes,
            draw=draw_video if options.videos else None,
            on_frame=show if processes.is_main else None,
        )


@contextmanager
def output_folder(options: Options, processes: int = 1) -> Iterator[Path]:
    """The folder of the run: that of --out, or one that is removed in the end."""
    if options.out is not None:
        yield options.out
        return
    if options.videos or processes > 1:
        what = "--videos" if options.videos else f"{processes} processes"
        raise InputError(f"{what} need --out, a folder to write to")
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run"


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its last row set apart."""
    from rich.table import Table

    console().print(title, highlight=False, soft_wrap=True)
    table = Table()
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    *others, last = rows
    for row in others:
        table.add_row(*row)
    table.add_section()
    table.add_row(*last, style="bold")
    console().print(table)


def write_markdown(
    path: Path, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Write a table as Markdown, atomically."""
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    write_text(path, f"{title}\n\n{text}\n")
