"""A mask as COCO and CVAT write it: run lengths, and the box around it.

Runs of 0 and 1 in turn, 0 first: COCO's go down the columns of the frame, CVAT's along the rows of
the object's box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, width, height in pixels


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """An H x W mask as {"size": [H, W], "counts": [..]}.

    Example:
        >>> encode(np.array([[0, 1], [1, 1]], bool))
        {'size': [2, 2], 'counts': [1, 3]}
    """
    return {"size": list(mask.shape), "counts": _runs(mask.ravel(order="F"))}


def decode(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """The H x W mask of run lengths, which are a list, or a string as `compress` makes it.

    Raises:
        ValueError: If they do not fit the size.
    """
    height, width = rle["size"]
    counts = rle["counts"]
    counts = expand(counts) if isinstance(counts, str) else counts
    return _pixels(counts, height * width).reshape((height, width), order="F")


def compress(counts: Sequence[int]) -> str:
    """Run lengths as the string that COCO has for them.

    From the fourth on, a run is told by its difference to the one before the last. A number takes
    5 bits a character, the lowest first; bit 5 says that more follow, and bit 4 of the last one is
    the sign. Characters begin at "0".

    Example:
        >>> compress([1, 3])
        '13'
    """
    characters = []
    for i, count in enumerate(counts):
        rest, more = count - counts[i - 2] if i > 2 else count, True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            characters.append(chr(48 + bits + 32 * more))
    return "".join(characters)


def expand(text: str) -> list[int]:
    """The run lengths of a string as `compress` makes it.

    Raises:
        ValueError: If it has other characters, or ends within a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} is not in strings of run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            value -= (bits & 16) << (shift - 4)
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("a string of run lengths ends within a number")
    return counts


def encode_rows(mask: NDArray[np.bool_]) -> tuple[list[int], Box]:
    """The runs along the rows of the box around a mask, and the box.

    Raises:
        ValueError: If the mask is empty, as it has no box then.
    """
    left, top, width, height = box = bounds(mask)
    return _runs(mask[top : top + height, left : left + width].ravel()), box


def decode_rows(counts: Sequence[int], box: Box, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask, of `size` (height, width), of runs along the rows of a box.

    Raises:
        ValueError: If the runs do not fit the box, or the box the size.
    """
    left, top, width, height = box
    if not (0 <= left <= left + width <= size[1] and 0 <= top <= top + height <= size[0]):
        raise ValueError(f"the box {box} is not within {size[1]}x{size[0]} (WxH)")
    mask = np.zeros(size, dtype=np.bool_)
    runs = _pixels(counts, height * width)
    mask[top : top + height, left : left + width] = runs.reshape(height, width)
    return mask


def bounds(mask: NDArray[np.bool_]) -> Box:
    """The smallest box around a mask; ValueError if it is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        raise ValueError("an empty mask has no box")
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def _runs(pixels: NDArray[np.bool_]) -> list[int]:
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    first = [0] if pixels[:1].any() else []  # counts begin with a run of zeros, here an empty one
    counts: list[int] = np.diff(np.concatenate([[0], changes, [pixels.size]])).tolist()
    return first + counts


def _pixels(counts: Sequence[int], total: int) -> NDArray[np.bool_]:
    if any(type(count) is not int or count < 0 for count in counts):
        raise ValueError("run lengths must be whole numbers, not negative")
    if sum(counts) != total:
        raise ValueError(f"run lengths sum up to {sum(counts)} pixels, must be {total}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


def box(mask: NDArray[np.bool_]) -> list[int]:
    """The box around an H x W mask as COCO has it: [x, y, width, height] in pixels.

    All are 0 where the mask is empty.

    Example:
        >>> box(np.array([[0, 0, 0], [0, 1, 1]], bool))
        [1, 1, 2, 1]
    """
    found = []
    for axis in (0, 1):
        there = np.flatnonzero(mask.any(axis=axis))
        found.append((int(there[0]), int(there[-1] - there[0] + 1)) if there.size else (0, 0))
    (x, width), (y, height) = found
    return [x, y, width, height]
