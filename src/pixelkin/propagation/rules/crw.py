"""The rule of the contrastive random walk: DAVIS (Jabri et al., arXiv:2006.14613)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from pixelkin.ops.affinity import Cells, windowed_topk
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules.base import Context, Reference, Rule, check_references


def crw(
    query: Tensor | Cells,
    keys: Tensor | Cells,
    labels: Tensor,
    *,
    k: int,
    radius: float | None,
    temperature: float,
    restricted: Sequence[bool] | None = None,
    multiplicity: Sequence[int] | None = None,
    slots: Sequence[int] | None = None,
    thorough: bool = True,
) -> Tensor:
    """Joint top-k over all references, soft-max over the k survivors, weighted sum of labels.

    Args:
        query: C x h x w, or `Cells` of that one frame.
        keys: T x C x h x w, or `Cells`.
        labels: T x L x h x w.
        k: Sources kept for each target cell, counted with their multiplicity.
        radius: Sources of restricted references count at a Euclidean distance < radius cells.
        temperature: Logits are similarity / temperature.
        restricted: Which references the radius applies to; None: all.
        multiplicity: How many times each reference is present (the published code holds copies
            of frame 0, which compete in the top-k); None: once each.
        slots: Which frame of `keys` each reference is; None: they are in order.
        thorough: As in `windowed_topk`.

    Returns:
        L x h x w; the k weights of a cell sum to 1.
    """
    keys = keys if isinstance(keys, Cells) else Cells.of(keys, bounds_for(keys))
    slots = list(range(len(keys.exact))) if slots is None else list(slots)
    flags = [True] * len(slots) if restricted is None else list(restricted)
    counts = [1] * len(slots) if multiplicity is None else list(multiplicity)
    h, w = keys.exact.shape[1:3]
    check_references(len(slots), (h, w), labels, restricted=flags, multiplicity=counts)
    values, ids = windowed_topk(query, keys, k, radius, flags, slots, thorough=thorough)
    # A source that is present m times takes m of the k places, best sources first.
    copies = torch.tensor(counts, device=ids.device)[ids // (h * w)]
    places = (k - (copies.cumsum(1) - copies)).clamp_min(0).minimum(copies)
    weights = ((values - values[:, :1]) / temperature).exp() * places
    weights = (weights / weights.sum(1, keepdim=True)).to(labels.dtype)
    flat = labels.permute(0, 2, 3, 1).reshape(-1, labels.shape[1])
    out = torch.einsum("nk,nkl->ln", weights, flat[ids])
    return out.view(-1, h, w)


class CrwRule(Rule):
    """Joint top-k over frame 0, without a window, and the preceding frames, within a disc."""

    searches = True

    def references(self, protocol: Protocol, t: int, later: Sequence[int]) -> list[Reference]:
        """Long-term slots without a window, then the recent ones, frame 0's copies counted."""
        n = protocol.context
        # A slot m > 0 of the published code is frame m + 1, and frame 0 until that has left the
        # recent ones.
        slots = [m + 1 if m > 0 and t >= n + m + 1 else 0 for m in protocol.long_term]
        slots += later
        anchors = [
            Reference(f, given=True, restricted=False, multiplicity=slots.count(f))
            for f in sorted(set(slots))
        ]
        distances = list(range(1, n + 1))
        if protocol.fast:  # the nearest count most: all of the first three, then every third
            distances = [d for d in distances if d <= 3 or d % 3 == 2]
        recent = Counter(max(t - d, 0) for d in distances if d <= t or protocol.pad_context)
        return anchors + [Reference(f, multiplicity=recent[f]) for f in sorted(recent)]

    def reach(self, protocol: Protocol) -> int:
        """All of the preceding frames."""
        return protocol.context

    def long_term(self, protocol: Protocol) -> set[int]:
        """Slot m of the published code is frame m + 1, but for slot 0."""
        return {m + 1 if m > 0 else 0 for m in protocol.long_term} | set(protocol.long_term)

    def step(self, protocol: Protocol, t: int, query: Cells, context: Context) -> Tensor:  # noqa: ARG002
        """See `crw`."""
        return crw(
            query,
            context.keys,
            context.labels,
            k=protocol.kept,
            radius=protocol.radius,
            temperature=protocol.temperature,
            restricted=[r.restricted for r in context.references],
            multiplicity=context.multiplicity,
            slots=context.slots,
            thorough=not protocol.fast,
        )
