"""The colours of a mask: those that were meant, and those that smoothing has mixed of them.

A colour that was meant fills areas. Mixed ones lie between two areas, in place and in colour, and
there are many of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError

MIN_BLOCKS = 0.05  # share of a colour's pixels that centre a 3 x 3 block of it in a flat area
MANY = 8  # thin colours beside areas of others, where nobody draws so many
SHOWN = 8  # colours that a message names
ADVICE = "draw and resize with nearest-neighbour, and save each object in one colour as PNG"


@dataclass(frozen=True, eq=False)
class Colours:
    """The colours of an image.

    Attributes:
        values: K x C, each once; C is 1 for grey levels. All zero is the background.
        index: H x W, which of them a pixel has.
    """

    values: NDArray[np.int64]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> Colours:
        """Those of H x W x C pixels, in lexicographic order."""
        shifts = 16 * np.arange(pixels.shape[-1], dtype=np.int64)[::-1]
        codes = (pixels.astype(np.int64) << shifts).sum(axis=-1)
        unique, index = np.unique(codes, return_inverse=True)
        return cls((unique[:, None] >> shifts) & 0xFFFF, index.reshape(codes.shape))

    @property
    def is_object(self) -> NDArray[np.bool_]:
        """K: whether a colour is not the background."""
        return np.asarray(self.values.any(axis=1))

    @cached_property
    def blocks(self) -> NDArray[np.bool_]:
        """(H - 2) x (W - 2): whether the 3 x 3 block around each inner pixel is of one colour."""
        h, w = (max(0, n - 2) for n in self.index.shape)
        centre = self.index[1:-1, 1:-1]
        shifted = (self.index[y : y + h, x : x + w] == centre for y in range(3) for x in range(3))
        return np.asarray(np.logical_and.reduce(list(shifted)), dtype=np.bool_)

    @cached_property
    def flat(self) -> NDArray[np.bool_]:
        """K: whether a colour fills areas; the largest object's does in any case."""
        area = np.bincount(self.index.ravel(), minlength=len(self.values))
        centres = self.index[1:-1, 1:-1][self.blocks]
        flat = np.bincount(centres, minlength=len(area)) > MIN_BLOCKS * area
        flat[np.argmax(area * self.is_object)] = True  # all may be thin
        return np.asarray(flat)

    def mixtures(self, tolerance: float) -> int:
        """How many of the others lie on a line between two of the flat ones (or black)."""
        black = np.zeros((1, self.values.shape[1]))
        ends = np.vstack([black, self.values[self.flat & self.is_object]])
        others = self.values[~self.flat & self.is_object].astype(float)
        mixed = np.zeros(len(others), dtype=bool)
        for i, end in enumerate(ends[:-1]):
            lines = ends[i + 1 :] - end  # B x C
            offsets = others - end  # M x C
            along = offsets @ lines.T / (lines**2).sum(axis=1)  # M x B
            off = np.abs(offsets[:, None] - along[..., None] * lines).max(axis=-1)
            mixed |= ((off <= tolerance) & (along > 0) & (along < 1)).any(axis=1)
        return int(mixed.sum())

    def are_smoothed(self, most: int, tolerance: float = 2, least: int = 1) -> bool:
        """Whether some of the colours were mixed by smoothing.

        Args:
            most: More objects than this are no colour coding.
            tolerance: How far, in levels, a mixture may be from the line between two colours.
            least: How many mixtures are no accident.
        """
        objects, flat = int(self.is_object.sum()), int((self.flat & self.is_object).sum())
        if objects > most:
            return True
        if objects - flat > max(MANY, 2 * flat) and self._thin_ones_lie_beside_flat_ones():
            return True
        return self.mixtures(tolerance) >= max(least, flat)

    def snapped(self) -> NDArray[np.int64]:
        """K: which of the flat colours is nearest to each, a flat one's own for itself."""
        meant = np.flatnonzero(self.flat)
        nearest = np.empty(len(self.values), np.int64)
        for k, value in enumerate(self.values):
            nearest[k] = meant[np.argmin(((self.values[meant] - value) ** 2).sum(axis=1))]
        return nearest

    def refusal(self, path: Path) -> InputError:
        """What to say of an image whose colours are not those of a mask."""
        what = "grey levels" if self.values.shape[1] == 1 else "colours"
        objects, flat = int(self.is_object.sum()), int((self.flat & self.is_object).sum())
        if self.is_photo:
            return InputError(f"{path} looks like a photo, not a mask ({objects} {what}): {ADVICE}")
        return InputError(
            f"{path} has smoothed (anti-aliased) edges, {objects} {what} of which {flat} fill "
            f"areas: {self.meant()}. --snap takes the nearest of these for every pixel; or {ADVICE}"
        )

    @property
    def is_photo(self) -> bool:
        """Whether hardly anything is of one colour."""
        return bool(self.blocks.size and self.blocks.mean() < 0.5)

    def meant(self) -> str:
        """The flat colours of objects, in words."""
        values = self.values[self.flat & self.is_object].tolist()
        words = [str(*v) if len(v) == 1 else "#{:02x}{:02x}{:02x}".format(*v) for v in values]
        more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
        return ", ".join(words[:SHOWN]) + more

    def _thin_ones_lie_beside_flat_ones(self) -> bool:
        """Whether most pixels of thin colours touch an area of a flat one's object."""
        thin = (~self.flat & self.is_object)[self.index]
        padded = np.pad((self.flat & self.is_object)[self.index], 1)
        h, w = self.index.shape
        near = [padded[y : y + h, x : x + w] for y in range(3) for x in range(3)]
        return bool(np.logical_or.reduce(near)[thin].mean() > 0.5)
