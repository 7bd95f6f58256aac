"""Sources that every cell of a target may look at, in blocks, of which most are passed.

Neighbours are alike. Of each block of points s a centre c is kept, and the radius r, the largest
|s - c|. A target q that wants what is no farther than l wants none of a block with |q - c| > l + r,
as by the triangle inequality |q - s| >= |q - c| - |s - c|. With a = (|q|^2 - l^2) / 2 and
b = (|c|^2 - r^2) / 2, it wants the block where

    (|q - c|^2 - (l + r)^2) / 2  =  a + b - q . c - l r  <=  0,

a product of a few channels more than points have, and a quarter of those with all sources. A block
is multiplied where any target of a tile wants it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import Bounds, worst
from pixelkin.ops.affinity.parts import Part
from pixelkin.ops.products import product

SIDE = 2  # of a block, in cells
SLACK = 2e-5  # of the terms above: rounding in float32, and of bfloat16 in two parts
UP = 1 + 2.0**-7  # more than rounding to bfloat16 takes away


def in_blocks(position: Tensor, side: int = SIDE) -> Tensor:
    """The numbers of an h x w grid block after block; those that fill none come last."""
    h, w = (length // side * side for length in position.shape)
    full = position[:h, :w].reshape(h // side, side, w // side, side).transpose(1, 2)
    return torch.cat([full.flatten(), position[:h, w:].flatten(), position[h:].flatten()])


@dataclass
class Blocks:
    """N sources in B blocks of F.

    Attributes:
        rows: F x B x D, of bounds.
        ids: F x B; the last block may lack some, -1.
    """

    rows: Tensor
    ids: Tensor

    @staticmethod
    def of(rows: Tensor, places: Tensor, ids: Tensor, size: int) -> Blocks:
        """From N x D rows, the N places in them, neighbours together, and what is there."""
        order = (
            torch.arange(-(-len(ids) // size) * size, device=ids.device)
            .view(-1, size)
            .T.contiguous()
        )
        known = order.clamp_max(len(ids) - 1)
        return Blocks(rows[places[known]], ids[known].masked_fill_(order > known, -1))

    def part(self, bounds: Bounds, queries: Tensor, chosen: Tensor | None = None) -> Part:
        """What n queries are compared with: all blocks, or those chosen, in ascending order."""
        rows, ids = self.rows, self.ids
        count = ids.shape[1] - 1  # the last may lack some
        if chosen is not None and len(chosen) < ids.shape[1]:
            count = len(chosen)
            chosen = torch.cat([chosen, chosen.new_zeros(_of_few(count) - count)])
            rows, ids = rows.index_select(1, chosen), ids.index_select(1, chosen)
            ids[:, count:] = -1
            count -= 1
        distances = bounds.distances(rows.flatten(0, 1), queries).view(1, *ids.shape, -1)
        absent = (ids[:, count:] < 0)[..., None]
        distances[0, :, count:].masked_fill_(absent, worst(distances.dtype))
        return Part(distances, ids[None])


def _of_few(count: int) -> int:
    """A number of few different ones, at most a quarter larger.

    oneDNN keeps a program for each size that it has multiplied, a thousand of them.
    """
    step = 1 << max(0, count.bit_length() - 3)
    return -(-count // step) * step


class Centres:
    """Says which blocks targets want.

    Args:
        points: F x B x d, in the precision in which products are to be.
    """

    def __init__(self, points: Tensor) -> None:
        fine = _fine(points)
        self._rows = fine.mean(0).to(points.dtype)
        centre = _fine(self._rows)
        radius = _up(torch.linalg.vector_norm(fine - centre, dim=-1).amax(0), points.dtype)
        self._rows = _with(-self._rows, centre, radius, -radius, first=False)

    def wanted(self, points: Tensor, farthest: Tensor) -> Tensor:
        """Blocks, ascending, that may hold something no farther than that from any target.

        Args:
            points: n x d.
            farthest: n, may be infinite.
        """
        farthest = _up(farthest, points.dtype)
        queries = _with(points, _fine(points), farthest, farthest, first=True)
        found = product(queries, self._rows)
        if found.dtype == torch.bfloat16:
            found = found.view(torch.int16)  # of the same sign
        return (~(found.amin(0) > 0)).nonzero()[:, 0]  # what is not a number is wanted


def _fine(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def _up(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Rounded to a precision, to no less than it is."""
    return (x * UP).to(dtype).to(x.dtype) if dtype == torch.bfloat16 else x


def _with(rows: Tensor, points: Tensor, reach: Tensor, last: Tensor, *, first: bool) -> Tensor:
    """Rows with the five further channels: a or b in two parts, two ones, and l or -r."""
    squared, beyond = torch.linalg.vecdot(points, points), reach.square()
    rest = (squared - beyond) / 2 - SLACK * (squared + beyond)
    head = rest.to(rows.dtype)
    tail = (rest - head).to(rows.dtype)
    ones = torch.ones_like(head)
    parts = [head, tail, ones, ones] if first else [ones, ones, head, tail]
    return torch.cat([rows, torch.stack([*parts, last.to(rows.dtype)], -1)], -1)
