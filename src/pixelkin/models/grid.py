"""Frames made whole cells of a network's, so that each cell covers pixels of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cells_of(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(rows, columns) of the cells of `stride` pixels that cover (height, width)."""
    # No -(-n // stride): ONNX divides towards zero.
    return (size[0] + stride - 1) // stride, (size[1] + stride - 1) // stride


def whole_cells(rgb: Tensor, stride: int, patch: int) -> Tensor:
    """Frames padded to whole cells, and resized so that each is `patch` pixels wide.

    Cell (i, j) is made of pixels [j stride, (j + 1) stride) of row i, as the encoders of this
    package have it. Networks that are given other sizes drop the remainder, or stretch their cells
    over it.

    Args:
        rgb: B x 3 x H x W.
        stride: Pixels of the frame that a cell covers.
        patch: Pixels of the result that it covers.

    Returns:
        B x 3 x (patch ceil(H/stride)) x (patch ceil(W/stride)); borders are repeated, and resizing
        is bilinear, without aliasing.
    """
    h, w = cells_of((rgb.shape[-2], rgb.shape[-1]), stride)
    pad = (0, w * stride - rgb.shape[-1], 0, h * stride - rgb.shape[-2])
    if torch.compiler.is_exporting() or any(pad):
        rgb = F.pad(rgb, pad, mode="replicate")
    if stride == patch:
        return rgb
    return F.interpolate(
        rgb, size=(h * patch, w * patch), mode="bilinear", align_corners=False, antialias=True
    )
