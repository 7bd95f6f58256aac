"""Target cells a tile at a time, and what each tile is compared with.

Label propagation compares every cell of a target frame with cells of many reference frames, of
which only a disc around the target cell counts. The dense affinity of a 480p video has 865 million
entries a frame; here a tile's share of it exists at a time, and most of that is looked at once:

    target grid       T references        distances of a tile, T x P x n   closest of each column
    +--+--+--+--+     +-----------+            _______________                _______________
    |  |  |  |  |     | +-------+ |+        T /              /|  min over T  /______________/ n
    +--+--+--+--+     | | tile  | ||+        /______________/ |              P: cells of the box.
    |  |##|  |  |  x  | | + its | |||   ->   |              | |      ->      Those outside the disc
    +--+--+--+--+     | | discs | |||        |              | /              are cut out
                      | +-------+ |||        |______________|/ n
                      +-----------+||          P

What is sought in it: `bounded.py` says for bounds. Where distances are of all channels, as on a
GPU, the k best of the k best columns are the result: k entries, the closest of these columns, are
no worse than any other column's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from math import ceil, isqrt

import torch
from torch import Tensor

from pixelkin.ops.affinity.blocks import Blocks, in_blocks
from pixelkin.ops.affinity.bounds import Bounds
from pixelkin.ops.affinity.cells import Cells
from pixelkin.ops.affinity.parts import Part
from pixelkin.ops.host import at_hand
from pixelkin.ops.tiles import grown, outside_disc, side_for, spans

BLOCK, FAR_BLOCK = 2**23, 2**26  # entries of a tile's distances, at most; on a device
FRAMES = 20  # entries of a column without a disc, where all are looked at


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


class Search(ABC):
    """The search for the k best sources of a target frame's cells."""

    fold: int
    """Entries of a column without a disc."""

    def __init__(
        self,
        target: Cells,
        keys: Cells,
        slots: list[int],
        near: list[int],
        radius: float | None,
        k: int,
        bounds: Bounds,
    ) -> None:
        self.target, self.keys, self.slots, self.near = target, keys, slots, near
        self.bounds, self.radius, self.k = bounds, radius, k
        _, h, w, _ = target.exact.shape
        self.margin = max(ceil(min(radius or 0, h + w)) - 1, 0)
        self.position = torch.arange(h * w, device=target.exact.device).view(h, w)
        self.first_near = torch.tensor(near, device=self.position.device)[:, None] * (h * w)
        far = [t for t in range(len(slots)) if t not in near]
        self.far = self._blocks(far) if far else None
        side = side_for(target.exact)
        box = min(side + 2 * self.margin, h) * min(side + 2 * self.margin, w)
        sources = len(far) * h * w + len(near) * box
        block = BLOCK if at_hand(target.exact) else FAR_BLOCK
        self.side = max(1, min(side, isqrt(block // sources)))

    @abstractmethod
    def best(
        self, near: Part | None, queries: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """Similarities and ids of a tile of n cells, n x (at most k), descending.

        Args:
            near: What it is compared with of the references that have a disc.
            queries: Its own, for the others.
            rows: Where it is.
            columns: Where it is.
        """

    def run(self) -> tuple[Tensor, Tensor]:
        """What `windowed_topk` returns."""
        h, w = self.position.shape
        exact = self.target.exact[0]
        values = exact.new_full((h, w, self.k), -torch.inf)
        ids = torch.zeros(h, w, self.k, dtype=torch.long, device=exact.device)
        queries = self.bounds.queries(self.target.rows[0])
        for columns in spans(w, self.side):
            beside = grown(columns, self.margin, w)
            # Boxes of tiles that stand one above the other overlap: they are parts of one copy.
            near = [self.keys.rows[self.slots[t], :, beside] for t in self.near]
            strip = torch.stack(near, dim=1) if near else None
            for rows in spans(h, self.side):
                own, part = queries[rows, columns].flatten(0, 1), None
                if strip is not None:
                    part = self._near_part(strip, beside, rows, columns, own)
                top, found = self.best(part, own, rows, columns)
                shape = (rows.stop - rows.start, columns.stop - columns.start, -1)
                values[rows, columns, : top.shape[1]] = top.view(shape)
                ids[rows, columns, : top.shape[1]] = found.view(shape)
        return values.flatten(0, 1), ids.flatten(0, 1)

    def _blocks(self, far: list[int]) -> Blocks:
        """The references without a disc."""
        rows = torch.cat([self.keys.rows[self.slots[t]].flatten(0, 1) for t in far])
        cells, own = self.position.numel(), in_blocks(self.position)
        places = torch.cat([i * cells + own for i in range(len(far))])
        ids = torch.cat([t * cells + own for t in far])
        return Blocks.of(rows, places, ids, self.fold)

    def _near_part(
        self, strip: Tensor, beside: slice, rows: slice, columns: slice, queries: Tensor
    ) -> Part:
        """The others, of which a strip has the columns beside a tile, and its n queries."""
        above = grown(rows, self.margin, len(self.position))
        distances = self.bounds.distances(strip[above].flatten(0, 2), queries)
        ids = self.first_near + self.position[above, None, beside]
        return Part(distances.view(*ids.shape, -1), ids, self._outside(rows, columns))

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


class Closest(Search):
    """With similarities as distances: what is closest needs no second look."""

    fold = FRAMES

    def best(
        self,
        near: Part | None,
        queries: Tensor,
        rows: slice,  # noqa: ARG002
        columns: slice,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """See `Search.best`."""
        far = None if self.far is None else self.far.part(self.bounds, queries)
        found = [part.best(part.least(), self.k) for part in (far, near) if part is not None]
        distances, ids = (torch.cat(x, 1) for x in zip(*found, strict=True))
        count = min(self.k, distances.shape[1])
        distances, order = distances.topk(count, dim=1, largest=False)
        return -distances, ids.gather(1, order).clamp_min(0)
