"""Upper bounds of similarities in bfloat16, where the processor multiplies it fast.

Shortened features (see bounds.py) have the lengths of the features, and no two of them are farther
from each other: |a - b| >= |a' - b'|. Rounding moves a' by some eta_a; by the triangle inequality

    |a - b|  >=  |round(a') - round(b')| - eta_a - eta_b,

and of vectors of at most unit length, a . b <= 1 - |a - b|^2 / 2. Hence a source as similar as
`kth` is, in its rounded form, no farther than sqrt(2 (1 - kth)) + eta_a + eta_b. The product is
minus half the squared distance, as further channels hold half the squared lengths. The bits of
negative bfloat16 numbers, read as int16, ascend as their magnitudes do, and compare faster.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import principal, shortened

KEPT = 58  # d: with the length of the rest and five channels for squared lengths, 64
EXTRA = 5
LONGEST = 1 + 2e-6  # squared length that rounding in float32 leaves to a unit vector
ABOVE = 2.0**-12  # added to half the squared distances, so that none is rounded to below zero
ROUNDING = 2.0**-8  # relative rounding error of bfloat16
# By how much a product can differ from half the squared distance besides: squared lengths in two
# parts each, float32 sums, lengths that are not quite 1.
SLACK = 2e-5
FARTHEST = 4  # more than two of at most unit length can be from each other


def half_squared(distances: Tensor) -> Tensor:
    """Half the squared distances, float32, that int16 distances stand for."""
    return -distances.view(torch.bfloat16).float() - ABOVE


class Rounded:
    """Bounds of float32 features no longer than 1, in bfloat16.

    Args:
        features: ... x C, whose principal axes are the basis; any will do.
        kept: d.
    """

    def __init__(self, features: Tensor, kept: int = KEPT) -> None:
        self._kept = min(kept, features.shape[-1])
        self._rotation = principal(features)

    def rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """And how far rounding moves a feature of each frame at most."""
        # What is longer than that has no bound here. It is compared with all: it moves without end,
        # and its place is taken by zeros, whose distances are finite.
        long = torch.linalg.vecdot(features, features) > LONGEST
        short = self._shortened(features)
        short.masked_fill_(long[..., None], 0)
        channels = short.shape[-1]
        width = -(-(channels + EXTRA) // 32) * 32
        wide = torch.zeros(*short.shape[:-1], width, dtype=torch.bfloat16, device=short.device)
        wide[..., :channels] = short
        back = wide[..., :channels].float()
        eta = torch.linalg.vector_norm(short - back, dim=-1)
        half = torch.linalg.vecdot(back, back) / 2
        # In two parts, as bfloat16 has 8 bits.
        first = channels
        wide[..., first] = -half
        wide[..., first + 1] = -half - wide[..., first].float()
        wide[..., first + 2 : first + 4] = 1
        wide[..., first + 4] = -ABOVE
        eta.masked_fill_(long, torch.inf)
        return wide, eta.amax((1, 2))

    def _shortened(self, features: Tensor) -> Tensor:
        """In float32."""
        return shortened(features, self._rotation, self._kept)

    def queries(self, rows: Tensor) -> Tensor:
        """With squared lengths where rows have ones."""
        first = self._kept + 1
        queries = rows.clone()
        queries[..., first : first + 2] = rows[..., first + 2 : first + 4]
        queries[..., first + 2 : first + 4] = rows[..., first : first + 2]
        queries[..., first + 4] = 1
        return queries

    def distances(self, rows: Tensor, queries: Tensor) -> Tensor:
        """Bits of minus half the squared distances, see `half_squared`."""
        return (rows @ queries.T).view(torch.int16)

    def limit(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """As in the head of this file."""
        half = (self.farthest(kth, target, sources).square() / 2 + ABOVE) * (1 + ROUNDING)
        bits = ((-half).view(torch.int32) >> 16) + 1
        return bits.clamp_max(-129).to(torch.int16)

    def points(self, rows: Tensor) -> Tensor:
        """As they are rounded."""
        return rows[..., : self._kept + 1]

    def farthest(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """As in the head of this file; no two are farther than 2."""
        moved = target + sources
        distance = (2 * (1 - kth)).clamp_min(0).sqrt() + moved
        return (distance.square() + 2 * SLACK).sqrt().clamp_max(FARTHEST)
