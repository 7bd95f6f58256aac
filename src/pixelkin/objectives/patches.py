"""Nodes that are patches of a view, each encoded by itself, so that none tells where it lies.

    views (B x V x 3 x S x S) --cut_patches--> images (B x V * n^2 x 3 x s x s) --network-->
    features (B x V * n^2 x C x h x w) --pooled--> nodes (B x V x n^2 x C)

Patches lie on a grid of n x n, overlap by half and cover the view; they are numbered row by row.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ASPECT = (3 / 4, 4 / 3)  # range of width over height of a crop


def patch_side(size: int, count: int) -> int:
    """Side s of each of `count` x `count` patches of a view of `size` pixels, rounded."""
    return round(2 * size / (count + 1))


def cut_patches(
    views: Tensor,
    count: int,
    area: tuple[float, float],
    generator: torch.Generator | None = None,
) -> Tensor:
    """The patches of all views, of each of which a random crop is enlarged to the patch's size.

    Args:
        views: B x V x 3 x S x S.
        count: Patches n along each side.
        area: Range of the crop's area, as a share of the patch's; (1, 1) takes it whole. The crop
            lies in its patch; its aspect is drawn from as much of `ASPECT` as fits.
        generator: Of the crops.

    Returns:
        B x (V * n^2) x 3 x s x s, see `patch_side`: those of one view after those of another.
    """
    b, v, channels, size = views.shape[:4]
    side, step = patch_side(size, count), size / (count + 1)
    shape = (b * v, count, count)
    draws = torch.rand((4, *shape), generator=generator, device=views.device)
    share = area[0] + (area[1] - area[0]) * draws[0]
    low, high = share.clamp_min(ASPECT[0]), (1 / share).clamp_max(ASPECT[1])
    aspect = low * (high / low) ** draws[1]
    corner = torch.arange(count, device=views.device) * step

    def samples(extent: Tensor, draw: Tensor, corner: Tensor) -> Tensor:
        """Where the crops are sampled along an axis, -1 to 1 in the view: BV x n^2 x s."""
        length = 2 * step * extent.sqrt().clamp_max(1.0)
        begin = corner + draw * (2 * step - length)
        centres = (torch.arange(side, device=views.device) + 0.5) / side
        place = begin[..., None] + length[..., None] * centres
        return (2 * place / size - 1).flatten(1, 2)

    x = samples(share * aspect, draws[2], corner)
    y = samples(share / aspect, draws[3], corner[:, None])
    where = (*x.shape, side)
    grid = torch.stack([x[..., None, :].expand(where), y[..., None].expand(where)], -1)
    cut = F.grid_sample(
        views.flatten(0, 1),
        grid.flatten(1, 2).to(views.dtype),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    cut = cut.view(b, v, channels, count**2, side, side).transpose(2, 3)
    return cut.reshape(b, v * count**2, channels, side, side)


def pooled(features: Tensor, views: int) -> Tensor:
    """The mean of each patch's features, of length 1.

    Args:
        features: B x (V * N) x C x h x w of the patches.
        views: Number V of views of a clip.

    Returns:
        B x V x N x C float32.
    """
    means = F.normalize(features.float().mean((-2, -1)), dim=-1)
    return means.view(len(means), views, -1, means.shape[-1])
