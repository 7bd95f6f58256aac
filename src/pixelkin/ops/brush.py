"""Label Studio's run lengths of a brush: a stream of bits over the RGBA values of the frame.

32 bits say how many values there are (4 H W, row by row), 5 bits the bits of a value less one, and
four times 4 bits the sizes of a length, less one. Then records follow: 1 bit whether one value is
repeated, 2 bits which size the length has, the length less one, and the value, or `length` values.
A pixel is in the mask where its alpha is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

WORD = 8  # bits of a value
LENGTHS = (3, 4, 8, 16)  # bits that the length of a record may have


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes of an H x W mask, each from 0 to 255."""
    pixels = mask.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(pixels)) + 1, [pixels.size]])
    inside, lengths = pixels[edges[:-1]], 4 * np.diff(edges)
    longest = 1 << LENGTHS[-1]
    parts = -(-lengths // longest)  # a run may be several records
    last = np.cumsum(parts) - 1
    inside, length = np.repeat(inside, parts), np.full(int(parts.sum()), longest)
    length[last] = lengths - longest * (parts - 1)
    sizes = np.array(LENGTHS)
    which = np.searchsorted(1 << sizes, length)
    words = ((4 | which) << sizes[which] | length - 1) << WORD | np.where(inside, 255, 0)
    head = [(4 * pixels.size, 32), (WORD - 1, 5), *((size - 1, 4) for size in LENGTHS)]
    words = np.concatenate([[word for word, _ in head], words])
    widths = np.concatenate([[width for _, width in head], 1 + 2 + sizes[which] + WORD])
    end = np.repeat(np.cumsum(widths), widths)
    bits = np.repeat(words, widths) >> (end - 1 - np.arange(len(end))) & 1
    spare = 8 - len(bits) % 8  # never none, as Label Studio has it
    stream: list[int] = np.packbits(np.append(bits, np.zeros(spare, int)).astype(bool)).tolist()
    return stream


def decode(stream: Iterable[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask, of `size` (height, width), of such bytes.

    Raises:
        ValueError: If they are no such stream, or of another size.
    """
    content = list(stream)
    if any(type(byte) is not int or not 0 <= byte < 256 for byte in content):
        raise ValueError("a brush's run lengths are bytes")
    bits = _Bits(bytes(content))
    total, word = bits.take(32), bits.take(5) + 1
    if total != 4 * size[0] * size[1]:
        raise ValueError(f"a brush of {total} values, must be {4 * size[0] * size[1]} (RGBA)")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values = np.empty(total, dtype=np.int64)
    done = 0
    while done < total:
        repeated, which = bits.take(1), bits.take(2)
        length = bits.take(lengths[which]) + 1
        if done + length > total:
            raise ValueError("a brush's run lengths go beyond the frame")
        if repeated:
            values[done : done + length] = bits.take(word)
        else:
            values[done : done + length] = [bits.take(word) for _ in range(length)]
        done += length
    return np.asarray(values.reshape(*size, 4)[..., 3] > 0)


class _Bits:
    """The bits of some bytes, from the first one's highest."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def take(self, count: int) -> int:
        """The number that the next `count` bits are."""
        first, last = self._place // 8, (self._place + count + 7) // 8
        if last > len(self._content):
            raise ValueError("a brush's run lengths end too early")
        number = int.from_bytes(self._content[first:last], "big")
        self._place += count
        return number >> (8 * last - self._place) & (1 << count) - 1
