"""Shorter bounds, for a search that is not thorough: what looks best among them is taken.

By their order 15 sources are chosen, and of frame 0 what comes up to them, or 15 more; of these the
ten that are most similar are kept. With 31 channels in place of 55 (26 in place of 58 in bfloat16)
some of the ten are others, hardly less similar, and products take less time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import Bounds, Short, by_rows
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.ops.affinity.rounded import Rounded
from pixelkin.ops.products import product

KEPT = 31  # d
ROUNDED = 26  # d in bfloat16: with six channels more, 32


class Shorter(Short):
    """As `Short`, but for rounding in |a_r|: no other rotated channels are computed for it."""

    def __init__(self, features: Tensor, kept: int = KEPT) -> None:
        super().__init__(features, kept)
        if self._rotation is not None:
            self._rotation = self._rotation[:, :kept]

    def rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """See `Short.rows`."""
        rows = features if self._rotation is None else _narrow(features, self._rotation)
        return rows, torch.linalg.vector_norm(rows, dim=-1).amax((1, 2))


class ShorterRounded(Rounded):
    """As `Rounded`, in the same way."""

    def __init__(self, features: Tensor, kept: int = ROUNDED) -> None:
        super().__init__(features, kept)
        self._rotation = self._rotation[:, :kept]

    def _shortened(self, features: Tensor) -> Tensor:
        return _narrow(features, self._rotation)


def _narrow(features: Tensor, rotation: Tensor) -> Tensor:
    """As `shortened`; of the rest no more is known than by Pythagoras."""

    def shorten(part: Tensor) -> Tensor:
        first = product(part, rotation.T)
        rest = torch.linalg.vecdot(part, part) - torch.linalg.vecdot(first, first)
        return torch.cat([first, rest.clamp_min(0).sqrt()[:, None]], dim=1)

    return by_rows(shorten, features)


def shorter_bounds(features: Tensor) -> Bounds:
    """As `bounds_for`, but with fewer channels where there are bounds at all."""
    bounds = bounds_for(features)
    rows = features.permute(0, 2, 3, 1)
    if isinstance(bounds, Rounded):
        return ShorterRounded(rows)
    if isinstance(bounds, Short):
        return Shorter(rows.to(torch.promote_types(rows.dtype, torch.float)))
    return bounds
