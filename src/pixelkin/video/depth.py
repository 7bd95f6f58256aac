"""Values of more than 8 bits reduced to 8, by the range that the frames of a video use.

Cameras store 10, 12 or 14 bits in files of 16, and microscopes fractions: by the range of their
files they would be black.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEEP = 65536.0  # values that 16 bits have
SPANS = (256.0, 1024.0, 4096.0, 16384.0, DEEP)  # 8, 10, 12, 14, 16 bits
FRACTIONS_BELOW = 64.0  # floats that stay below this are fractions, over-exposed at most


def levels_in(values: NDArray[Any]) -> tuple[float, float]:
    """Of a frame's H x W finite values the greatest, single ones aside, and the greatest; or 0.

    A pixel counts as the brightest of the eight around it, if that is less than its own: what a
    sensor's hot pixel is not, the smallest thing in focus is. Of fewer than 3 x 3 pixels none has
    eight around it, and all count.
    """
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values, 0)
    values = values.clip(0)
    edged = np.pad(values, 1)
    rows = np.maximum(np.maximum(edged[:, :-2], edged[:, 2:]), edged[:, 1:-1])
    around = np.maximum(np.maximum(rows[:-2], rows[2:]), edged[1:-1, :-2])
    around = np.maximum(around, edged[1:-1, 2:])
    usual = np.minimum(values, around) if min(values.shape) >= 3 else values
    return float(usual.max(initial=0)), float(values.max(initial=0))


def span_of(highest: float, *, whole: bool) -> float:
    """The least usual range that holds all values, 0 to below it; 1 is 0 to 1.

    Args:
        highest: The greatest value of all frames, single pixels aside.
        whole: Whether they are integers.
    """
    if not whole and highest <= 1:
        return 1.0
    if whole or highest >= FRACTIONS_BELOW:
        fits = [span for span in SPANS if highest < span]
        if fits:
            return fits[0]
    return 2.0 ** math.ceil(math.log2(highest + (1 if whole else 0)))


def reduced(values: NDArray[Any], span: float) -> NDArray[np.uint8]:
    """Values from 0 to below `span` as 0 to 255; what is beyond is clipped, what is NaN is 0."""
    scaled = np.nan_to_num(values.astype(np.float64).clip(0, span)) * (256 / span)
    return np.asarray(scaled.clip(0, 255), dtype=np.uint8)


def span_note(span: float, peak: float) -> str | None:
    """What the range was taken for, if it is not that of 16 bits.

    Args:
        span: See `span_of`.
        peak: The greatest value of all frames.
    """
    if span == DEEP:
        return None
    what = "fractions from 0 to 1" if span == 1 else f"values below {span:g}"
    said = f"frames of more than 8 bits hold {what}, which are taken for their range"
    if peak > 1 and peak >= span:
        said += f" (single pixels have up to {peak:g}, and are shown white)"
    return said
