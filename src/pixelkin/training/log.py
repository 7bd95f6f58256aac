"""What a training tells: JSON lines, TensorBoard if it is installed, progress for people."""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pixelkin.files import write_text

log = logging.getLogger(__name__)
_FIRST_SECONDS = 2.0  # after which the first plain line comes: a training that is seen to begin
_PLAIN_SECONDS = 30.0
_PLAIN_STEPS = 100
_COUNT_SECONDS = 5.0


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file; a last line that a killed writer left unfinished is dropped."""
    lines: list[dict[str, Any]] = []
    if path.is_file():
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, text in enumerate(texts, start=1):
            try:
                lines.append(json.loads(text))
            except (ValueError, RecursionError):
                if number < len(texts):
                    log.warning(
                        "%s: line %d is damaged; it and what follows are left out", path, number
                    )
                break
    return lines


class Count:
    """Says how far something has come, every few seconds; nothing if it is done at once.

    Args:
        what: What is being done.
        console: Where to; standard error by default.
        seconds: From one line to the next.
    """

    def __init__(
        self, what: str, console: Console | None = None, seconds: float = _COUNT_SECONDS
    ) -> None:
        self.console = console or Console(stderr=True)
        self._what, self._every, self._said = what, seconds, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        if time.monotonic() - self._said >= self._every:
            self._said = time.monotonic()
            self.console.print(f"{self._what}: {done} of {total}", highlight=False)


class TrainingLog:
    """All that one training tells, in one object.

    Args:
        folder: Of the training.
        steps: Number of its steps.
        start: The first step that this run does.
        enabled: False in all processes but one; they tell nothing.
        board: Whether to write for TensorBoard, if it is installed.
    """

    def __init__(
        self, folder: Path, steps: int, start: int, *, enabled: bool = True, board: bool = True
    ) -> None:
        self._metrics = MetricsLog(folder, start, board=board) if enabled else None
        self._progress = Progress(steps, start) if enabled else None

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Log and show the figures of a step."""
        if self._metrics and self._progress:
            self._metrics.write(step, figures)
            self._progress.update(step, figures)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._progress:
            self._progress.say(text)

    def __enter__(self) -> TrainingLog:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._metrics and self._progress:
            self._progress.stop()
            self._metrics.close()


class MetricsLog:
    """Appends to metrics.jsonl, and to TensorBoard's files in tensorboard/ if it is installed.

    Args:
        folder: Of the training.
        step: The first step that will be written; lines of this and later steps, which a killed
            training may have left behind its last checkpoint, are removed.
        board: Whether to write for TensorBoard.
    """

    def __init__(self, folder: Path, step: int, *, board: bool = True) -> None:
        path = folder / "metrics.jsonl"
        kept = [line for line in read_metrics(path) if line["step"] < step]
        write_text(path, "".join(json.dumps(x) + "\n" for x in kept))
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder / "tensorboard", step) if board else None

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Write the figures of one step."""
        rounded = {k: float(f"{v:.7g}") if math.isfinite(v) else None for k, v in figures.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, step: int) -> Any:
    """A TensorBoard writer, or None where the package is missing: metrics.jsonl has it all."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)


class Progress:
    """A live line on a terminal, a plain line now and then elsewhere.

    Args:
        steps: Number of steps of the training.
        start: Step at which this run begins.
        console: Where to; standard error by default.
    """

    def __init__(self, steps: int, start: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._steps = steps
        self._bar = ProgressBar(total=steps, completed=start, width=24)
        self._text = self._validation = ""
        self._seconds: float | None = None
        self._clock = self._printed = time.monotonic()
        self._wait = _FIRST_SECONDS
        self._live = Live(
            console=self.console, get_renderable=self._render, refresh_per_second=4, transient=True
        )

    def update(self, step: int, figures: dict[str, float]) -> None:
        """Show the figures of a step that has just been done."""
        now = time.monotonic()
        # The step's own time if it is told: validations and checkpoints are rare.
        taken, self._clock = figures.get("seconds", now - self._clock), now
        # Recent steps count more: the first ones decode videos and are slow.
        self._seconds = taken if self._seconds is None else 0.9 * self._seconds + 0.1 * taken
        left = (self._steps - step - 1) * self._seconds
        self._validation = _validation(figures) or self._validation
        told = f"{_summary(figures)}  {self._validation}".rstrip()
        self._text = f"step {step + 1}/{self._steps}  {told}  {_duration(left)} left"
        self._bar.update(completed=step + 1)
        if self.console.is_terminal:
            return
        quiet = now - self._printed < self._wait and (step + 1) % _PLAIN_STEPS
        if not quiet or step + 1 == self._steps:
            self._printed, self._wait = now, _PLAIN_SECONDS
            self.say(self._text)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def _render(self) -> Table:
        row = Table.grid(padding=(0, 1))
        row.add_row(self._bar, self._text)
        return row

    def start(self) -> None:
        """Show the live line, on a terminal."""
        self._clock = self._printed = time.monotonic()
        if self.console.is_terminal:
            self._live.start()

    def stop(self) -> None:
        """Remove the live line."""
        if self.console.is_terminal:
            self._live.stop()


def _summary(figures: dict[str, float]) -> str:
    """The figures that a person watches: loss, positives, m2, frames/s."""
    parts = [f"loss {figures['loss']:.3f}"]
    for ending, form in (("positives", ".0%"), ("m2", ".2f")):
        found = [v for name, v in figures.items() if name.split("/")[-1] == ending]
        parts += [f"{ending} {found[0]:{form}}"] if found else []
    if "frames_per_second" in figures:
        parts.append(f"{figures['frames_per_second']:.0f} frames/s")
    return "  ".join(parts)


def _validation(figures: dict[str, float]) -> str:
    """The one figure of a validation that a person watches; nothing without validation."""
    for name, title in (("jf", "J&F"), ("synthetic_j", "synthetic J")):
        if (value := figures.get(f"validation/{name}")) is not None:
            return f"{title} {value:.1%}"
    return ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
