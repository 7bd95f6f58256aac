"""The rule of TimeCycle (Wang et al., arXiv:1903.07593) and UVC (Li et al., arXiv:1909.11895).

JHMDB and VIP are evaluated by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pixelkin.ops.affinity import Cells
from pixelkin.ops.products import product
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules.base import Context, Reference, Rule, check_references


def uvc(
    query: Tensor,
    keys: Tensor,
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
        keys: T x C x h x w.
        labels: T x L x h x w.
        k: Entries kept of each reference.
        temperature: Logits are similarity / temperature.
        multiplicity: Weight of each reference in the mean; None: once each.

    Returns:
        L x h x w.
    """
    counts = [1] * len(keys) if multiplicity is None else list(multiplicity)
    check_references(len(keys), keys.shape[2:], labels, multiplicity=counts)
    channels, h, w = query.shape
    k = min(k, h * w)
    target = query.reshape(channels, -1).T / temperature
    out = labels.new_zeros(labels.shape[1], h * w)
    block = max(1, 2**21 // (h * w))
    for key, label, count in zip(keys.flatten(2), labels.flatten(2), counts, strict=True):
        for i in range(0, h * w, block):
            weights = product(target[i : i + block], key.T).softmax(dim=1)
            lowest = weights.topk(k, dim=1).values[:, -1:]
            weights.masked_fill_(weights < lowest, 0)
            out[:, i : i + block] += count * (label @ weights.to(label.dtype).T)
    return (out / sum(counts)).view(-1, h, w)


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
