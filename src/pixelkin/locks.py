"""Locks on folders that last as long as the process that took them, and no longer."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from pixelkin.types import InputError

_ATTEMPTS = 100
_REMOVED = (FileNotFoundError, FileExistsError)


LOCK = ".pixelkin-lock"
"""Name of the file in a folder that one process at a time works in."""


class Lock:
    """A file that one process at a time holds; the others are refused, or wait.

    It is held until `close`, or until the process ends, however that ends. Where the system or
    the file system has no locks, everybody gets it.

    Args:
        path: The file; its folder is made if missing, and both are removed again by `close`, the
            folder only if it was made here and is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._made: list[Path] = []

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, *, wait: bool = False) -> None:
        """Take the lock, if it is not held already.

        Raises:
            InputError: If another holds it and `wait` is not set, or it cannot be written.
        """
        while self._descriptor is None:
            descriptor = self._open()
            if not _lock(descriptor, wait=wait):
                os.close(descriptor)
                raise InputError(
                    f"{self.path.parent} is in use by another pixelkin command: wait until that "
                    "ends, or choose another folder"
                )
            if _is_file(descriptor, self.path):
                self._descriptor = descriptor
                # A worker forked from here must not hold on to the lock when we are killed.
                _in_children(weakref.WeakMethod(self._forget))
            else:  # its holder removed it meanwhile
                os.close(descriptor)

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            self.path.unlink()
        self._forget()
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()
        self._made = []

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> int:
        folder = self.path.parent
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        for again in reversed(range(_ATTEMPTS)):
            try:
                self._made = [p for p in (folder, *folder.parents) if not p.exists()] + self._made
                folder.mkdir(parents=True, exist_ok=True)
                return os.open(self.path, flags, 0o644)
            except OSError as error:
                # Its holder may remove a folder that it has made just now, and another make it.
                if again and isinstance(error, _REMOVED):
                    continue
                raise InputError(
                    f"cannot write to {folder}: {error.strerror}: {error.filename}"
                ) from error
        raise AssertionError

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def remove_stale(paths: Iterable[Path]) -> None:
    """Remove the files of locks that killed processes left behind; those that are held stay."""
    for path in list(paths):
        lock = Lock(path)
        with suppress(InputError):
            lock.acquire()
            lock.close()


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Whether the file is locked now, or cannot be."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that bears the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _in_children(method: weakref.WeakMethod[Any]) -> None:
    """Have a method called in processes that are forked from this one, while its object lives."""

    def call() -> None:
        alive = method()
        if alive is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
