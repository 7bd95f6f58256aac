"""Progress and tables on the terminal: a bar where there is one, plain lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY = 5.0  # seconds between plain progress lines


def console() -> Console:
    """Standard output; wide enough for tables where it is not a terminal."""
    from rich.console import Console

    plain = Console()
    return plain if plain.is_terminal else Console(width=int(os.environ.get("COLUMNS", "120")))


@contextmanager
def progress(title: str, unit: str = "frames") -> Iterator[Callable[[int, int], None]]:
    """A function (done, total) that shows progress under `title` while the block runs."""
    from rich.console import Console

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
        began, first = time.monotonic(), -1

        def update(done: int, total: int) -> None:
            nonlocal first
            first = done if first < 0 else first
            rate = (done - first) / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=done, total=total, speed=f"{rate:.1f}/s" if rate else "")

        yield update


def _plain(errors: Console, title: str, unit: str) -> Callable[[int, int], None]:
    began = last = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY or done == total:
            last = now
            line = f"{title}: {done}/{total} {unit}, {now - began:.0f} s"
            errors.print(line, highlight=False, markup=False, soft_wrap=True)

    return update
