"""Colour alone as features: a baseline without weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelkin.models.grid import cells_of
from pixelkin.ops.colour import rgb_to_lab


class LabGrid(nn.Module):
    """Training-free baseline: mean Lab colour of each cell, and of its neighbourhood.

    A cell is described by its mean (L, a, b), scaled to about unit variance, once over the cell
    and once over 3x3 cells, and a constant 1 so that l2-normalised features still tell dark from
    light. It needs no weights and shows what colour alone can do.
    """

    channels = 7

    def __init__(self, stride: int = 8) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W RGB in [0, 1] -> B x 7 x ceil(H/stride) x ceil(W/stride)."""
        lab = rgb_to_lab(rgb) / torch.tensor([25.0, 12.0, 12.0], device=rgb.device).view(3, 1, 1)
        lab[:, 0] -= 2.0
        h, w = cells_of((rgb.shape[-2], rgb.shape[-1]), self.stride)
        pad = (0, w * self.stride - rgb.shape[-1], 0, h * self.stride - rgb.shape[-2])
        cells = F.avg_pool2d(F.pad(lab, pad, mode="replicate"), self.stride)
        around = F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([cells, around, torch.ones_like(cells[:, :1])], dim=1)
