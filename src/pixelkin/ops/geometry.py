"""Where feature cells lie, and affine maps of the plane.

Pure tensor functions. Points are (x, y) pixels with (0, 0) at the centre of the top-left pixel;
cells are numbered row by row.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cell_centres(
    height: int, width: int, stride: float, device: torch.device | None = None
) -> Tensor:
    """Pixel positions of the cells of a feature grid.

    The first is on pixel (0, 0), as in networks of odd kernels padded by half a kernel, such as the
    paper's: each of their strided layers keeps the receptive field of cell 0 centred there.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        stride: Pixels from one cell to the next.
        device: Where the result lives.

    Returns:
        (height * width) x 2 float32 of (x, y).
    """
    y = torch.arange(height, dtype=torch.float32, device=device) * stride
    x = torch.arange(width, dtype=torch.float32, device=device) * stride
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).flatten(0, 1)


def transform(points: Tensor, affine: Tensor) -> Tensor:
    """Apply affine maps: points ... x P x 2, affine ... x 2 x 3 -> ... x P x 2."""
    return points @ affine[..., :2].mT + affine[..., None, :, 2]


def invert(affine: Tensor) -> Tensor:
    """The inverse of affine maps, ... x 2 x 3. A singular map gives infinities or NaN."""
    linear, _ = torch.linalg.inv_ex(affine[..., :2])
    return torch.cat([linear, -linear @ affine[..., 2:]], dim=-1)
