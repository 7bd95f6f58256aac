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
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pixelkin.types import InputError

_TEMPORARY = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}(?P<suffix>\.[^.]*)?")


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
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say where
        raise


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder to write to; its files go to `path` when the block ends well.

    It lies beside `path`, and is hidden. If the block raises, it is removed and nothing else has
    changed; otherwise its files replace those of the same names, so callers that must not overwrite
    check first. Other files of `path` stay.

    Raises:
        InputError: If a folder cannot be made or written to.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (links stay as they are)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        files = [file.relative_to(temporary) for file in temporary.rglob("*") if file.is_file()]
        for folder in {(path / file).parent for file in files}:
            folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            (temporary / file).replace(path / file)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}: {error.filename}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


ENDS = 2**20
"""Bytes of a file's beginning, and of its end, that stand for its content."""


def content_of(path: Path, ends: int = ENDS) -> Iterator[bytes]:
    """What stands for a file's content: its size, its beginning and its end.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            yield f"{size} ".encode()
            yield file.read(ends)
            file.seek(max(ends, size - ends))
            yield file.read()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def stamp(paths: Iterable[Path], *, named: bool = True) -> str:
    """A digest of what files hold, whenever they were written and wherever they lie.

    Of files above 2 MiB it knows the size, the first and the last MiB; it is for files that are
    replaced, not for edits in the middle of a video.

    Args:
        paths: Of the files.
        named: Whether their names count.

    Raises:
        InputError: If a file is missing, or cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path.name) + b" " if named else b"")
        for part in content_of(path):
            digest.update(part)
    return digest.hexdigest()
