"""What commands say of figures that are not what they seem."""

from __future__ import annotations


def doubt(meaning: str, weights: str) -> str:
    """What is to be said of confidence where it is not the J to be expected; "" where it is.

    Args:
        meaning: What it is, see `propagation.confidence.meaning`.
        weights: Name or place of the encoder.
    """
    if "not calibrated" in meaning:
        return meaning
    return "" if weights == "default" else "calibrated for the default weights, not for these"
