"""Atomic writing of files: what appears under its name is always complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixelkin.types import InputError


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
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
