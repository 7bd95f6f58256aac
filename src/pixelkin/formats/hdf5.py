"""What kind of HDF5 file one is, told without a library that reads it."""

from __future__ import annotations

import mmap
from pathlib import Path

from pixelkin.reading import check_file

MAGIC = b"\x89HDF\r\n\x1a\n"


def holds(path: Path, *names: bytes) -> bool:
    """Whether the file is HDF5 and has all these names in it."""
    check_file(path)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(content.find(name) >= 0 for name in names)
