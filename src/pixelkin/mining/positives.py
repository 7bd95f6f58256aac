"""From features of two frames to positives: similarity, Q, T, C, threshold.

The paper's chain in one place, a few pairs of frames at a time. Knows nothing about losses.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Unpack

import torch
from torch import Tensor

from pixelkin.mining.confidence import (
    Matches,
    TransportSettings,
    best_of_rows,
    entries,
    forward_backward,
    is_near,
    transport_with_residual,
)
from pixelkin.mining.curriculum import Signal, variance, variance_of_entries

Level = Literal["argmax", "q", "qt", "qtc"]

# Matrix entries that are worked on at a time: on the CPU they should stay in its cache.
_CPU_CHUNK = 2**20


class Mined(NamedTuple):
    """What mining finds in B pairs of frames.

    Attributes:
        positives: The positives (i, j) with their confidence.
        variance: B: v of the confidence that the curriculum follows; 0 if it follows none.
        residual: B: of Sinkhorn's algorithm; 0 where T was not needed.
    """

    positives: Matches
    variance: Tensor
    residual: Tensor


@torch.no_grad()
def mine_positives(
    first: Tensor,
    second: Tensor,
    points: tuple[Tensor, Tensor],
    radius: Tensor,
    *,
    level: Level = "qtc",
    threshold: float = 0.5,
    signal: Signal = "var_t",
    hard_q: bool = False,
    **transport: Unpack[TransportSettings],
) -> Mined:
    """Confident correspondences between pairs of frames.

    Args:
        first: B x N x C unit vectors of the cells of frames s.
        second: B x M x C, of frames t.
        points: B x N x 2 and B x M x 2, the cells' positions in the original frame.
        radius: B: half the side of the window of temporal coherence, in the same unit.
        level: The confidence that decides: "argmax", every i with its most similar j; "q" or "qt",
            every i with the j of its greatest Q or T, if that reaches the threshold; "qtc", all
            (i, j) whose C reaches it: above 0.5 at most one for each pixel, as rows and columns
            of T sum to 1.
        threshold: Least confidence of a positive.
        signal: What the curriculum follows.
        hard_q: Take Q's form of mutual nearest neighbours, see `forward_backward`.
        transport: Settings of T, see `transport_with_residual`.

    Source:
        Supplement and a published review of the paper; the threshold of 0.5, which makes C a
        partial one-to-one matching: our decision.
    """
    b, n, m = len(first), first.shape[1], second.shape[1]
    together = max(1, _CPU_CHUNK // (n * m) if first.device.type == "cpu" else b)
    needs_t = level in ("qt", "qtc") or signal in ("var_t", "var_c")
    parts = []
    for start in range(0, b, together):
        part = slice(start, start + together)
        similarity = first[part] @ second[part].mT
        q = forward_backward(similarity, hard=hard_q)
        v = residual = first.new_zeros(len(q))
        if level in ("argmax", "q"):
            found = best_of_rows(similarity if level == "argmax" else q)
        if signal == "var_q":
            v = variance(q, normalize_rows=True)
        if needs_t:
            t, residual = transport_with_residual(q, **transport)
            if signal == "var_t":
                v = variance(t)
            if level == "qt":
                found = best_of_rows(t)
            if level == "qtc" or signal == "var_c":
                near = entries(t, threshold) if signal != "var_c" else entries(t)
                source, target = (p[part] for p in points)
                a, z = source[near.clips, near.sources], target[near.clips, near.targets]
                near = near.where(is_near(a, z, radius[part][near.clips]))
                if signal == "var_c":
                    v = variance_of_entries(near.values, near.clips, len(q), n)
                if level == "qtc":
                    found = near
        if level != "argmax":
            found = found.where(found.values >= threshold)
        parts.append(Mined(found._replace(clips=found.clips + start), v, residual))
    positives = zip(*(p.positives for p in parts), strict=True)
    return Mined(
        Matches(*(torch.cat(x) for x in positives)),
        torch.cat([p.variance for p in parts]),
        torch.cat([p.residual for p in parts]),
    )
