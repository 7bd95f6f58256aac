"""The search by bounds: few products of few channels, and fewer exact ones.

1. The best entries of each target's best columns, of the references with a disc, are compared
   exactly. The k-th of these similarities, `kth`, is one that k sources reach.
2. Of the references without a disc, blocks that by `blocks.py` have nothing as similar are passed.
   Where much is left of the others, or `kth` is not known yet, their best are compared too.
3. Columns, and of them entries, whose bound is below `kth` are none of the k best. All others are
   compared exactly: that is the proof. On step 1 rests nothing but how many they are.
4. Where they are too many, as bounds are loose, a target is compared with all of its sources.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pixelkin.ops.affinity.blocks import SIDE, Centres
from pixelkin.ops.affinity.bounds import Loose, worst
from pixelkin.ops.affinity.cells import Cells
from pixelkin.ops.affinity.parts import Part
from pixelkin.ops.affinity.tiled import Search
from pixelkin.ops.products import product, products_of_pairs
from pixelkin.ops.tiles import grown

COLUMNS, ENTRIES = 12, 20  # looked at first; of them, compared, or twice k
FEWER = 8  # columns, where nothing is proved; compared are one and a half times k
CROWDED = 128  # columns that remain of a tile's targets, on average, at most


class Bounded(Search):
    """By bounds.

    Args:
        bounds: Of `target` and `keys`.
        thorough: As of `windowed_topk`.
    """

    fold = SIDE * SIDE

    def __init__(
        self,
        target: Cells,
        keys: Cells,
        slots: list[int],
        near: list[int],
        radius: float | None,
        k: int,
        bounds: Loose,
        *,
        thorough: bool,
    ) -> None:
        super().__init__(target, keys, slots, near, radius, k, bounds)
        self.loose, self.thorough = bounds, thorough
        self.columns = COLUMNS if thorough else FEWER
        self.entries = max(ENTRIES, 2 * k) if thorough else k + k // 2
        self.spread = target.spread[0], keys.spread[slots].max()
        self.first = torch.tensor(slots) * self.position.numel()
        self.points = bounds.points(target.rows[0])
        self.centres = None if self.far is None else Centres(bounds.points(self.far.rows))

    def best(
        self, near: Part | None, queries: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """See `Search.best`."""
        tile = self.target.exact[0, rows, columns].flatten(0, 1)
        parts: list[tuple[Part, Tensor]] = []
        seen: list[tuple[Tensor, Tensor]] = []
        if near is not None:
            parts.append((near, near.least()))
            seen.append(self._first(tile, *parts[0]))
        kth = self._kth(tile, seen)
        limit = self.loose.limit(kth, *self.spread)
        far = self._far_part(queries, kth, rows, columns)
        if far is not None:
            parts.append((far, far.least()))
            if int((parts[-1][1] <= limit).sum()) > self.columns * len(tile):
                seen.append(self._first(tile, *parts[-1]))
                limit = self.loose.limit(self._kth(tile, seen), *self.spread)
        if not self.thorough:
            if len(parts) > len(seen):
                least = parts[-1][1]
                seen.append(self._gathered(tile, [parts[-1][0].within(least <= limit, limit)]))
        else:
            kept = [least <= limit for _, least in parts]
            remain = torch.stack([x.sum(0) for x in kept]).sum(0)
            crowded = (remain > CROWDED) & (remain.sum() > CROWDED * len(tile))
            some = bool(crowded.any())
            if some:
                kept = [x & ~crowded for x in kept]
            left = [part.within(x, limit) for (part, _), x in zip(parts, kept, strict=True)]
            if some:
                left.append(self._all(tile, crowded.nonzero()[:, 0], rows, columns))
            seen = [self._gathered(tile, left)]
        values, ids = (torch.cat(x, 1) for x in zip(*seen, strict=True))
        values, order = values.topk(min(self.k, values.shape[1]), dim=1)
        return values, ids.gather(1, order)

    def _far_part(self, queries: Tensor, kth: Tensor, rows: slice, columns: slice) -> Part | None:
        """What a tile wants of the references without a disc, if anything."""
        if self.far is None or self.centres is None:
            return None
        points = self.points[rows, columns].flatten(0, 1)
        chosen = self.centres.wanted(points, self.loose.farthest(kth, *self.spread))
        return self.far.part(self.bounds, queries, chosen) if len(chosen) else None

    def _first(self, tile: Tensor, part: Part, least: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities and ids, n x m, of what is compared first; -inf where there is nothing."""
        n, columns = len(tile), -(-self.entries // part.entries.shape[1])
        distances, ids = part.best(least, max(self.columns, columns))
        wanted = min(self.entries, distances.shape[1])
        distances, order = distances.topk(wanted, dim=1, largest=False, sorted=False)
        absent = distances == worst(distances.dtype)
        ids = ids.gather(1, order).masked_fill_(absent, 0)
        values = self._compared(tile, ids.new_full((n,), wanted), ids.view(-1)).view(n, -1)
        return values.masked_fill_(absent, -torch.inf), ids

    def _kth(self, tile: Tensor, seen: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Of each target, a similarity that k sources reach; -inf if so many are not known."""
        values = torch.cat([tile.new_empty(len(tile), 0), *(x for x, _ in seen)], 1)
        if values.shape[1] < self.k:
            return values.new_full((len(tile),), -torch.inf)
        return values.topk(self.k, dim=1).values[:, -1]

    def _gathered(self, tile: Tensor, left: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Similarities and ids, n x m, of targets and ids as of `Part.within`; -inf where none."""
        n = len(tile)
        counts = torch.stack([targets.bincount(minlength=n) for targets, _ in left])
        most = int(counts.sum(0).max())
        values, ids = tile.new_full((n, most), -torch.inf), self.position.new_zeros(n, most)
        before = counts.cumsum(0) - counts
        begin = before - (counts.cumsum(1) - counts)
        for (targets, found), count, first in zip(left, counts, begin, strict=True):
            place = torch.arange(len(targets)) + first[targets]
            values[targets, place] = self._compared(tile, count, found)
            ids[targets, place] = found
        return values, ids

    def _compared(self, tile: Tensor, counts: Tensor, ids: Tensor) -> Tensor:
        """Similarities of sources, `counts` for each cell of the tile, one after the other."""
        cells = self.position.numel()
        places = self.first[ids // cells] + ids % cells
        exact = self.keys.exact.view(-1, tile.shape[1])
        return products_of_pairs(tile, exact, counts, places)

    def _all(
        self, tile: Tensor, targets: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """As `Part.within`, the k best sources of some targets, all of them compared."""
        h, w = self.position.shape
        values, ids = [], []
        for t, slot in enumerate(self.slots):
            near = t in self.near
            above = grown(rows, self.margin, h) if near else slice(0, h)
            beside = grown(columns, self.margin, w) if near else slice(0, w)
            found = product(tile[targets], self.keys.exact[slot, above, beside].flatten(0, 1))
            if near:
                found.masked_fill_(self._outside(rows, columns).T[targets], -torch.inf)
            value, order = found.topk(min(self.k, found.shape[1]), dim=1, sorted=False)
            ids.append(t * h * w + self.position[above, beside].flatten()[order])
            values.append(value)
        found = torch.cat(values, 1)
        found, order = found.topk(min(self.k, found.shape[1]), dim=1)
        real = ~found.isinf()
        targets = targets[:, None].expand_as(real)
        return targets[real], torch.cat(ids, 1).gather(1, order)[real]
