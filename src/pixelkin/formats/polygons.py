"""Masks as polygons with fewer corners, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixelkin.ops.outlines import Ring, area, fill, outlines, simplify


def pieces(mask: NDArray[np.bool_]) -> tuple[list[Ring], int]:
    """The rings around the pieces of a mask, the largest first, and the number of its holes."""
    rings = outlines(mask)
    around = [ring for ring in rings if area(ring) > 0]
    return sorted(around, key=area, reverse=True), len(rings) - len(around)


class Simplified:
    """Simpler polygons, and their region similarity J with those that they were made of.

    Args:
        tolerance: How far corners that are left out may be from a side, in pixels.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._similarities: list[tuple[float, str]] = []
        self._corners = np.zeros(2, dtype=np.int64)

    def __call__(self, rings: Sequence[Ring], size: tuple[int, int], label: str) -> list[Ring]:
        """Rings around pieces with fewer corners; one that would vanish stays as it is.

        Args:
            rings: Around the pieces of one mask.
            size: (height, width) of the frame.
            label: What the mask is called in messages.
        """
        found = [simplify(ring, self._tolerance) for ring in rings]
        filled = [fill([ring], size) for ring in found]
        for n, ring in enumerate(rings):
            if not filled[n].any():
                found[n], filled[n] = ring, fill([ring], size)
        before, after = fill(rings, size), np.logical_or.reduce(filled)
        self._similarities.append(((before & after).sum() / (before | after).sum(), label))
        self._corners += sum(map(len, rings)), sum(map(len, found))
        return found

    def said(self) -> tuple[str, ...]:
        """What it cost, in a line; none where there was nothing to simplify."""
        if not self._similarities:
            return ()
        worst, label = min(self._similarities)
        mean = np.mean([similarity for similarity, _ in self._similarities])
        return (
            f"polygons within {self._tolerance:g} px have {self._corners[1]} of {self._corners[0]} "
            f"corners; J with the exact ones is {mean:.3f} on average, {worst:.3f} at worst "
            f"({label})",
        )
