"""What a tile of target cells is compared with, in columns: the closest, and what keeps a limit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import worst
from pixelkin.ops.largest import smallest


@dataclass
class Part:
    """Distances of A x F x B sources from n targets; a column is what differs in F alone.

    Attributes:
        entries: A x F x B x n.
        ids: A x F x B, of the sources.
        cut: AB x n, columns that do not count for a target; None: all count.
    """

    entries: Tensor
    ids: Tensor
    cut: Tensor | None = None

    def least(self) -> Tensor:
        """AB x n, the least of each column; `worst` where it does not count."""
        least = self.entries.amin(1).flatten(0, 1)
        if self.cut is not None:
            least.masked_fill_(self.cut, worst(least.dtype))
        return least

    def of(self, targets: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and places of sources, m x F, of m columns, each from one of the targets."""
        _, f, b, n = self.entries.shape
        places = columns + columns // b * (f * b - b)
        places = places[:, None] + torch.arange(0, f * b, b, device=places.device)
        # index_select copies faster than indexing does.
        at = torch.add(targets[:, None], places, alpha=n).view(-1)
        return self.entries.view(-1).index_select(0, at).view(places.shape), places

    def best(self, least: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Distances and ids, n x m, of the `count` best columns of each target."""
        n = least.shape[1]
        top, chosen = smallest(least, min(count, len(least)))
        targets = torch.arange(n, device=top.device).repeat_interleave(top.shape[1])
        distances, places = self.of(targets, chosen.view(-1))
        out = worst(top.dtype)
        distances = distances.masked_fill_((top == out).view(-1, 1), out)
        return distances.view(n, -1), self.ids.view(-1)[places].view(n, -1)

    def within(self, kept: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        """Targets, ascending, and ids of the entries of some columns that keep a limit.

        Args:
            kept: AB x n, which columns.
            limit: n, distances that are not exceeded.
        """
        targets, columns = kept.T.contiguous().nonzero().unbind(1)
        distances, places = self.of(targets, columns)
        here = (distances <= limit[targets, None]).view(-1).nonzero()[:, 0]
        return targets[here // places.shape[1]], self.ids.view(-1)[places.view(-1)[here]]
