"""Feature grids as the products of affinity.py want them: a row of numbers for each cell.

With them, where that pays, come features rounded to bfloat16 for the search of candidates; how far
the rounding moves them is kept, so that the search can prove that it missed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNIT = 2e-6  # by how much squared lengths may differ from 1
ABOVE = 2.0**-12  # added to half the squared distances, so that none is rounded to below zero


def fast_bfloat16(device: torch.device | None = None) -> bool:
    """Whether a device, or this processor, multiplies bfloat16 matrices faster than float32."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    return capabilities is not None and bool(capabilities().get("amx_bf16", False))


def half_squared(products: Tensor) -> Tensor:
    """Half the squared distances, float32, of products of `Cells.rounded` with `Cells.queries`.

    Args:
        products: Of any shape, their bits as int16: negative bfloat16 numbers, read as integers,
            ascend as their magnitudes do.
    """
    return -products.view(torch.bfloat16).float() - ABOVE


@dataclass
class Cells:
    """Features of S frames as the products want them: a row of numbers for each cell.

    Attributes:
        exact: S x h x w x C.
        rounded: S x h x w x C' bfloat16: the features and, in further channels, half their squared
            lengths, so that the product with a row of `queries` is a negative number, minus half
            the squared distance, see `half_squared`. None where that would not help.
        eta: S x h x w, how far rounding moves each feature.
    """

    exact: Tensor
    rounded: Tensor | None
    eta: Tensor

    @staticmethod
    def of(features: Tensor, *, rounded: bool | None = None) -> Cells:
        """From S x C x h x w.

        Args:
            features: They are rounded only if they have unit length and are float32.
            rounded: Whether to round them; None: where the search is faster with it.
        """
        exact = features.permute(0, 2, 3, 1).contiguous()
        eta = torch.zeros(exact.shape[:3], device=exact.device)
        if rounded is None:
            rounded = exact.device.type == "cpu" and fast_bfloat16()
        if not rounded or exact.dtype != torch.float32:
            return Cells(exact, None, eta)
        if not bool(((torch.linalg.vecdot(exact, exact) - 1).abs() <= UNIT).all()):
            return Cells(exact, None, eta)
        channels = exact.shape[-1]
        wide = torch.zeros(*exact.shape[:-1], -(-(channels + 5) // 32) * 32, dtype=torch.bfloat16)
        wide[..., :channels] = exact
        back = wide[..., :channels].float()
        eta = torch.linalg.vector_norm(exact - back, dim=-1)
        half = torch.linalg.vecdot(back, back) / 2
        # In two halves, as bfloat16 has 8 bits.
        wide[..., channels] = -half
        wide[..., channels + 1] = -half - wide[..., channels].float()
        wide[..., channels + 2 : channels + 4] = 1
        wide[..., channels + 4] = -ABOVE
        return Cells(exact, wide, eta)

    @property
    def queries(self) -> Tensor:
        """`rounded`, for products with `rounded`."""
        assert self.rounded is not None
        c = self.exact.shape[-1]
        queries = self.rounded.clone()
        queries[..., c : c + 2] = self.rounded[..., c + 2 : c + 4]
        queries[..., c + 2 : c + 4] = self.rounded[..., c : c + 2]
        queries[..., c + 4] = 1
        return queries

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        rounded = 0 if self.rounded is None else self.rounded.nbytes
        return self.exact.nbytes + rounded + self.eta.nbytes

    def features(self, slots: list[int]) -> Tensor:
        """T x C x h x w, a copy of some frames' features."""
        return self.exact[slots].permute(0, 3, 1, 2)

    def resized(self, slots: int) -> Cells:
        """A copy with room for `slots` frames, as many as now or more."""

        def padded(x: Tensor) -> Tensor:
            return torch.cat([x, x.new_empty(slots - len(x), *x.shape[1:])])

        rounded = None if self.rounded is None else padded(self.rounded)
        return Cells(padded(self.exact), rounded, padded(self.eta))

    def put(self, slot: int, frame: Cells) -> None:
        """Store the one frame of `frame`."""
        self.exact[slot] = frame.exact[0]
        self.eta[slot] = frame.eta[0]
        if self.rounded is not None and frame.rounded is not None:
            self.rounded[slot] = frame.rounded[0]
        else:
            self.rounded = None
