"""Writing files whole: what appears under its name is always complete.

Every file is written under a temporary name beside its own, `.NAME.XXXXXXXX.SUFFIX` with eight
hexadecimal digits, and renamed in the end. Temporary files are hidden, are results of nothing, and
are removed by `remove_leftovers` where a killed writer left one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pixelkin.types import InputError

ENDS, PIECE, PIECES = 2**22, 2**16, 64  # bytes, bytes, number: see `content_stamp`
_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}(?P<suffix>\.[^.]*)?")


def cache_folder() -> Path:
    """Where caches go by default: $PIXELKIN_CACHE, $XDG_CACHE_HOME/pixelkin, ~/.cache/pixelkin."""
    if own := os.environ.get("PIXELKIN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pixelkin"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to; it takes the name `path` when the block ends well.

    The temporary file lies in the same folder (created if missing), is hidden, and keeps the
    suffix, from which libraries tell the format. If the block raises, it is removed and whatever
    `path` held before is left as it was; otherwise `path` is replaced, so callers that must not
    overwrite check first.

    Raises:
        InputError: If the folder cannot be made or written to, or `path` is a folder.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}: {error.filename}") from error
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: no permission in {path.parent}")
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None  # a full disk does not say where
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any, *, indent: int | None = 2) -> None:
    """Write JSON, atomically; numpy numbers and arrays become numbers and lists.

    With `indent` None all is on one line.

    Raises:
        ValueError: If `content` holds NaN or infinity, which JSON has no word for.
    """
    text = json.dumps(content, indent=indent, allow_nan=False, default=lambda array: array.tolist())
    write_text(path, text + "\n")


def temporary_of(name: str) -> str | None:
    """The name of the file that a temporary file was to become; None if `name` is of another kind.

    Example:
        >>> temporary_of(".run.0a1b2c3d.json")
        'run.json'
    """
    found = _TEMPORARY.fullmatch(name)
    return None if found is None else found["stem"] + (found["suffix"] or "")


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files that killed writers of these paths left behind.

    Only for who knows that nobody is writing them now. Folders that are links are left alone.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, known in names.items():
        if folder.is_symlink() or not folder.is_dir():
            continue
        for entry in list(os.scandir(folder)):
            if temporary_of(entry.name) in known:
                with suppress(OSError):
                    Path(entry.path).unlink()


def check_writable(*paths: Path | None, overwrite: bool) -> None:
    """Find out before hours of work whether files can be written in the end; None are left out.

    Raises:
        InputError: If one exists and `overwrite` is not set, is a folder, or its folder cannot be
            made or written to.
    """
    for path in paths:
        if path is None:
            continue
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists: --overwrite replaces it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}: {error.filename}") from error
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            why = "it is a folder" if path.is_dir() else f"no permission in {path.parent}"
            raise InputError(f"cannot write {path}: {why}")


def content_stamp(path: Path) -> str:
    """A digest of what a file holds, wherever it lies and whenever it was written.

    Of files of more than 8 MiB it is of their length, both ends, and 64 pieces between them.

    Raises:
        InputError: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            digest.update(f"{size} ".encode())
            pieces = [(0, size)]
            if size > 2 * ENDS:
                step = (size - ENDS) // PIECES
                pieces = [(n * step, PIECE) for n in range(1, PIECES)]
                pieces += [(0, ENDS), (size - ENDS, ENDS)]
            for place, length in pieces:
                file.seek(place)
                digest.update(file.read(length))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def stamp(paths: Iterable[Path], *, named: bool = True) -> str:
    """A digest of what files hold, whenever they were written and wherever they lie.

    Args:
        paths: Of the files.
        named: Whether their names count.

    Raises:
        InputError: If a file is missing, or cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path.name) + b" " if named else b"")
        digest.update(content_stamp(path).encode())
    return digest.hexdigest()
