"""Whether a video file is whole, by the lengths that its container states.

FFmpeg takes a file that was cut off for a shorter video and says nothing. Knows nothing about
codecs; formats that state no lengths (MPEG-TS, raw streams) count as whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pixelkin.reading import check_file


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks at least: 0 if it is whole or its format does not tell."""
    check_file(path)
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] == b"RIFF":
            end = 8 + int.from_bytes(head[4:8], "little")
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            end = _matroska_end(head)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            end = _mp4_end(file)
        else:
            return 0
    return max(0, end - path.stat().st_size)


def _mp4_end(file: BinaryIO) -> int:
    """Where the last box of media or index ends; a box is its size, its type, its content."""
    at = 0
    while True:
        file.seek(at)
        header = file.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:  # the size follows in 64 bits
            size = int.from_bytes(header[8:16], "big")
        if len(header) < 8 or size < 8:
            return at
        if file.seek(0, 2) < at + size:
            # Junk that some cameras append is no box and proves nothing.
            return at + size if kind in (b"mdat", b"moov", b"moof") else at
        at += size


def _matroska_end(head: bytes) -> int:
    """Where the segment ends, which is all of the file but its header."""
    header, at = _ebml_number(head, 4)
    at += header or 0
    if header is None or head[at : at + 4] != b"\x18\x53\x80\x67":
        return 0
    segment, at = _ebml_number(head, at + 4)
    return 0 if segment is None else at + segment


def _ebml_number(head: bytes, at: int) -> tuple[int | None, int]:
    """(value, where it ends); leading zero bits tell its length, all ones mean unknown."""
    if at >= len(head) or head[at] == 0:
        return None, at
    length = 9 - head[at].bit_length()
    unknown = (1 << 7 * length) - 1
    value = int.from_bytes(head[at : at + length], "big") & unknown
    return (None if value == unknown else value), at + length
