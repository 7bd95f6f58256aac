"""What the commands of sessions share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session

Folder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]


def opened(folder: Path, *, edit: bool = False) -> Session:
    """An open session; `edit` says whether labels are to be changed."""
    from pixelkin.annotation.session import Session

    return Session.open(folder, edit=edit)


def spoken(frames: Sequence[int]) -> str:
    """Frame numbers, as ranges where they follow each other: 0-3, 7."""
    from pixelkin.annotation.plan import ranges

    parts = ("-".join(map(str, dict.fromkeys((r[0], r[-1])))) for r in ranges(frames))
    return ", ".join(parts) or "none"
