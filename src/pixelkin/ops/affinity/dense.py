"""The k most similar sources by brute force: what the tests hold the search to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pixelkin.ops.tiles import outside_disc


def dense_topk(
    query: Tensor,
    keys: Tensor,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
) -> tuple[Tensor, Tensor]:
    """`windowed_topk` with the whole affinity matrix, hw x T*hw, at once."""
    _, h, w = query.shape
    affinity = query.flatten(1).T @ keys.flatten(2).transpose(0, 1).flatten(1)
    if radius is not None:
        whole = slice(0, h), slice(0, w)
        cut = outside_disc(*whole, *whole, radius)
        flags = torch.tensor(list(restricted), dtype=torch.bool)
        bad = (cut[:, None, :] & flags[None, :, None]).flatten(1).to(query.device)
        affinity = affinity.masked_fill(bad, -torch.inf)
    values, ids = affinity.topk(min(k, affinity.shape[1]), dim=1)
    return values, ids
