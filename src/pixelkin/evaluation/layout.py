"""Finding a benchmark's files; what is not there is named together with what was looked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelkin.types import InputError

SHOWN = 12  # names in an error message


def find(root: Path, relative: str, benchmark: str, others: str = "*") -> Path:
    """The file or folder `relative` of a benchmark's root folder.

    Args:
        root: What the user gave.
        relative: What the official layout has there.
        benchmark: Its name, for the message.
        others: Pattern of what is listed where it is missing.

    Raises:
        InputError: If it is not there.
    """
    path = root / relative
    if path.exists():
        return path
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; looked for {relative} of {benchmark} in it")
    there = sorted(p.relative_to(root).as_posix() for p in root.glob(others))
    found = f"there are {listing(there)}" if there else f"is this the root folder of {benchmark}?"
    raise InputError(f"{root}: looked for {relative}; {found}")


def files(folder: Path, suffix: str) -> tuple[Path, ...]:
    """The folder's files of that suffix, sorted by name; hidden ones are left out.

    Raises:
        InputError: If there are none.
    """
    found = sorted(p for p in folder.glob(f"*.{suffix}") if not p.name.startswith("."))
    if not found:
        missing = f"no .{suffix} files in this folder" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {missing}")
    return tuple(found)


def read_lines(path: Path) -> list[str]:
    """The lines of a list, without blanks around them and without empty ones."""
    lines = path.read_text("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def choose(wanted: Iterable[str] | None, listed: Sequence[str], where: str) -> list[str]:
    """The names `wanted`, in this order and once each; all that are listed where None.

    Raises:
        InputError: If one is not listed, or nothing is.
    """
    chosen = list(dict.fromkeys(listed if wanted is None else wanted))
    known = set(listed)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InputError(
            f"no sequence {listing(unknown)} in {where}; it has {listing(list(listed))}"
        )
    if not chosen:
        raise InputError(f"no sequence to evaluate in {where}")
    return chosen


def listing(names: Sequence[str]) -> str:
    """The first few of some names, with commas."""
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
