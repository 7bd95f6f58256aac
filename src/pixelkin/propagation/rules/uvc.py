"""The rule of TimeCycle (Wang et al., arXiv:1903.07593) and UVC (Li et al., arXiv:1909.11895).

JHMDB and VIP are evaluated by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.affinity import Cells
from pixelkin.ops.host import at_hand
from pixelkin.ops.largest import largest
from pixelkin.ops.products import product
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules.base import Context, Reference, Rule, check_references

BLOCK, FAR_BLOCK = 2**18, 2**21  # affinities at once: what a CPU's cache holds; on a device


def uvc(
    query: Tensor,
    keys: Sequence[Tensor] | Tensor,
    labels: Tensor,
    *,
    k: int,
    temperature: float,
    multiplicity: Sequence[int] | None = None,
) -> Tensor:
    """Soft-max over each whole reference, its k largest entries kept as they are, mean.

    The kept weights are not renormalised, so classes sum to less than 1. Ties with the k-th
    value are kept (UVC).

    Args:
        query: C x h x w.
        keys: T of C x h x w.
        labels: T x L x h x w.
        k: Entries kept of each reference.
        temperature: Logits are similarity / temperature.
        multiplicity: Weight of each reference in the mean; None: once each.

    Returns:
        L x h x w.
    """
    counts = [1] * len(keys) if multiplicity is None else list(multiplicity)
    check_references(len(keys), query.shape[1:], labels, multiplicity=counts)
    channels, h, w = query.shape
    k = min(k, h * w)
    target = query.reshape(channels, -1).T / temperature
    out = labels.new_zeros(h * w, labels.shape[1])
    block = max(1, (BLOCK if at_hand(query) else FAR_BLOCK) // (h * w))
    for key, label, count in zip(keys, labels.flatten(2), counts, strict=True):
        sources, label = key.flatten(1).T, label.T.contiguous()
        for i in range(0, h * w, block):
            weights = product(target[i : i + block], sources).softmax(dim=1)
            out[i : i + block] += count * _kept(weights, label, k)
    return (out / sum(counts)).T.contiguous().view(-1, h, w)


def _kept(weights: Tensor, labels: Tensor, k: int) -> Tensor:
    """Sums n x L of m x L labels, weighted with the k largest of each of n x m weights."""
    if at_hand(weights) and k < weights.shape[1]:
        values, ids = largest(weights, k + 1)
        if not bool((values[:, k] == values[:, k - 1]).any()):
            few = values[:, :k].to(labels.dtype).contiguous()
            return F.embedding_bag(ids[:, :k], labels, mode="sum", per_sample_weights=few)
    lowest = weights.topk(k, dim=1).values[:, -1:]
    return weights.masked_fill_(weights < lowest, 0).to(labels.dtype) @ labels


class UvcRule(Rule):
    """The mean of what each reference, frame 0 and the preceding ones, gives by itself."""

    def references(self, protocol: Protocol, t: int, later: Sequence[int]) -> list[Reference]:
        """Frame 0, later keyframes and the preceding frames."""
        missing = max(protocol.context - t, 0) if protocol.pad_context else 0
        first = 0 if protocol.pad_context else 1
        anchors = [Reference(0, given=True, multiplicity=1 + missing)]
        recent = [Reference(f) for f in range(max(t - protocol.context, first), t)]
        seen = {r.frame for r in recent}
        return anchors + [Reference(f, given=True) for f in later if f not in seen] + recent

    def reach(self, protocol: Protocol) -> int:
        """All of the preceding frames."""
        return protocol.context

    def predicts_first(self, protocol: Protocol) -> bool:
        """Where missing frames are copies of frame 0 (TimeCycle, UVC's JHMDB)."""
        return protocol.pad_context

    def step(self, protocol: Protocol, t: int, query: Cells, context: Context) -> Tensor:  # noqa: ARG002
        """See `uvc`."""
        return uvc(
            query.features([0])[0],
            context.keys.features(context.slots),
            context.labels,
            k=protocol.kept,
            temperature=protocol.temperature,
            multiplicity=context.multiplicity,
        )
