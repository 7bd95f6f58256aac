"""Lines, tables and progress on the terminal: a bar where there is one, plain lines elsewhere.

What is printed may hold paths and names that users chose, so nothing of it is read as markup.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 120  # columns of tables where there is no terminal
LINE_EVERY = 5.0  # seconds between plain progress lines
LATE = 2.0  # seconds before a bar of `late_bar` is shown


class Bar(Protocol):
    """Shows how many are done of how many; of what is done now, where that is another thing."""

    def __call__(self, done: int, total: int, title: str | None = None, /) -> None:
        """Show it."""


def drop_bad_size() -> None:
    """Forget a size of the terminal in the environment that is no number: libraries read it too."""
    for name in ("COLUMNS", "LINES"):
        value = os.environ.get(name, "1")
        if not (value.isascii() and value.isdigit() and int(value) > 0):
            del os.environ[name]


def console() -> Console:
    """Standard output; wide enough for tables where it is not a terminal."""
    from rich.console import Console

    drop_bad_size()
    plain = Console()
    return plain if plain.is_terminal else Console(width=int(os.environ.get("COLUMNS", WIDTH)))


def say(line: str) -> None:
    """Print one line as it is."""
    console().print(line, highlight=False, markup=False, soft_wrap=True)


def warn(line: str) -> None:
    """Print one line as it is on standard error."""
    from rich.console import Console

    drop_bad_size()
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)


def show_table(
    rows: Sequence[Sequence[str]],
    *,
    columns: Sequence[str] = (),
    title: str | None = None,
    total: bool = False,
) -> None:
    """Print a table; where the terminal is too narrow for it, a line for each cell.

    Args:
        rows: Of cells.
        columns: Heads; none if empty. All columns but the first are aligned to the right.
        title: Above it.
        total: Whether the last row is set apart.
    """
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        show_header=bool(columns),
    )
    for i, name in enumerate(columns):
        table.add_column(Text(name), justify="left" if i == 0 else "right")
    *others, last = rows
    for row in others:
        table.add_row(*map(Text, row))
    if total:
        table.add_section()
    table.add_row(*map(Text, last), style="bold" if total else None)
    shown = console()
    if Measurement.get(shown, shown.options.update(max_width=9999), table).minimum <= shown.width:
        shown.print(table)
        return
    if title is not None:
        say(title)
    for name, *cells in rows:
        say(name)
        for head, cell in zip(columns[1:] or [""] * len(cells), cells, strict=True):
            say(f"  {head} {cell}" if head else f"  {cell}")


@contextmanager
def late_bar(title: str, unit: str = "frames") -> Iterator[Callable[[int, int], None]]:
    """As `progress_bar`, for what is mostly done at once: after a while, on terminals alone."""
    from rich.console import Console

    drop_bad_size()
    began, terminal = time.monotonic(), Console(stderr=True).is_terminal
    with ExitStack() as stack:
        shown: list[Callable[[int, int], None]] = []

        def update(done: int, total: int) -> None:
            if terminal and not shown and time.monotonic() - began > LATE:
                shown.append(stack.enter_context(progress_bar(title, unit)))
            for bar in shown:
                bar(done, total)

        yield update


@contextmanager
def progress_bar(title: str, unit: str = "frames") -> Iterator[Bar]:
    """A function (done, total) that shows progress under `title` while the block runs."""
    from rich.console import Console

    drop_bad_size()
    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield _plain(errors, title, unit)
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn(unit),
        bars.TextColumn("{task.fields[speed]}"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=errors) as bar:
        task = bar.add_task(title, total=None, speed="")
        began, first, shown = time.monotonic(), -1, None

        def update(done: int, total: int, now: str | None = None, /) -> None:
            nonlocal began, first, shown
            if now != shown:  # another thing begins
                shown, began, first = now, time.monotonic(), -1
                bar.reset(task, description=now or title)
            first = done if first < 0 else first
            rate = (done - first) / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=done, total=total, speed=f"{rate:.1f}/s" if rate else "")

        yield update


def _plain(errors: Console, title: str, unit: str) -> Bar:
    began = last = time.monotonic()
    what = title

    def update(done: int, total: int, shown: str | None = None, /) -> None:
        nonlocal began, last, what
        now = time.monotonic()
        if what != (shown or title):  # another thing begins
            began, what = now, shown or title
        if now - last >= LINE_EVERY or done == total:
            last = now
            line = f"{what}: {done}/{total} {unit}, {now - began:.0f} s"
            errors.print(line, highlight=False, markup=False, soft_wrap=True)

    return update
