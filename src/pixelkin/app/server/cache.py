"""Files of a folder that are kept as long as there is room: the least recently used go first."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock


class FileCache:
    """Small files by name, in a folder that is bounded in bytes.

    What a folder holds already is known again, oldest first. May be used by several threads.

    Args:
        folder: Made if missing.
        limit: Bytes of all files together.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()
        self.bytes = 0
        folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(folder) as files:
            found = [(f.stat().st_mtime_ns, f.name, f.stat().st_size) for f in files if f.is_file()]
        for _, name, size in sorted(found):
            if name.endswith(".part"):  # of a write that was killed
                (folder / name).unlink(missing_ok=True)
            else:
                self._sizes[name] = size
                self.bytes += size
        self._drop()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    @property
    def full(self) -> bool:
        """Whether there is no room for another file of the usual size."""
        with self._lock:
            mean = self.bytes // max(1, len(self._sizes))
            return self.bytes + mean > self._limit

    def get(self, name: str) -> bytes | None:
        """The content of a file, or None."""
        with self._lock:
            if name not in self._sizes:
                return None
            self._sizes.move_to_end(name)
        try:
            return (self._folder / name).read_bytes()
        except OSError:  # somebody emptied the folder
            with self._lock:
                self.bytes -= self._sizes.pop(name, 0)
            return None

    def put(self, name: str, content: bytes) -> None:
        """Keep a file; where the disk is full, it is not kept."""
        part = self._folder / f"{name}.part"
        try:
            part.write_bytes(content)
            part.replace(self._folder / name)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return
        with self._lock:
            self.bytes += len(content) - self._sizes.pop(name, 0)
            self._sizes[name] = len(content)
            self._drop()

    def _drop(self) -> None:
        while self.bytes > self._limit and len(self._sizes) > 1:
            name, size = self._sizes.popitem(last=False)
            self.bytes -= size
            with suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)
