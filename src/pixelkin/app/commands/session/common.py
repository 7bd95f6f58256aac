"""What the commands of sessions share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.console import progress_bar
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session

Folder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]


def opened(folder: Path, *, edit: bool = False, device: str | None = None) -> Session:
    """An open session; `edit` says whether labels are to be changed, `device` what computes."""
    from pixelkin.annotation.session import Session

    with ExitStack() as stack:  # nothing is shown where nothing is to be done
        shown: list[Callable[[int, int], None]] = []

        def progress(done: int, total: int) -> None:
            if not shown:
                bar = progress_bar(f"{folder}: bringing it up to date", "frames of passes")
                shown.append(stack.enter_context(bar))
            shown[0](done, total)

        return Session.open(folder, edit=edit, device=device, progress=progress)


def spoken(frames: Sequence[int]) -> str:
    """Frame numbers, as ranges where they follow each other: 0-3, 7."""
    from pixelkin.annotation.plan import ranges

    parts = ("-".join(map(str, dict.fromkeys((r[0], r[-1])))) for r in ranges(frames))
    return ", ".join(parts) or "none"


def frames_of(words: str) -> range:
    """Frames as they are given: 5, or 0:20 without the last.

    Raises:
        InputError: If it is neither.
    """
    found = re.fullmatch(r"(\d+)(?::(\d+))?", words)
    if not found:
        raise InputError(f"{words}: give a frame number, or FIRST:LAST, as in 0:20")
    start = int(found[1])
    return range(start, int(found[2]) if found[2] else start + 1)
