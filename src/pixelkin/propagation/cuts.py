"""Hard cuts: two consecutive frames that show different things."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_COHERENCE = 0.05
"""Below it two frames are of different shots. With the weights in the package consecutive frames
have 0.075 and more (118 pairs, one in a hundred below 0.62), frames of different clips at most
0.023 (57 pairs); frames 8 apart 0.015 and more, so that a low frame rate may look like cuts:
`python benchmarks/cuts.py CLIPS`, 2026-11-26, AMD EPYC (Zen 5)."""
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
    first, last = _pooled(before), _pooled(after)
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


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether a new shot begins with the second of two frames; see `coherence`."""
    return coherence(before, after) < LEAST_COHERENCE


def _pooled(features: Tensor) -> Tensor:
    unit = F.normalize(features.float(), dim=0)
    pooled = F.avg_pool2d(unit[None], _POOL, ceil_mode=True, count_include_pad=False)[0]
    return F.normalize(pooled, dim=0)
