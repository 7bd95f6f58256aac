"""The search for the k most similar sources of each cell, a tile of target cells at a time.

Label propagation compares every cell of a target frame with cells of many reference frames, of
which only a disc around the target cell counts. The dense affinity of a 480p video has 865 million
entries a frame; here a tile's share of it exists at a time, of products so short (see bounds.py)
that they take a fraction of the time, and most of that is looked at once:

    target grid       T references        distances of a tile, T x P x n   closest of each column
    +--+--+--+--+     +-----------+            _______________                _______________
    |  |  |  |  |     | +-------+ |+        T /              /|  min over T  /______________/ n
    +--+--+--+--+     | | tile  | ||+        /______________/ |              P: cells of the box.
    |  |##|  |  |  x  | | + its | |||   ->   |              | |      ->      Those outside the disc
    +--+--+--+--+     | | discs | |||        |              | /              are cut out
                      | +-------+ |||        |______________|/ n
                      +-----------+||          P

1. The best entries of each target's best columns are compared exactly. The k-th of these
   similarities, `kth`, is one that k sources reach.
2. Columns, and of them entries, whose bound is below `kth` are none of the k best. All others are
   compared exactly: that is the proof. On step 1 rests nothing but how many they are.
3. Where they are too many, as bounds are loose, a target is compared with all of its sources.

On a GPU distances are of all channels, tiles larger, and the k best of the k best columns of each
part are the result: k entries, the closest of these columns, are no worse than any other column's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, isqrt

import torch
from torch import Tensor

from pixelkin.ops.affinity.bounds import nothing, worst
from pixelkin.ops.affinity.cells import Cells, bounds_for
from pixelkin.ops.affinity.parts import Part
from pixelkin.ops.host import at_hand
from pixelkin.ops.products import product, products_of_pairs
from pixelkin.ops.tiles import grown, outside_disc, side_for, spans

BLOCK, FAR_BLOCK = 2**23, 2**26  # entries of a tile's distances, at most; on a device
FRAMES = 20  # entries of a column, where all references are searched as a whole
COLUMNS, FEWEST, ENTRIES = 16, 8, 20  # looked at first, at least: in all, of a part, exactly
CROWDED = 256  # columns that remain of a target, at most


@lru_cache(maxsize=64)
def _cut(
    tile: tuple[int, int],
    before: tuple[int, int],
    box: tuple[int, int],
    radius: float,
    device: torch.device,
) -> Tensor:
    """`outside_disc`, box first, of a tile that begins `before` cells into its box."""
    rows, columns = (slice(b, b + n) for b, n in zip(before, tile, strict=True))
    cut = outside_disc(rows, columns, slice(0, box[0]), slice(0, box[1]), radius, device)
    return cut.T.contiguous()


class _Search:
    """The search for the k best sources of a target frame's cells."""

    def __init__(
        self,
        target: Cells,
        keys: Cells,
        slots: list[int],
        near: list[int],
        radius: float | None,
        k: int,
        thorough: bool,
    ) -> None:
        assert keys.bounds is not None
        self.target, self.keys, self.slots, self.near = target, keys, slots, near
        self.far = [t for t in range(len(slots)) if t not in near]
        self.bounds, self.radius, self.k, self.thorough = keys.bounds, radius, k, thorough
        _, h, w, _ = target.exact.shape
        self.margin = max(ceil(min(radius or 0, h + w)) - 1, 0)
        self.spread = keys.spread[slots].max()
        self.position = torch.arange(h * w, device=target.exact.device).view(h, w)
        self.first = torch.tensor(slots, device=self.position.device) * (h * w)
        self.first_near = torch.tensor(near, device=self.position.device)[:, None] * (h * w)
        side = side_for(target.exact)
        box = min(side + 2 * self.margin, h) * min(side + 2 * self.margin, w)
        sources = len(self.far) * h * w + len(near) * box
        block = BLOCK if at_hand(target.exact) else FAR_BLOCK
        self.side = max(1, min(side, isqrt(block // sources)))
        self.fold = len(near) or min(FRAMES, sources)

    def _whole(self) -> tuple[Tensor, Tensor]:
        """Rows and ids 1 x F x B of the references without a disc; the last may be none, -1."""
        rows = torch.cat([self.keys.rows[self.slots[t]].flatten(0, 1) for t in self.far])
        ids = torch.cat([t * self.position.numel() + self.position.view(-1) for t in self.far])
        lacking = -len(ids) % self.fold
        rows = torch.cat([rows, rows.new_zeros(lacking, rows.shape[1])])
        ids = torch.cat([ids, ids.new_full((lacking,), -1)])
        return rows, ids.view(1, self.fold, -1)

    def _far_part(self, whole: tuple[Tensor, Tensor], queries: Tensor) -> Part:
        """References without a disc, and the n queries of a tile."""
        rows, ids = whole
        distances = self.bounds.distances(rows, queries)
        distances[len(self.far) * self.position.numel() :] = worst(distances.dtype)
        share = len(self.far) / len(self.slots)
        return Part(distances.view(*ids.shape, -1), ids, share)

    def _near_part(
        self, strip: Tensor, beside: slice, rows: slice, columns: slice, queries: Tensor
    ) -> Part:
        """The others, of which a strip has the columns beside a tile, and its n queries."""
        above = grown(rows, self.margin, len(self.position))
        distances = self.bounds.distances(strip[above].flatten(0, 2), queries)
        ids = self.first_near + self.position[above, None, beside]
        share = len(self.near) / len(self.slots)
        cut = self._outside(rows, columns)
        return Part(distances.view(*ids.shape, -1), ids, share, cut)

    def _compared(self, tile: Tensor, counts: Tensor, ids: Tensor) -> Tensor:
        """Similarities of sources, `counts` for each cell of the tile, one after the other."""
        cells = self.position.numel()
        places = self.first[ids // cells] + ids % cells
        exact = self.keys.exact.view(-1, tile.shape[1])
        return products_of_pairs(tile, exact, counts, places)

    def _first(self, tile: Tensor, parts: list[Part], least: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Similarities and ids, n x m, of what is compared first; -inf where there is nothing.

        Args:
            tile: n x C, exact.
            parts: With their distances.
            least: Of each part.
        """
        n, wanted = len(tile), max(ENTRIES, 2 * self.k)
        counts = [max(FEWEST, round(COLUMNS * p.share), -(-wanted // self.fold)) for p in parts]
        found = [p.best(x, c) for p, x, c in zip(parts, least, counts, strict=True)]
        distances, ids = (torch.cat(x, 1) for x in zip(*found, strict=True))
        wanted = min(wanted, distances.shape[1])
        distances, order = distances.topk(wanted, dim=1, largest=False, sorted=False)
        absent = distances == worst(distances.dtype)
        ids = ids.gather(1, order).masked_fill_(absent, 0)
        values = self._compared(tile, ids.new_full((n,), wanted), ids.view(-1)).view(n, -1)
        return values.masked_fill_(absent, -torch.inf), ids

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

    def _outside(self, rows: slice, columns: slice) -> Tensor:
        """Which cells of a tile's box lie outside the disc of which of its cells, box first."""
        assert self.radius is not None
        above, beside = (
            grown(s, self.margin, size)
            for s, size in zip((rows, columns), self.position.shape, strict=True)
        )
        return _cut(
            (rows.stop - rows.start, columns.stop - columns.start),
            (rows.start - above.start, columns.start - beside.start),
            (above.stop - above.start, beside.stop - beside.start),
            self.radius,
            self.position.device,
        )

    def _best(
        self, parts: list[Part], tile: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """Similarities and ids, n x (at most k), descending."""
        n, least = len(tile), [part.least() for part in parts]
        values, ids = self._first(tile, parts, least)
        if self.thorough:
            kth = values.new_full((n,), -torch.inf)
            if values.shape[1] >= self.k:
                kth = values.topk(self.k, dim=1).values[:, -1]
            limit = self.bounds.limit(kth, self.target.spread[0], self.spread)[:, None]
            columns_left = torch.stack([(x <= limit).sum(1) for x in least]).sum(0)
            crowded = columns_left > CROWDED
            limit.masked_fill_(crowded[:, None], nothing(limit.dtype))
            left = [p.within(x, limit) for p, x in zip(parts, least, strict=True)]
            if crowded.any():
                left.append(self._all(tile, crowded.nonzero()[:, 0], rows, columns))
            counts = torch.stack([targets.bincount(minlength=n) for targets, _ in left])
            most = int(counts.sum(0).max())
            values, ids = values.new_full((n, most), -torch.inf), ids.new_zeros(n, most)
            before = counts.cumsum(0) - counts
            begin = before - (counts.cumsum(1) - counts)
            for (targets, found), count, first in zip(left, counts, begin, strict=True):
                place = torch.arange(len(targets), device=tile.device) + first[targets]
                values[targets, place] = self._compared(tile, count, found)
                ids[targets, place] = found
        values, order = values.topk(min(self.k, values.shape[1]), dim=1)
        return values, ids.gather(1, order)

    def run(self) -> tuple[Tensor, Tensor]:
        """What `windowed_topk` returns."""
        h, w = self.position.shape
        exact = self.target.exact[0]
        values = exact.new_full((h, w, self.k), -torch.inf)
        ids = torch.zeros(h, w, self.k, dtype=torch.long, device=exact.device)
        queries = self.bounds.queries(self.target.rows[0])
        whole = self._whole() if self.far else None
        for columns in spans(w, self.side):
            beside = grown(columns, self.margin, w)
            # Boxes of tiles that stand one above the other overlap: they are parts of one copy.
            near = [self.keys.rows[self.slots[t], :, beside] for t in self.near]
            strip = torch.stack(near, dim=1) if near else None
            for rows in spans(h, self.side):
                tile, short = (x[rows, columns].flatten(0, 1) for x in (exact, queries))
                parts = []
                if whole is not None:
                    parts.append(self._far_part(whole, short))
                if strip is not None:
                    parts.append(self._near_part(strip, beside, rows, columns, short))
                top, found = self._best(parts, tile, rows, columns)
                shape = (rows.stop - rows.start, columns.stop - columns.start, -1)
                values[rows, columns, : top.shape[1]] = top.view(shape)
                ids[rows, columns, : top.shape[1]] = found.view(shape)
        return values.flatten(0, 1), ids.flatten(0, 1)


class _Exact(_Search):
    """The same with similarities as distances: what is closest needs no second look."""

    def _best(
        self,
        parts: list[Part],
        tile: Tensor,  # noqa: ARG002
        rows: slice,  # noqa: ARG002
        columns: slice,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        found = [part.best(part.least(), self.k) for part in parts]
        distances, ids = (torch.cat(x, 1) for x in zip(*found, strict=True))
        count = min(self.k, distances.shape[1])
        distances, order = distances.topk(count, dim=1, largest=False)
        return -distances, ids.gather(1, order).clamp_min(0)


@torch.no_grad()
def windowed_topk(
    query: Tensor | Cells,
    keys: Tensor | Cells,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
    slots: Sequence[int] | None = None,
    *,
    thorough: bool = True,
) -> tuple[Tensor, Tensor]:
    """The k most similar source cells of every target cell, over several reference frames.

    Args:
        query: C x h x w features of the target frame, or `Cells` of that one frame, with the bounds
            of the keys.
        keys: S x C x h x w features of the references, or their `Cells`.
        k: How many to keep; fewer are returned where there are fewer sources.
        radius: Sources of restricted references count at a Euclidean distance < radius cells.
            None: all count.
        restricted: One flag for each of the T references.
        slots: Which of the S frames each reference is; None: they are the references.
        thorough: Whether none is missed. Without it, the k best of what has the best bounds are
            taken; some that are nearly as good as the k-th may be missed.

    Returns:
        (values, ids): hw x k similarities (dot products), descending, and the sources as
        reference * hw + cell. Where fewer than k sources are allowed, values end in -inf.

    Raises:
        ValueError: If there is nothing to compare, or features are not finite.
    """
    if isinstance(keys, Tensor):
        keys = Cells.of(keys, bounds_for(keys))
    target = query if isinstance(query, Cells) else Cells.of(query[None], keys.bounds)
    slots = list(range(len(restricted))) if slots is None else list(slots)
    near = [t for t, flag in enumerate(restricted) if flag and radius is not None]
    if not slots or k < 1:
        raise ValueError(f"{k = } must be at least 1, and so must the {len(slots)} references")
    if keys.bounds is None or target.bounds is not keys.bounds:
        raise ValueError("target and sources must have the same bounds")
    k = min(k, len(slots) * target.exact.shape[1] * target.exact.shape[2])
    search = _Exact if keys.bounds.exact else _Search
    return search(target, keys, slots, near, radius, k, thorough).run()
