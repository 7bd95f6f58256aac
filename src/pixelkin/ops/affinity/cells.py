"""Feature grids as the search wants them: a row of numbers for each cell, and a short form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import Bounds, Exact, Short
from pixelkin.ops.affinity.rounded import LONGEST, Rounded
from pixelkin.ops.host import at_hand
from pixelkin.ops.products import fast_bfloat16
from pixelkin.types import InputError


def bounds_for(features: Tensor, *, rounded: bool | None = None) -> Bounds:
    """Bounds for the frames of one video; on a device other than the CPU, similarities themselves.

    Args:
        features: S x C x h x w, finite, of some of its frames.
        rounded: Whether they are in bfloat16, as float32 features of unit length can be; None:
            where this processor is fast at it.

    Raises:
        ValueError: If features are infinite or not a number.
    """
    features = _raised(features)
    _check_finite(features)
    if not at_hand(features):
        return Exact()
    if rounded is None:
        rounded = fast_bfloat16()
    rows = features.permute(0, 2, 3, 1)
    unit = rows.dtype == torch.float32 and bool((torch.linalg.vecdot(rows, rows) <= LONGEST).all())
    return Rounded(rows) if rounded and unit else Short(rows)


@dataclass
class Cells:
    """Features of S frames.

    Attributes:
        exact: S x h x w x C.
        bounds: How they are searched; None: they are not.
        rows: S x h x w x D, of `bounds`.
        spread: S, of `bounds`.
    """

    exact: Tensor
    bounds: Bounds | None
    rows: Tensor
    spread: Tensor

    @staticmethod
    def of(features: Tensor, bounds: Bounds | None) -> Cells:
        """From S x C x h x w.

        Args:
            features: Half precision is raised to float32.
            bounds: Of all frames that are compared with these; None: they are not searched.

        Raises:
            ValueError: If features to be searched are infinite or not a number.
        """
        exact = _raised(features).permute(0, 2, 3, 1).contiguous()
        if bounds is None:
            return Cells(exact, None, exact, exact.new_zeros(len(exact)))
        _check_finite(exact)
        return Cells(exact, bounds, *bounds.rows(exact))

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        tensors = {x.data_ptr(): x for x in (self.exact, self.rows, self.spread)}
        return sum(x.nbytes for x in tensors.values())

    def features(self, slots: list[int]) -> list[Tensor]:
        """C x h x w of each of some frames, views of what is stored."""
        return [self.exact[slot].permute(2, 0, 1) for slot in slots]

    def resized(self, slots: int) -> Cells:
        """A copy with room for `slots` frames, as many as now or more."""

        def padded(x: Tensor) -> Tensor:
            return torch.cat([x, x.new_empty(slots - len(x), *x.shape[1:])])

        exact = padded(self.exact)
        rows = exact if self.rows is self.exact else padded(self.rows)
        return Cells(exact, self.bounds, rows, padded(self.spread))

    def put(self, slot: int, frame: Cells) -> None:
        """Store the one frame of `frame`."""
        self.exact[slot] = frame.exact[0]
        self.spread[slot] = frame.spread[0]
        if self.rows is not self.exact:
            self.rows[slot] = frame.rows[0]


def _raised(features: Tensor) -> Tensor:
    """In float32 at least."""
    return features if features.dtype in (torch.float32, torch.float64) else features.float()


def _check_finite(features: Tensor) -> None:
    if not bool(torch.isfinite(features.sum())) and not bool(torch.isfinite(features).all()):
        raise InputError(
            "features must be finite, found infinity or what is not a number: "
            "is the encoder damaged?"
        )
