"""The search for the k most similar sources of each cell: what it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounded import Bounded
from pixelkin.ops.affinity.bounds import Exact
from pixelkin.ops.affinity.cells import Cells, bounds_for
from pixelkin.ops.affinity.tiled import Closest


@torch.no_grad()
def windowed_topk(
    query: Tensor | Cells,
    keys: Tensor | Cells,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
    slots: Sequence[int] | None = None,
    *,
    thorough: bool = True,
) -> tuple[Tensor, Tensor]:
    """The k most similar source cells of every target cell, over several reference frames.

    Args:
        query: C x h x w features of the target frame, or `Cells` of that one frame, with the bounds
            of the keys.
        keys: S x C x h x w features of the references, or their `Cells`.
        k: How many to keep; fewer are returned where there are fewer sources.
        radius: Sources of restricted references count at a Euclidean distance < radius cells.
            None: all count.
        restricted: One flag for each of the T references.
        slots: Which of the S frames each reference is; None: they are the references.
        thorough: Whether none is missed. Without it, the k best of what has the best bounds are
            taken; some that are nearly as good as the k-th may be missed.

    Returns:
        (values, ids): hw x k similarities (dot products), descending, and the sources as
        reference * hw + cell. Where fewer than k sources are allowed, values end in -inf.

    Raises:
        ValueError: If there is nothing to compare, or features are not finite.
    """
    if isinstance(keys, Tensor):
        keys = Cells.of(keys, bounds_for(keys))
    target = query if isinstance(query, Cells) else Cells.of(query[None], keys.bounds)
    slots = list(range(len(restricted))) if slots is None else list(slots)
    near = [t for t, flag in enumerate(restricted) if flag and radius is not None]
    if not slots or k < 1:
        raise ValueError(f"{k = } must be at least 1, and so must the {len(slots)} references")
    if keys.bounds is None or target.bounds is not keys.bounds:
        raise ValueError("target and sources must have the same bounds")
    k = min(k, len(slots) * target.exact.shape[1] * target.exact.shape[2])
    if isinstance(keys.bounds, Exact):
        return Closest(target, keys, slots, near, radius, k, keys.bounds).run()
    return Bounded(target, keys, slots, near, radius, k, keys.bounds, thorough=thorough).run()
