"""MATLAB's files of version 5: their arrays of numbers, read without a library.

A file is a header of 128 bytes, then elements: a type, a number of bytes, and content padded to 8
bytes. Arrays are elements of elements (flags, sizes, name, numbers), mostly packed by zlib. What is
no array of real numbers (text, cells, structures, sparse arrays) is passed over. Sizes are
compared with what is there before anything is made of them: damaged files have crashed the
libraries that read them.
The format is as MathWorks describes it (MAT-File Format, R2023b).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

HEADER = 128
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
NUMERIC = range(6, 16)  # classes of arrays: double to uint64
INT32, UINT32, INT8, ARRAY, PACKED = 5, 6, 1, 14, 15
COMPLEX = 0x0800  # flag
LARGEST = 512 * 2**20  # bytes of an array when unpacked


@dataclass(frozen=True)
class _Bytes:
    """Content, and in which order its numbers have their bytes."""

    content: memoryview
    order: Literal["<", ">"]

    def elements(self) -> Iterator[tuple[int, _Bytes]]:
        """(type, content) of each element."""
        at, end = 0, len(self.content)
        while end - at >= 8:
            first, size = (
                int(n) for n in np.frombuffer(self.content[at : at + 8], f"{self.order}u4")
            )
            start, kind = at + 8, first
            if first >> 16:  # four bytes or fewer, within the head
                kind, size, start = first & 0xFFFF, first >> 16, at + 4
                if size > 4:
                    raise ValueError(f"an element of {size} bytes in a head of 4")
            if start + size > end:
                raise ValueError(f"an element of {size} bytes, of which {end - start} are there")
            yield kind, _Bytes(self.content[start : start + size], self.order)
            at = at + 8 if first >> 16 else start + (size if kind == PACKED else -(-size // 8) * 8)
        if at < end:
            raise ValueError("it ends within the head of an element")

    def numbers(self, kind: int) -> NDArray[np.generic]:
        """The numbers of an element."""
        if kind not in NUMBERS:
            raise ValueError(f"an element of type {kind}, must be numbers")
        return np.frombuffer(self.content, f"{self.order}{NUMBERS[kind]}")

    def unpacked(self) -> _Bytes:
        """What an element packed by zlib holds."""
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(self.content, LARGEST)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError("a packed element is cut off, or too large")
        return _Bytes(memoryview(content), self.order)


def read_arrays(content: bytes) -> dict[str, NDArray[np.generic]]:
    """The arrays of real numbers in a file, by name.

    Raises:
        ValueError: If it is no such file, or damaged.
    """
    order: dict[bytes, Literal["<", ">"]] = {b"IM": "<", b"MI": ">"}
    if len(content) < HEADER or content[126:128] not in order:
        raise ValueError("not of MATLAB's version 5")
    found = {}
    for kind, element in _Bytes(memoryview(content)[HEADER:], order[content[126:128]]).elements():
        for name, array in _arrays(kind, element):
            if name in found:
                raise ValueError(f"two arrays are called {name}")
            found[name] = array
    return found


def _arrays(kind: int, element: _Bytes) -> Iterator[tuple[str, NDArray[np.generic]]]:
    if kind == PACKED:
        try:
            inner = element.unpacked()
        except zlib.error as error:
            raise ValueError(f"a packed element is damaged: {error}") from error
        for kind_inside, part in inner.elements():
            if kind_inside == PACKED:
                raise ValueError("a packed element within another")
            yield from _arrays(kind_inside, part)
    elif kind == ARRAY and len(element.content):
        head = list(islice(element.elements(), 4))
        if len(head) < 4:
            raise ValueError("an array that ends in its head")
        (flags_kind, flags), (sizes_kind, sizes), (_, name), (number_kind, numbers) = head
        if flags_kind != UINT32 or len(flags.content) != 8 or sizes_kind != INT32:
            raise ValueError("an array without flags and sizes")
        flag = int(flags.numbers(UINT32)[0])
        if flag & 0xFF not in NUMERIC or flag & COMPLEX:
            return
        shape = tuple(int(n) for n in sizes.numbers(INT32))
        values = numbers.numbers(number_kind)
        if min(shape, default=-1) < 0 or prod(shape) != len(values):
            raise ValueError(f"an array of {shape} with {len(values)} numbers")
        yield bytes(name.content).decode("latin-1"), values.reshape(shape, order="F")
