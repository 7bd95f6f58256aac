"""Hard cuts: two consecutive frames that show different things."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.resample import block_means

LEAST_COHERENCE = 0.05
"""Below it (and a little more on small grids) two frames are of different shots: see
docs/use/propagate.md for what it was measured on. Frames that are seconds apart may be below it."""
BY_CHANCE = 6
"""Cells that may be coherent by chance beyond that share, so that it is more on a small grid."""
FEWEST = 24
"""Pooled cells (frames of 64 x 96 pixels at stride 8) below which nothing can be told."""
MOST_ALIKE = 0.92
"""Mean cosine similarity at the same places from which on two frames are of one shot, however few
cells are each other's best match, as on plain ground. Frames of different clips had 0.85 at most;
see docs/use/propagate.md."""
_SLACK = 2  # pooled cells between a match and where the others went
_POOL = 2  # cells a side that are looked at as one


@torch.inference_mode()
def coherence(before: Tensor, after: Tensor) -> float:
    """How much of a frame is found again in the next one: 1 for a still picture, 0 after a cut.

    The share of (pooled) cells that are each other's best match, and moved as their median does,
    within two cells. Neither the scale of similarities nor a camera that pans matters.

    Args:
        before: Features C x h x w of a frame.
        after: Of the next one, on the same grid.
    """
    return _coherence(_pooled(before), _pooled(after))


def _coherence(first: Tensor, last: Tensor) -> float:
    """Of pooled features."""
    width = first.shape[2]
    similarity = first.flatten(1).T @ last.flatten(1)
    there, back = similarity.argmax(1), similarity.argmax(0)
    cells = torch.arange(len(there), device=there.device)
    mutual = back[there] == cells
    if not mutual.any():
        return 0.0
    start, end = cells[mutual], there[mutual]
    moved = torch.stack([end % width - start % width, end // width - start // width]).float()
    apart = (moved - moved.median(1, keepdim=True).values).abs().amax(0)
    return float((apart <= _SLACK).sum()) / len(cells)


@torch.inference_mode()
def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether a new shot begins with the second of two frames; see `coherence`, `alike`.

    Never on a grid of very few cells.
    """
    cells = math.ceil(after.shape[1] / _POOL) * math.ceil(after.shape[2] / _POOL)
    if cells < FEWEST:
        return False
    first, last = _pooled(before), _pooled(after)
    if _alike(first, last) >= MOST_ALIKE:
        return False
    return _coherence(first, last) < LEAST_COHERENCE + BY_CHANCE / cells


@torch.inference_mode()
def alike(before: Tensor, after: Tensor) -> float:
    """How alike two frames are place by place: mean cosine similarity of their (pooled) cells.

    Args:
        before: Features C x h x w of a frame.
        after: Of the next one, on the same grid.
    """
    return _alike(_pooled(before), _pooled(after))


def _alike(first: Tensor, last: Tensor) -> float:
    """Of pooled features."""
    return float((first * last).sum(0).mean())


def _pooled(features: Tensor) -> Tensor:
    unit = F.normalize(features.float(), dim=0)
    return F.normalize(block_means(unit, _POOL), dim=0)
