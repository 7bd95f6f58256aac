"""Labels to the feature grid and back: masks, heat maps, points.

Pure functions. Interpolations follow the published code: `bilinear` is OpenCV's (half-pixel
centres, no antialiasing), `nearest` is Pillow's, `subsample` takes each cell's top-left pixel.
`area` is ours: the mean over each cell's pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.host import at_hand


def one_hot(ids: Tensor, classes: Sequence[int]) -> Tensor:
    """H x W integer ids -> len(classes) x H x W float32, one channel for each id of `classes`."""
    wanted = torch.tensor(list(classes), device=ids.device).view(-1, 1, 1)
    return (ids[None] == wanted).float()


def mask_to_grid(
    ids: Tensor, classes: Sequence[int], grid: tuple[int, int], how: str, stride: int
) -> Tensor:
    """A map of ids at the encoded size to soft labels on the feature grid.

    Args:
        ids: H x W integers.
        classes: The id of each channel.
        grid: (h, w) of the feature grid.
        how: "bilinear" | "nearest" | "subsample" | "area".
        stride: Pixels per cell, for "subsample" and "area".

    Returns:
        len(classes) x h x w float32.
    """
    if how in ("subsample", "area"):
        if how == "subsample":
            small = one_hot(ids[::stride, ::stride], classes)
        else:
            small = cell_means(one_hot(ids, classes), stride)
        if small.shape[1:] != grid:
            raise ValueError(f"{tuple(ids.shape)} pixels at stride {stride} do not give {grid}")
        return small
    if how == "nearest":
        return one_hot(resize_nearest(ids, grid), classes)
    if how == "bilinear":
        return resize_bilinear(one_hot(ids, classes), grid)
    raise ValueError(f"{how = }: must be bilinear, nearest, subsample or area")


def cell_means(maps: Tensor, stride: int) -> Tensor:
    """L x H x W -> L x ceil(H / stride) x ceil(W / stride), the mean over each cell's pixels.

    Cells at the lower and right border may have fewer pixels.
    """
    return F.avg_pool2d(maps, stride, ceil_mode=True, count_include_pad=False)


def resize_area(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """L x h x w -> L x size, each pixel the mean of those that it covers."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], size=size, mode="area")[0]


def resize_bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """L x h x w -> L x size, bilinear with half-pixel centres and no antialiasing."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]


def upsample_cells(maps: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """L x h x w -> L x size, bilinear, each cell over the pixels that `cell_means` took it from.

    What the last cells have beyond `size` is cut off; `resize_bilinear` would squeeze it in.
    """
    h, w = maps.shape[1:]
    return resize_bilinear(maps, (h * stride, w * stride))[:, : size[0], : size[1]]


def resize_nearest(ids: Tensor, size: tuple[int, int]) -> Tensor:
    """H x W -> size, each pixel from the nearest one; ties fall as in Pillow.

    Pillow walks along an axis by adding up the scale, so that its rounding decides the pixels
    that lie exactly between two.
    """
    if tuple(ids.shape) == tuple(size):
        return ids
    rows, columns = (_nearest(n, m, ids.device) for n, m in zip(ids.shape, size, strict=True))
    return ids[rows[:, None], columns]


def _nearest(source: int, target: int, device: torch.device) -> Tensor:
    scale = source / target
    positions = itertools.accumulate(itertools.repeat(scale, target - 1), initial=scale * 0.5)
    return torch.tensor([min(int(x), source - 1) for x in positions], device=device)


def stretch(maps: Tensor, *, skip_empty: bool = True) -> Tensor:
    """Stretch each class to [0, 1] over its frame: x - min, then / max (TimeCycle, UVC).

    Args:
        maps: L x h x w.
        skip_empty: Leave a class that is not positive anywhere as it is; the published TimeCycle
            code has no such guard and gives NaN.
    """
    low = maps.amin(dim=(1, 2), keepdim=True)
    high = maps.amax(dim=(1, 2), keepdim=True)
    stretched = (maps - low).div_(high - low)
    if at_hand(maps) and bool(((high > low) & (high > 0)).all()):
        return stretched  # what follows would change nothing
    return torch.where(high > 0, stretched.nan_to_num(0.0), maps) if skip_empty else stretched


def decode_map(
    soft: Tensor,
    size: tuple[int, int],
    *,
    stretched: bool = False,
    upsample: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Arg-max of upsampled soft labels, and what share of the votes the winners have.

    Classes are upsampled one after the other, so that memory does not grow with their number.

    Args:
        soft: L x h x w, non-negative.
        size: (height, width) of the map.
        stretched: Whether classes compete after `stretch`.
        upsample: 1 x h x w -> 1 x size; None: `resize_bilinear`.

    Returns:
        Index of the winning class, int32 of `size`; and, for each class, the mean share of its
        votes over the pixels that it wins, L float32, 0 where it wins none.
    """
    best = torch.full(size, -torch.inf, device=soft.device)
    total = torch.zeros(size, device=soft.device)
    votes = total.clone() if stretched else best
    winner, better = torch.zeros_like(total), torch.empty_like(total)
    for i, small in enumerate(soft):
        share = upsample(small[None]) if upsample else resize_bilinear(small[None], size)
        score = stretch(share)[0] if stretched else share[0]
        torch.gt(score, best, out=better)  # 1 or 0: as numbers they are far faster than a choice
        torch.maximum(winner, better * i, out=winner)
        torch.maximum(best, score, out=best)
        if stretched:
            votes.lerp_(share[0], better)
        total += share[0]
    winner = winner.int()
    share = (votes / total.clamp_min(1e-12)).flatten()
    counts = torch.bincount(winner.flatten(), minlength=len(soft))
    sums = torch.bincount(winner.flatten(), weights=share, minlength=len(soft))
    return winner, sums / counts.clamp_min(1)


def block_means(maps: Tensor, side: int) -> Tensor:
    """C x h x w -> C x ceil(h / side) x ceil(w / side), means of square blocks.

    Channels that lie beside each other in memory, as an encoder has them, are taken together.
    """
    beside = maps.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    means = F.avg_pool2d(beside, side, ceil_mode=True, count_include_pad=False)
    return means[0].contiguous()


def heatmaps(cells: Tensor, grid: tuple[int, int], sigma: float) -> Tensor:
    """Gaussian heat maps of points, drawn as UVC's JHMDB code does.

    The peak is 1 on a whole cell; for sigma 0.5 the centre is the point rounded half up and the
    support runs from two cells before to one cell after it.

    Args:
        cells: P x 2 (x, y) in cells; NaN for an absent point.
        grid: (h, w).
        sigma: Standard deviation in cells.

    Returns:
        P x h x w float32; a point whose support is outside the grid has an empty map.
    """
    h, w = grid
    maps = torch.zeros(len(cells), h, w)
    side = int(6 * sigma + 1)
    ramp = torch.arange(side, dtype=torch.float64) - side // 2
    bell = torch.exp(-(ramp[:, None] ** 2 + ramp[None] ** 2) / (2 * sigma**2)).float()
    for heat, (x, y) in zip(maps, cells.double().tolist(), strict=True):
        if math.isnan(x) or math.isnan(y):
            continue
        left, top = int(x - 3 * sigma), int(y - 3 * sigma)
        right, bottom = int(x + 3 * sigma + 1), int(y + 3 * sigma + 1)
        if left >= w or top >= h or right < 0 or bottom < 0:
            continue
        x0, x1, y0, y1 = max(left, 0), min(right, w), max(top, 0), min(bottom, h)
        heat[y0:y1, x0:x1] = bell[y0 - top : y1 - top, x0 - left : x1 - left]
    return maps


def with_background(heat: Tensor) -> Tensor:
    """P x h x w heat maps -> (1 + P) x h x w, channel 0 being 1 where all are 0."""
    return torch.cat([(heat.sum(0, keepdim=True) == 0).to(heat.dtype), heat])


def decode_points(heat: Tensor, top: int) -> Tensor:
    """Positions of points from heat maps: the mean of the `top` highest cells by their value.

    Args:
        heat: P x h x w.
        top: Number of cells.

    Returns:
        P x 2 float32 (x, y) in cells; NaN where a map is empty (not positive anywhere).
    """
    _, h, w = heat.shape
    values, ids = heat.flatten(1).topk(min(top, h * w), dim=1)
    total = values.sum(1)
    weights = values / total[:, None]
    xy = torch.stack([(weights * (ids % w)).sum(1), (weights * (ids // w)).sum(1)], dim=1)
    return xy.masked_fill((total <= 0)[:, None], torch.nan).float()


def concentration(heat: Tensor, cells: Tensor) -> Tensor:
    """Share of each heat map's mass within one cell of a position, in [0, 1].

    Args:
        heat: P x h x w, non-negative.
        cells: P x 2 (x, y); NaN gives 0.

    Returns:
        P float32.
    """
    _, h, w = heat.shape
    x, y = cells.nan_to_num(-1e6).unbind(1)
    near_x = (torch.arange(w, device=heat.device) - x[:, None]).abs() <= 1
    near_y = (torch.arange(h, device=heat.device) - y[:, None]).abs() <= 1
    mass = (heat * near_y[:, :, None] * near_x[:, None, :]).sum((1, 2))
    return mass / heat.sum((1, 2)).clamp_min(1e-12)
