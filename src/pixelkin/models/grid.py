"""Frames, and the cells of a grid that cover them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.types import InputError

NOT_FINITE = (
    "the encoder gives features that are not finite: its weights, or what it computes in, are unfit"
)


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
    if torch.compiler.is_compiling() or any(pad):
        rgb = F.pad(rgb, pad, mode="replicate")
    if stride == patch:
        return rgb
    return F.interpolate(
        rgb, size=(h * patch, w * patch), mode="bilinear", align_corners=False, antialias=True
    )


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Raise InputError if a frame is not H x W x 3 uint8."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(
            f"a frame must be H x W x 3 uint8 RGB, got shape {frame.shape} of {frame.dtype}"
        )
