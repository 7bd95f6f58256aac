"""A mask as COCO writes it: run lengths, uncompressed, and the box around it.

Runs of 0 and 1 in turn, 0 first, down the columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """An H x W mask as {"size": [H, W], "counts": [..]}.

    Example:
        >>> encode(np.array([[0, 1], [1, 1]], bool))
        {'size': [2, 2], 'counts': [1, 3]}
    """
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    first = [0] if pixels[:1].any() else []  # counts begin with a run of zeros, here an empty one
    counts = np.diff(np.concatenate([[0], changes, [pixels.size]]))
    return {"size": list(mask.shape), "counts": first + counts.tolist()}


def decode(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """The H x W mask of run lengths.

    Raises:
        ValueError: If they do not fit the size.
    """
    height, width = rle["size"]
    counts = rle["counts"]
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return pixels.reshape((height, width), order="F")


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
