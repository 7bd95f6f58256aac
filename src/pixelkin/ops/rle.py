"""Run lengths of a mask as COCO writes them, uncompressed.

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
