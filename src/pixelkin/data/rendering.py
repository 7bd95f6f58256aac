"""The views of a whole batch at once, on any device, from uint8 frames that lie there.

The same draws, filters and colours as in `augment` and `paste`, which render one view at a time;
only the rounding differs (see `render`). Everything that depends on the draws alone is computed by
`prepare`, in the process that draws; `render` then does no more than a few large tensor operations,
and never asks the device for a number. Knows nothing about files or networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.data.augment import BLUR_SIGMA, LUMA, View, colour_matrix, sampling
from pixelkin.data.paste import SOFT, WAVES, Outline

_RADIUS = math.ceil(3 * BLUR_SIGMA[1])  # of the widest blur, in pixels
_SHARPNESS = -0.5  # of the cubic filter by which torch resizes with anti-aliasing


class Prepared(NamedTuple):
    """N views to be rendered, V of each clip in turn, in numbers.

    Attributes:
        offset: N int64: the pixel, among all frames', with which each view's frame begins.
        width: N int64, of its frame.
        box: N x 4 int64, see `Sampling`.
        small: N x 2 int64, see `Sampling`.
        theta: N x 2 x 3, see `Sampling`; here to coordinates of the largest `small`.
        colour: N x 3 x 3, linear part of the colours.
        lift: N, how much of the mean luma is added.
        blurred: K int64: which of the views are blurred.
        sigma: K.
        size: Side S of the views.
        largest: Width and height of the largest box, and of the largest `small`.
    """

    offset: Tensor
    width: Tensor
    box: Tensor
    small: Tensor
    theta: Tensor
    colour: Tensor
    lift: Tensor
    blurred: Tensor
    sigma: Tensor
    size: int
    largest: tuple[int, int, int, int]


class Pieces(NamedTuple):
    """One region of each of B clips, see `Outline`, as their V views see it.

    Attributes:
        present: B: 1, or 0 for clips that give nothing.
        to_first: B x V x 2 x 3: from pixels of each view to those of the first.
        numbers: B x 6: radius, centre, turn, stretch along both axes.
        height: B x 5.
        phase: B x 5.
    """

    present: Tensor
    to_first: Tensor
    numbers: Tensor
    height: Tensor
    phase: Tensor


def prepare(
    views: Sequence[View],
    offsets: Sequence[int],
    frame_sizes: Sequence[tuple[int, int]],
    size: int,
) -> Prepared:
    """What `render` needs.

    Args:
        views: What was drawn of N views.
        offsets: The pixel, among all frames', with which the frame of each begins.
        frame_sizes: (height, width) of each frame.
        size: Side S of the views in pixels.
    """
    taken = [sampling(v.to_frame, f, size) for v, f in zip(views, frame_sizes, strict=True)]
    box, small = np.array([s.box for s in taken]), np.array([s.small for s in taken])
    wide, high = small.max(0)
    theta = np.stack([s.theta for s in taken])
    part = (small / [wide, high])[:, :, None]  # of the largest, with corners at -1 and 1
    theta = theta * part
    theta[:, :, 2:] += part - 1
    blurred = [i for i, v in enumerate(views) if v.colour.blur]
    matrices = np.stack([colour_matrix(*v.colour[:4], 1.0) for v in views])
    return Prepared(
        torch.tensor(offsets),
        torch.tensor([f[1] for f in frame_sizes]),
        torch.from_numpy(box),
        torch.from_numpy(small),
        torch.from_numpy(theta.astype(np.float32)),
        torch.from_numpy(matrices[:, :, :3].astype(np.float32)),
        torch.from_numpy(matrices[:, 0, 3].copy()),
        torch.tensor(blurred, dtype=torch.int64),
        torch.tensor([views[i].colour.blur for i in blurred]),
        size,
        (int(box[:, 2].max()), int(box[:, 3].max()), int(wide), int(high)),
    )


def prepare_pieces(
    outlines: Sequence[Outline | None], to_frame: NDArray[np.float64]
) -> Pieces | None:
    """What `cover` needs; None where no clip gives a piece.

    Args:
        outlines: Of B clips.
        to_frame: B x V x 2 x 3 maps from pixels of the views to those of the frame they share.
    """
    if not any(outlines):
        return None
    linear, offset = to_frame[..., :2], to_frame[..., 2:]
    back = np.linalg.inv(linear[:, :1])
    to_first = np.concatenate([back @ linear, back @ (offset - offset[:, :1])], axis=3)
    none = Outline(1.0, np.zeros(2), 0.0, 1.0, np.zeros(len(WAVES)), np.zeros(len(WAVES)))
    drawn = [o or none for o in outlines]
    numbers = [(o.radius, *o.centre, o.turn, o.stretch, 1 / o.stretch) for o in drawn]
    return Pieces(
        torch.tensor([float(o is not None) for o in outlines]),
        torch.from_numpy(to_first.astype(np.float32)),
        torch.tensor(numbers, dtype=torch.float32),
        torch.from_numpy(np.stack([o.height for o in drawn]).astype(np.float32)),
        torch.from_numpy(np.stack([o.phase for o in drawn]).astype(np.float32)),
    )


@torch.no_grad()
def render(pixels: Tensor, views: Prepared) -> Tensor:
    """The views, N x 3 x S x S float in [0, 1].

    They equal those of `augment` within 0.1/255 in the mean of a view and 6/255 in any number: a
    box that is made smaller is rounded to whole grey levels twice, as there, and what lies on the
    verge may fall to the other side.

    Args:
        pixels: All frames one after the other, each H x W x 3, uint8; on the device that
            computes.
        views: Where they lie, and what to make of them; on the same device.
    """
    small = _resized(_boxes(pixels, views), views)
    n, s = len(views.offset), views.size
    grid = F.affine_grid(views.theta, [n, 3, s, s], align_corners=False)
    seen = F.grid_sample(small, grid, mode="bicubic", padding_mode="border", align_corners=False)
    seen = seen.div_(255.0).clamp_(0.0, 1.0)
    return _blurred(_recoloured(seen, views), views)


def _boxes(pixels: Tensor, views: Prepared) -> Tensor:
    """N x H x 3 x W float: the boxes, each repeating its edge where others are larger."""
    width, height = views.largest[:2]
    x, y, w, h = views.box[:, :, None].unbind(1)
    column = torch.arange(width, device=pixels.device).minimum(w - 1) + x
    row = torch.arange(height, device=pixels.device).minimum(h - 1) + y
    at = views.offset[:, None] + row * views.width[:, None]
    found = pixels.view(-1, 3)[at[:, :, None] + column[:, None]]
    return found.mT.float().contiguous()


def _resized(box: Tensor, views: Prepared) -> Tensor:
    """N x 3 x h x w: anti-aliased, in whole grey levels, along the rows and then the columns."""
    n, (width, height, small_width, small_height) = len(box), views.largest
    if (width, height) != (small_width, small_height):  # no small box is larger than its box
        along = _weights(views.box[:, 2], views.small[:, 0], width, small_width)
        down = _weights(views.box[:, 3], views.small[:, 1], height, small_height)
        box = (box.flatten(1, 2) @ along.mT).round_().clamp_(0, 255)
        box = (down @ box.view(n, height, -1)).round_().clamp_(0, 255)
    return box.view(n, small_height, 3, small_width).transpose(1, 2)


def _weights(full: Tensor, small: Tensor, most: int, most_small: int) -> Tensor:
    """N x h x H: row i has the weights of pixel i of a line that is resized from `full` to `small`.

    Pixels beyond the last one repeat it.
    """
    scale = (full.double() / small)[:, None, None]
    row = torch.arange(most_small, device=full.device).minimum(small[:, None] - 1)[:, :, None]
    centre = (scale * (row + 0.5) - 0.5).float()
    x = torch.arange(most, device=full.device, dtype=torch.float32) - centre
    weights = _cubic(x.div_(scale.float()))
    column = torch.arange(most, device=full.device)
    weights.masked_fill_(column >= full[:, None, None], 0.0)
    return weights / weights.sum(2, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    a, x = _SHARPNESS, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, far).masked_fill_(x >= 2, 0.0)


def _recoloured(seen: Tensor, views: Prepared) -> Tensor:
    mean = seen.mean((2, 3)).double()
    mean = sum((mean[:, c] * float(LUMA[c]) for c in (1, 2)), start=mean[:, 0] * float(LUMA[0]))
    lift = (views.lift * mean).to(seen.dtype)[:, None, None]
    out = torch.baddbmm(lift, views.colour, seen.flatten(2)).view_as(seen)
    return out.clamp_(0, 1)


def _blurred(seen: Tensor, views: Prepared) -> Tensor:
    """Those of the views that are to be blurred are; borders are reflected."""
    if not len(views.blurred):
        return seen
    most = min(_RADIUS, views.size - 1)
    x = torch.arange(-most, most + 1, device=seen.device)
    sigma = views.sigma[:, None]
    kernel = torch.exp(-0.5 * (x / sigma) ** 2).masked_fill_(x.abs() > (3 * sigma).ceil(), 0.0)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(seen.dtype)[:, :, None, None, None]
    out = F.pad(seen[views.blurred], (most,) * 4, mode="reflect")
    for axis in (3, 2):
        shifted = [out.narrow(axis, k, views.size) for k in range(2 * most + 1)]
        out = shifted[0] * kernel[:, 0]
        for k, part in enumerate(shifted[1:], start=1):
            out.addcmul_(part, kernel[:, k])
    return seen.index_copy(0, views.blurred, out)


@torch.no_grad()
def cover(pieces: Pieces, size: int) -> Tensor:
    """How much of each pixel the regions cover, B x V x S x S float in [0, 1], see `cover_of`.

    Equal to it within 0.001.
    """
    axis = torch.arange(size, dtype=torch.float32, device=pieces.present.device)
    linear, offset = pieces.to_first[..., :2], pieces.to_first[..., 2]
    radius, cx, cy, turn, along, across = pieces.numbers[:, :, None, None, None].unbind(1)
    offset = offset - torch.stack([cx, cy], -1)[:, :, 0, 0]
    first = [
        linear[..., k, 0, None, None] * axis
        + linear[..., k, 1, None, None] * axis[:, None]
        + offset[..., k, None, None]
        for k in (0, 1)
    ]
    cos, sin = turn.cos(), turn.sin()
    x = (first[0] * cos + first[1] * sin) * along
    y = (first[1] * cos - first[0] * sin) * across
    angle = torch.atan2(y, x)
    waves = torch.ones_like(angle)
    for k, wave in enumerate(WAVES.tolist()):
        height, phase = (n[:, k, None, None, None] for n in (pieces.height, pieces.phase))
        waves.addcmul_(height, torch.cos(angle * wave + phase))
    inside = (radius * waves.clamp_min_(0.3) - torch.hypot(x, y)) / SOFT + 0.5
    return inside.clamp_(0, 1) * pieces.present[:, None, None, None]
