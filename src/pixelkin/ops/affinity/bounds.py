"""Upper bounds of similarities that are dot products themselves, of far fewer channels.

All features of a video are rotated by one orthonormal basis, the principal axes of one frame, so
that most of their length comes to lie in the first d channels. These are kept, and of the others
|a_r|, their length, as one channel more. Rotation changes no dot product, so by Cauchy-Schwarz

    a . b  =  a_d . b_d + a_r . b_r  <=  a_d . b_d + |a_r| |b_r|.

The right side is a product of d + 1 channels. Whoever knows k sources that are at least as similar
as `kth` need look only at those whose bound is not below it: no other can be among the k best.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from pixelkin.ops.products import product

KEPT = 55  # d
ROWS = 2**12  # that are shortened at once
SLACK = 2e-5  # by how much rounding in float32 may change a product of unit vectors


class Loose(Protocol):
    """How features are searched. A distance is what ascends as the upper bound falls."""

    def rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """S x h x w x C features as S x h x w x D rows, and for each frame what `limit` asks."""

    def queries(self, rows: Tensor) -> Tensor:
        """Rows of a target, for `distances`."""

    def distances(self, rows: Tensor, queries: Tensor) -> Tensor:
        """m x n, between m x D rows and n x D queries."""

    def limit(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """Distances that sources of at least the similarities `kth` do not exceed.

        Args:
            kth: Of any shape; may be -inf. The result is below what a source has that is left out.
            target: Of its frame, as `rows` gives it.
            sources: The largest of their frames.
        """

    def points(self, rows: Tensor) -> Tensor:
        """... x d, no two of them farther from each other than the features of these rows."""

    def farthest(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """How far points of sources of at least the similarities `kth` are at most; see `limit`."""


def worst(dtype: torch.dtype) -> float:
    """The distance of what is left out: infinity, or what is that in `rounded.py`."""
    return torch.inf if dtype.is_floating_point else -128


def principal(features: Tensor) -> Tensor:
    """C x C, in whose columns lie the principal axes of ... x C features, the longest first."""
    flat = features.reshape(-1, features.shape[-1]).double()
    axes: Tensor = torch.linalg.eigh(flat.T @ flat).eigenvectors
    return axes.flip(1).to(features.dtype).T.contiguous().T  # columns are read one by one


def shortened(features: Tensor, rotation: Tensor, kept: int) -> Tensor:
    """... x C features as ... x (kept + 1): the first rotated channels, the length of the rest."""

    def shorten(part: Tensor) -> Tensor:
        rotated = product(part, rotation.T)
        rest = torch.linalg.vector_norm(rotated[:, kept:], dim=1, keepdim=True)
        return torch.cat([rotated[:, :kept], rest], dim=1)

    return by_rows(shorten, features)


def by_rows(shorten: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """... x C features, a few rows at a time, so that what is made on the way takes little room."""
    rows = torch.split(features.reshape(-1, features.shape[-1]), ROWS)
    return torch.cat([shorten(part) for part in rows]).view(*features.shape[:-1], -1)


class Exact:
    """All channels: a distance is a similarity, negated, so that no second look is needed.

    For where a product costs less than leaving one out.
    """

    def rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The features; nothing is asked of them."""
        return features, features.new_zeros(len(features))

    def queries(self, rows: Tensor) -> Tensor:
        """Negated."""
        return -rows

    def distances(self, rows: Tensor, queries: Tensor) -> Tensor:
        """Minus the similarity."""
        return product(rows, queries)


class Short:
    """Bounds in the precision of the features.

    Args:
        features: ... x C, whose principal axes are the basis; any will do.
        kept: d; with C or fewer channels, they are compared as they are.
    """

    def __init__(self, features: Tensor, kept: int = KEPT) -> None:
        self._kept = kept
        self._rotation = principal(features) if features.shape[-1] > kept + 1 else None

    def rows(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """And the largest length of each frame."""
        longest = torch.linalg.vector_norm(features, dim=-1).amax((1, 2))
        if self._rotation is None:
            return features, longest
        return shortened(features, self._rotation, self._kept), longest

    def queries(self, rows: Tensor) -> Tensor:
        """Negated."""
        return -rows

    def distances(self, rows: Tensor, queries: Tensor) -> Tensor:
        """Minus the bound."""
        return product(rows, queries)

    def limit(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """Minus the similarity, but for rounding."""
        limit = SLACK * target * sources - kth
        return limit.clamp_max(torch.finfo(kth.dtype).max)

    def points(self, rows: Tensor) -> Tensor:
        """The rows."""
        return rows

    def farthest(self, kth: Tensor, target: Tensor, sources: Tensor) -> Tensor:
        """By |a - b|^2 = |a|^2 + |b|^2 - 2 a . b, of the longest there are."""
        longest = (target.square() + sources.square()) * (1 + SLACK)
        return (longest - 2 * kth).clamp_min(0).sqrt()


Bounds = Exact | Loose
