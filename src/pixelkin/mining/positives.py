"""From features of two frames to positives: similarity, Q, T, C, threshold.

The paper's chain in one place, a few pairs of frames at a time. Knows nothing about losses.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pixelkin.mining.confidence import (
    Matches,
    best_of_rows,
    entries,
    forward_backward,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.mining.curriculum import variance, variance_of_entries
from pixelkin.mining.settings import Mining
from pixelkin.mining.window import is_near
from pixelkin.ops.host import at_hand

CPU_CHUNK = 2**20  # matrix entries worked on at a time: on the CPU they should stay in its cache


class Geometry(NamedTuple):
    """Where and when the cells of B pairs of frames (s, t) were seen.

    Attributes:
        first: B x N x 2 (x, y): the cells of s, in pixels of the original frame.
        second: B x M x 2: those of t.
        gap: B: frames from s to t.
        frame_size: B x 2: (height, width) of the original frame in pixels.
    """

    first: Tensor
    second: Tensor
    gap: Tensor
    frame_size: Tensor


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
def mine(
    first: Tensor, second: Tensor, geometry: Geometry, mining: Mining, *, chunk: int = CPU_CHUNK
) -> Mined:
    """Confident correspondences between pairs of frames.

    Negatives are a step of their own, `mine_negatives`: in between come the curriculum, which reads
    the variance found here, and what a loss draws from the positives.

    Args:
        first: B x N x C unit vectors of the cells of frames s; of no pairs nothing is found.
        second: B x M x C, of frames t.
        geometry: Where and when they were seen.
        mining: What is looked for.
        chunk: Matrix entries that are worked on at a time on the CPU; at least one pair is.

    Source:
        [S, B].
    """
    b, n, m = len(first), first.shape[1], second.shape[1]
    together = max(1, chunk // (n * m) if at_hand(first) else b)
    radius = mining.window.radius(geometry.gap, geometry.frame_size)
    parts = []
    for start in range(0, max(b, 1), together):  # of no pairs, one part without any
        part = slice(start, start + together)
        points = geometry.first[part], geometry.second[part]
        found = _mine_part(first[part] @ second[part].mT, points, radius[part], mining)
        clips = found.positives.clips + start
        parts.append(found._replace(positives=found.positives._replace(clips=clips)))
    positives = zip(*(p.positives for p in parts), strict=True)
    return Mined(
        Matches(*(torch.cat(x) for x in positives)),
        torch.cat([p.variance for p in parts]),
        torch.cat([p.residual for p in parts]),
    )


def _mine_part(
    similarity: Tensor, points: tuple[Tensor, Tensor], radius: Tensor, mining: Mining
) -> Mined:
    """`mine` of few pairs, from their B x N x M cosines."""
    level, threshold = mining.confidence.level, mining.confidence.least
    signal = mining.curriculum.signal
    q = forward_backward(similarity, hard=mining.confidence.hard_q)
    v = residual = similarity.new_zeros(len(q))
    if level in ("argmax", "q"):
        found = best_of_rows(similarity if level == "argmax" else q)
    if signal == "var_q":
        v = variance(q, normalize_rows=True)
    if level in ("qt", "qtc") or signal in ("var_t", "var_c"):
        t, residual = optimal_transport(q, return_residual=True, **vars(mining.transport))
        if signal == "var_t":
            v = variance(t)
        if level == "qt":
            found = best_of_rows(t)
        if level == "qtc" or signal == "var_c":
            # All entries that matter only where the variance of C is asked for.
            of_t = entries(t) if signal == "var_c" else entries(t, threshold)
            near = is_near(
                points[0][of_t.clips, of_t.sources],
                points[1][of_t.clips, of_t.targets],
                radius[of_t.clips],
            )
            of_c = temporal_coherence(of_t, near)
            if signal == "var_c":
                v = variance_of_entries(of_c.values, of_c.clips, len(q), q.shape[1])
            if level == "qtc":
                found = of_c
    if level != "argmax":
        found = found.where(found.values >= threshold)
    return Mined(found, v, residual)
