"""Affinity between a target frame and its references: the k most similar sources of each cell.

Label propagation compares every cell of a target frame with cells of many reference frames, of
which only a disc around the target cell counts. The dense affinity of a 480p video has 865 million
entries a frame; here a tile's share of it exists at a time, and most of that is looked at once:

    target grid       T references        product of a tile, T x P x n      best of each column
    +--+--+--+--+     +-----------+            _______________                _______________
    |  |  |  |  |     | +-------+ |+        T /              /|  max over T  /______________/ n
    +--+--+--+--+     | | tile  | ||+        /______________/ |              P: cells of the box.
    |  |##|  |  |  x  | | + its | |||   ->   |              | |      ->      Those outside the disc
    +--+--+--+--+     | | discs | |||        |              | /              are cut out; the k best
                      | +-------+ |||        |______________|/ n             columns hold the k best
                      +-----------+||          P                             entries: search them.

Where the processor multiplies bfloat16 many times faster than float32 (AMX) and features have unit
length, the search is made with rounded features, and only the candidates that it finds are compared
in float32. The triangle inequality says whether they are enough: rounding moves a feature by at
most eta, and so changes a distance |q - s| by at most eta_q + eta_s; and of unit vectors the
closest are the most similar, q.s = 1 - |q - s|^2 / 2. Hence a source that was left out can be among
the k best only if its rounded distance exceeds the distance of the k-th candidate by less than
eta_q + eta_s. For target cells where that may be (0 to 4 % of them in the videos tried) the search
is repeated with more candidates, and if that does not settle it, in float32.

Pure tensor functions; they know nothing about labels, videos or protocols. `dense_topk` is the
brute-force form that the tests hold `windowed_topk` to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt

import torch
from torch import Tensor

from pixelkin.ops.cells import Cells
from pixelkin.ops.tiles import TILE, grown, outside_disc, tiles

BLOCK = 2**23  # entries of a tile's product, at most
FRAMES = 20  # with fewer, whole frames are folded
COLUMNS, CANDIDATES = 20, 24  # of the search with rounded features, at least
ROUNDING = 2.0**-8  # relative rounding error of bfloat16
# By how much q.s and 1 - |q - s|^2 / 2 of rounded features can differ besides: squared lengths in
# two parts each and lengths that are not quite 1; a float32 sum for every two channels.
SLACK, SLACK_OF_CHANNEL = 1.2e-5, 2.0**-25


@lru_cache(maxsize=64)
def _cut(
    tile: tuple[int, int], before: tuple[int, int], box: tuple[int, int], radius: float
) -> Tensor:
    """`outside_disc`, box first, of a tile that begins `before` cells into its box."""
    rows, columns = (slice(b, b + n) for b, n in zip(before, tile, strict=True))
    return outside_disc(rows, columns, slice(0, box[0]), slice(0, box[1]), radius).T.contiguous()


# Values and ids of sources, n x count, and for each of n targets a bound of what was left out.
Found = tuple[Tensor, Tensor, Tensor]


def _best(product: Tensor, cut: Tensor | None, count: int, columns: int) -> Found:
    """The `count` largest of T x P entries for each of n targets, among the best columns.

    Args:
        product: T x P x n.
        cut: P x n, True where a column does not count; None: all do.
        count: How many to keep.
        columns: How many columns to search; `count` of them hold the `count` largest entries.

    Returns:
        (values n x m, ids n x m as t * P + p, bounds n); m is at most `count`. Entries that do
        not count are -inf.
    """
    frames, cells, n = product.shape
    width = min(columns, cells)
    top = product.amax(0)
    if cut is not None:
        top = top.masked_fill_(cut, -torch.inf)
    top, chosen = top.T.contiguous().topk(width, dim=1, sorted=False)
    found = product.gather(1, chosen.T.expand(frames, -1, -1))
    found = found.masked_fill_((top == -torch.inf).T, -torch.inf).permute(2, 0, 1).reshape(n, -1)
    values, order = found.topk(min(count, found.shape[1]), dim=1, sorted=False)
    bound = top.amin(1) if width < cells else top.new_full((n,), -torch.inf)
    if values.shape[1] < found.shape[1]:
        bound = bound.maximum(values.amin(1))
    return values, order // width * cells + chosen.gather(1, order % width), bound


def _joined(parts: list[Found], count: int) -> Found:
    """The `count` best of several groups of sources."""
    values, ids = (torch.cat([p[i] for p in parts], dim=1) for i in (0, 1))
    bound = torch.stack([p[2] for p in parts]).amax(0)
    if values.shape[1] > count:
        values, order = values.topk(count, dim=1, sorted=False)
        ids = ids.gather(1, order)
        bound = bound.maximum(values.amin(1))
    return values, ids, bound


@dataclass
class _Sources:
    """Cells that the n cells of a tile are compared with.

    Attributes:
        slots: The T frames of `Cells` that they are in.
        box: Where they are in each, P cells.
        ids: T x P, reference * hw + cell.
        cut: P x n, which do not count for which cell of the tile; None: all count.
    """

    slots: list[int]
    box: tuple[slice, slice]
    ids: Tensor
    cut: Tensor | None = None

    def product(self, keys: Tensor, tile: Tensor, space: Tensor) -> Tensor:
        """Products of the keys S x h x w x C with a tile n x C, T x P x n, made in `space`."""
        frames, cells = self.ids.shape
        product = space[: frames * cells * len(tile)].view(frames * cells, -1)
        if frames == 1 and self.cut is None:
            block = keys[self.slots[0]]
        else:
            block = torch.stack([keys[slot][self.box] for slot in self.slots])
        torch.mm(block.view(frames * cells, -1), tile.T, out=product)
        if self.cut is not None or frames >= FRAMES:
            return product.view(frames, cells, -1)
        # The cells of a few whole frames fold into columns, too.
        split = next(d for d in range(FRAMES // frames, 0, -1) if cells % d == 0)
        return product.view(frames * split, cells // split, -1)

    def best(self, product: Tensor, count: int, columns: int) -> Found:
        """`_best` of a product, with the ids of the sources."""
        values, ids, bound = _best(product, self.cut, count, columns)
        return values, self.ids.view(-1)[ids], bound

    def of_rows(self, rows: Tensor) -> _Sources:
        """The same for some cells of the tile."""
        return self if self.cut is None else replace(self, cut=self.cut[:, rows])


def _certain(kth: Tensor, bound: Tensor, eta: Tensor, channels: int) -> Tensor:
    """For which of n targets the k most similar sources are among those that were kept.

    Args:
        kth: n, similarity of the k-th best of those that were kept.
        bound: n, minus half the squared distance, rounded, of the closest one left out.
        eta: n, how far rounding moves the target and a source together.
        channels: How many each product sums.
    """
    slack = SLACK + channels * SLACK_OF_CHANNEL
    farthest = (2 * (1 - kth.double())).clamp_min(0).sqrt()
    left_out = (2 * (-bound.double() * (1 - ROUNDING) - slack)).clamp_min(0).sqrt()
    return left_out - eta > farthest


class _Search:
    """The search for the k best sources of a target frame's cells, a tile at a time."""

    def __init__(
        self,
        target: Cells,
        keys: Cells,
        slots: list[int],
        near: list[int],
        radius: float | None,
        k: int,
        verify: bool,
    ) -> None:
        self.target, self.keys, self.slots, self.near = target, keys, slots, near
        self.radius, self.k, self.verify = radius, k, verify
        self.margin = max(int(-(-(radius or 0) // 1)) - 1, 0)
        _, h, w, _ = target.exact.shape
        self.position = torch.arange(h * w, device=target.exact.device).view(h, w)
        self.eta = target.eta[0] + keys.eta[slots].max()
        rounded = target.rounded is not None and keys.rounded is not None
        self.queries = target.queries[0] if rounded else None
        self.channels = 0 if self.queries is None else self.queries.shape[2]
        far = [t for t in range(len(slots)) if t not in near]
        self.far = self._sources(far, (slice(0, h), slice(0, w)))
        box = min(TILE + 2 * self.margin, h) * min(TILE + 2 * self.margin, w)
        sources = len(far) * h * w + len(near) * box
        self.side = max(1, min(TILE, isqrt(BLOCK // sources)))
        self._most = sources * self.side**2
        self._spaces: dict[torch.dtype, Tensor] = {}

    def _sources(self, references: list[int], box: tuple[slice, slice]) -> _Sources:
        first = torch.tensor(references, device=self.position.device) * self.position.numel()
        ids = first[:, None] + self.position[box].reshape(-1)
        return _Sources([self.slots[t] for t in references], box, ids)

    def _sources_of(self, rows: slice, columns: slice) -> list[_Sources]:
        """What a tile is compared with."""
        sources = [self.far] if self.far.slots else []
        if self.near:
            assert self.radius is not None
            h, w = self.position.shape
            box = grown(rows, self.margin, h), grown(columns, self.margin, w)
            cut = _cut(
                (rows.stop - rows.start, columns.stop - columns.start),
                (rows.start - box[0].start, columns.start - box[1].start),
                (box[0].stop - box[0].start, box[1].stop - box[1].start),
                self.radius,
            )
            cut = cut.to(self.position.device)
            sources.append(replace(self._sources(self.near, box), cut=cut))
        return sources

    def _products(self, keys: Tensor, tile: Tensor, sources: list[_Sources]) -> list[Tensor]:
        """The products of a tile with its sources, in memory that all tiles share."""
        if keys.dtype not in self._spaces:
            self._spaces[keys.dtype] = keys.new_empty(self._most)
        space = self._spaces[keys.dtype]
        products = []
        for source in sources:
            products.append(source.product(keys, tile, space))
            space = space[products[-1].numel() :]
        return products

    def _exact(self, tile: Tensor, sources: list[_Sources]) -> tuple[Tensor, Tensor]:
        """Values and ids, n x (at most k), of the k best sources of the tile's n x C features."""
        products = self._products(self.keys.exact, tile, sources)
        found = [s.best(x, self.k, self.k) for s, x in zip(sources, products, strict=True)]
        values, ids, _ = _joined(found, self.k)
        return values, ids

    def _rounded(
        self, tile: Tensor, queries: Tensor, eta: Tensor, sources: list[_Sources]
    ) -> tuple[Tensor, Tensor]:
        """The same by way of candidates, found with rounded features.

        Args:
            tile: n x C.
            queries: n x C', rows of `Cells.queries`.
            eta: n, how far rounding moves the target and a source together.
            sources: What the tile is compared with.
        """
        assert self.keys.rounded is not None
        products = self._products(self.keys.rounded, queries, sources)
        if not self.verify:
            found = [s.best(x, self.k, self.k) for s, x in zip(sources, products, strict=True)]
            values, ids, _ = _joined(found, self.k)
            return 1 + values.float(), ids
        values, ids, certain = self._compared(tile, eta, sources, products, 1)
        for wider in (4, None):
            rows = (~certain).nonzero()[:, 0]
            if not len(rows):
                break
            some = [s.of_rows(rows) for s in sources]
            if wider is None:
                values[rows], ids[rows] = self._exact(tile[rows], some)
            else:
                parts = [x.index_select(2, rows) for x in products]
                best = self._compared(tile[rows], eta[rows], some, parts, wider)
                values[rows], ids[rows], certain[rows] = best
        return values, ids

    def _compared(
        self,
        tile: Tensor,
        eta: Tensor,
        sources: list[_Sources],
        products: list[Tensor],
        wider: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The k best of `wider` times the usual number of candidates, and whether that is certain.

        Returns:
            (values n x k, ids n x k, n bool).
        """
        count, columns = (wider * max(c, self.k) for c in (CANDIDATES, COLUMNS))
        found = [s.best(x, count, columns) for s, x in zip(sources, products, strict=True)]
        distances, candidates, bound = _joined(found, count)
        cells = self.position.numel()
        first = torch.tensor(self.slots) * cells
        places = first[candidates // cells] + candidates % cells
        # index_select copies rows twice as fast as indexing does.
        rows = self.keys.exact.view(-1, tile.shape[1]).index_select(0, places.view(-1))
        values = torch.bmm(rows.view(*places.shape, -1), tile[:, :, None])[:, :, 0]
        values = values.masked_fill_(distances == -torch.inf, -torch.inf)
        values, order = values.topk(min(self.k, values.shape[1]), dim=1, sorted=False)
        certain = _certain(values.amin(1), bound, eta, self.channels)
        return values, candidates.gather(1, order), certain

    def run(self) -> tuple[Tensor, Tensor]:
        """What `windowed_topk` returns."""
        h, w = self.position.shape
        exact = self.target.exact[0]
        values = exact.new_full((h, w, self.k), -torch.inf)
        ids = torch.zeros(h, w, self.k, dtype=torch.long, device=exact.device)
        for rows, columns in tiles(h, w, self.side):
            tile = exact[rows, columns].flatten(0, 1)
            sources = self._sources_of(rows, columns)
            if self.queries is None:
                best = self._exact(tile, sources)
            else:
                queries = self.queries[rows, columns].flatten(0, 1)
                best = self._rounded(tile, queries, self.eta[rows, columns].flatten(), sources)
            top, order = best[0].sort(dim=1, descending=True)
            shape = (rows.stop - rows.start, columns.stop - columns.start, -1)
            values[rows, columns, : top.shape[1]] = top.view(shape)
            ids[rows, columns, : top.shape[1]] = best[1].gather(1, order).view(shape)
        return values.flatten(0, 1), ids.flatten(0, 1)


@torch.no_grad()
def windowed_topk(
    query: Tensor | Cells,
    keys: Tensor | Cells,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
    slots: Sequence[int] | None = None,
    *,
    verify: bool = True,
) -> tuple[Tensor, Tensor]:
    """The k most similar source cells of every target cell, over several reference frames.

    Args:
        query: C x h x w features of the target frame, or `Cells` of that one frame.
        keys: S x C x h x w features of the references, or their `Cells`.
        k: How many to keep; fewer are returned where there are fewer sources.
        radius: Sources of restricted references count at a Euclidean distance < radius cells.
            None: all count.
        restricted: One flag for each of the T references.
        slots: Which of the S frames each reference is; None: they are the references.
        verify: Whether what rounded features find is compared in float32. Without it, similarities
            are those of rounded features and sources close to the k-th may be missed.

    Returns:
        (values, ids): hw x k similarities (dot products), descending, and the sources as
        reference * hw + cell. Where fewer than k sources are allowed, values end in -inf.
    """
    target = query if isinstance(query, Cells) else Cells.of(query[None])
    keys = keys if isinstance(keys, Cells) else Cells.of(keys)
    slots = list(range(len(restricted))) if slots is None else list(slots)
    near = [t for t, flag in enumerate(restricted) if flag and radius is not None]
    k = min(k, len(slots) * target.exact.shape[1] * target.exact.shape[2])
    return _Search(target, keys, slots, near, radius, k, verify).run()


def dense_topk(
    query: Tensor,
    keys: Tensor,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
) -> tuple[Tensor, Tensor]:
    """`windowed_topk` by brute force: the whole affinity matrix, hw x T*hw, at once."""
    _, h, w = query.shape
    affinity = query.flatten(1).T @ keys.flatten(2).transpose(0, 1).flatten(1)
    if radius is not None:
        whole = slice(0, h), slice(0, w)
        cut = outside_disc(*whole, *whole, radius)
        flags = torch.tensor(list(restricted), dtype=torch.bool)
        bad = (cut[:, None, :] & flags[None, :, None]).flatten(1).to(query.device)
        affinity = affinity.masked_fill(bad, -torch.inf)
    values, ids = affinity.topk(min(k, affinity.shape[1]), dim=1)
    return values, ids
