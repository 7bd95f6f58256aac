"""A benchmark's folders: the data set's, and those of stored maps, ours or anyone's.

What is not there is named together with what was looked for. Names that a data set lists (videos,
frames) become parts of paths, also of files that are written, so none may lead out of its folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.reading import SETTINGS_BYTES, read_bytes
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
    lines = read_bytes(path, SETTINGS_BYTES).decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def check_name(name: str, where: str) -> None:
    """Check that the name of a video or a frame stays in the folder that it is looked for in.

    Args:
        name: With forward slashes where it lies in subfolders.
        where: What lists it, for the message.

    Raises:
        InputError: If it is empty, absolute, begins with a drive, or has a part such as "..".
    """
    path = PureWindowsPath(name)  # knows both kinds of slash, and drives
    parts = name.replace("\\", "/").split("/")
    if path.anchor or not name.isprintable() or {"", ".", ".."} & set(parts):
        raise InputError(
            f"{where} has the name {name!r}, which may lead out of its folder; names are plain, "
            "such as dog or catch/clip_1"
        )


def choose(wanted: Iterable[str] | None, listed: Sequence[str], where: str) -> list[str]:
    """The names `wanted`, in this order and once each; all that are listed where None.

    Raises:
        InputError: If one is not listed, nothing is, or a listed one may lead out of its folder.
    """
    if isinstance(wanted, str):
        raise InputError(f"sequences: give a list of names, not the one text {wanted!r}")
    for name in listed:
        check_name(name, where)
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


def fit_map(ids: NDArray[Any], size: tuple[int, ...], where: str, *, resize: bool) -> NDArray[Any]:
    """A predicted map, resampled by nearest neighbour where it has another size than the truth.

    Each pixel is the one under its centre, the right or lower one where the centre lies exactly
    between two. Propagation's `resize_nearest` repeats Pillow's rounding instead, because the
    published protocols resize with Pillow: from 1920 to 854 columns the two differ in two columns.

    Raises:
        InputError: If it has another size and `resize` is not set.
    """
    if ids.shape == size:
        return ids
    if not resize or ids.ndim != 2:
        raise InputError(
            f"{where}: the prediction is {'x'.join(map(str, ids.shape))}, its annotation "
            f"{size[0]}x{size[1]} (HxW); predict at the annotation's size, or ask to resize"
        )
    rows, columns = (
        (2 * np.arange(n) + 1) * old // (2 * n) for n, old in zip(size, ids.shape, strict=True)
    )
    return ids[np.ix_(rows, columns)]
