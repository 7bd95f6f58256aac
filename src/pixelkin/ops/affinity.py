"""Affinity between a target frame and its references: the k most similar sources of each cell.

Label propagation compares every cell of a target frame with cells of many reference frames, of
which only a disc around the target cell counts. The dense affinity of a 480p video has 865 million
entries a frame; here a tile's share of it exists at a time, and most of that is looked at once:

    target grid       T references        product of a tile, T x P x n     closest of each column
    +--+--+--+--+     +-----------+            _______________                _______________
    |  |  |  |  |     | +-------+ |+        T /              /|  min over T  /______________/ n
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
is repeated with more candidates of the same products, and if that does not settle it, in float32.
What is found is what float32 finds, up to its own rounding.

Pure tensor functions; they know nothing about labels, videos or protocols. `dense_topk` is the
brute-force form that the tests hold `windowed_topk` to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isqrt

import torch
from torch import Tensor

from pixelkin.ops.cells import ABOVE, Cells, half_squared
from pixelkin.ops.sources import Product, Sources, Strip, joined, worst
from pixelkin.ops.tiles import TILE, grown, outside_disc, spans

BLOCK = 2**23  # entries of a tile's product, at most
FRAMES = 20  # with fewer, whole frames are folded
COLUMNS, CANDIDATES = 20, 24  # of the search with rounded features, at least
WIDER = 4  # times as many where they are not enough
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


def _certain(kth: Tensor, bound: Tensor, eta: Tensor, channels: int) -> Tensor:
    """For which of n targets the k most similar sources are among those that were kept.

    Args:
        kth: n, similarity of the k-th best of those that were kept.
        bound: n, half the squared distance, rounded, of the closest one left out; inf if none was.
        eta: n, how far rounding moves the target and a source together.
        channels: How many each product sums.
    """
    slack = SLACK + channels * SLACK_OF_CHANNEL + ABOVE * ROUNDING
    farthest = (2 * (1 - kth.double())).clamp_min(0).sqrt()
    left_out = (2 * (bound.double() * (1 - ROUNDING) - slack)).clamp_min(0).sqrt()
    return (left_out - eta > farthest) | bound.isinf()


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
        wider: int,
    ) -> None:
        self.target, self.keys, self.slots, self.near = target, keys, slots, near
        self.far = [t for t in range(len(slots)) if t not in near]
        self.radius, self.k, self.verify, self.wider = radius, k, verify, wider
        self.margin = max(int(-(-(radius or 0) // 1)) - 1, 0)
        _, h, w, _ = target.exact.shape
        self.position = torch.arange(h * w, device=target.exact.device).view(h, w)
        self.eta = target.eta[0] + keys.eta[slots].max()
        rounded = target.rounded is not None and keys.rounded is not None
        self.queries = target.queries[0] if rounded else None
        self.channels = 0 if self.queries is None else self.queries.shape[2]
        box = min(TILE + 2 * self.margin, h) * min(TILE + 2 * self.margin, w)
        sources = len(self.far) * h * w + len(near) * box
        self.side = max(1, min(TILE, isqrt(BLOCK // sources)))
        self._most = sources * self.side**2
        self._products_in: dict[torch.dtype, Tensor] = {}  # memory that all tiles share
        self._strips_in: dict[torch.dtype, Tensor] = {}

    def _strip(
        self, references: list[int], columns: slice, spaces: dict[torch.dtype, Tensor]
    ) -> Strip:
        first = torch.tensor(references, device=self.position.device) * self.position.numel()
        ids = first[:, None] + self.position[:, None, columns]
        slots = [self.slots[t] for t in references]
        return Strip(self.keys, slots, ids, columns, spaces)

    def _whole(self) -> Sources:
        """All cells of the references without a disc."""
        h, w = self.position.shape
        most = max(1, FRAMES // len(self.far))
        fold = next(rows for rows in range(most, 0, -1) if h % rows == 0)
        return Sources(self._strip(self.far, slice(0, w), {}), slice(0, h), fold)

    def _near(self, strip: Strip, beside: slice, rows: slice, columns: slice) -> Sources:
        """The cells of a strip, in columns `beside`, in the discs around a tile's cells."""
        above = grown(rows, self.margin, len(self.position))
        assert self.radius is not None
        cut = _cut(
            (rows.stop - rows.start, columns.stop - columns.start),
            (rows.start - above.start, columns.start - beside.start),
            (above.stop - above.start, beside.stop - beside.start),
            self.radius,
        )
        return Sources(strip, above, cut=cut.to(self.position.device))

    def _products(self, tile: Tensor, sources: list[Sources], *, rounded: bool) -> list[Product]:
        """The products of a tile with its sources."""
        if tile.dtype not in self._products_in:
            self._products_in[tile.dtype] = tile.new_empty(self._most)
        space = self._products_in[tile.dtype]
        products = []
        for source in sources:
            products.append(source.product(tile, space, rounded=rounded))
            space = space[products[-1].entries.numel() :]
        return products

    def _exact(self, tile: Tensor, sources: list[Sources]) -> tuple[Tensor, Tensor]:
        """Values and ids, n x (at most k), of the k best sources of the tile's n x C features."""
        products = self._products(-tile, sources, rounded=False)
        distances, ids, _ = joined([p.best(self.k, self.k) for p in products], self.k)
        return -distances, ids

    def _rounded(
        self, tile: Tensor, queries: Tensor, eta: Tensor, sources: list[Sources]
    ) -> tuple[Tensor, Tensor]:
        """The same by way of candidates, found with rounded features.

        Args:
            tile: n x C.
            queries: n x C', rows of `Cells.queries`.
            eta: n, how far rounding moves the target and a source together.
            sources: What the tile is compared with.
        """
        products = self._products(queries, sources, rounded=True)
        if not self.verify:
            distances, ids, _ = joined([p.best(self.k, self.k) for p in products], self.k)
            return 1 - half_squared(distances), ids
        values, ids, certain = self._compared(tile, eta, products, None)
        rows = (~certain).nonzero()[:, 0]
        if len(rows):
            values[rows], ids[rows], certain = self._compared(tile, eta, products, rows)
            rows = rows[~certain]
        if len(rows):
            values[rows], ids[rows] = self._exact(tile[rows], [s.of_rows(rows) for s in sources])
        return values, ids

    def _compared(
        self, tile: Tensor, eta: Tensor, products: list[Product], rows: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The k best of some candidates, and whether that is certain.

        Args:
            tile: As in `_rounded`.
            eta: As in `_rounded`.
            products: With its sources.
            rows: None, or which of the n cells: with `wider` times as many candidates.

        Returns:
            (values n x k, ids n x k, n bool).
        """
        times = 1
        if rows is not None:
            tile, eta, times = tile[rows], eta[rows], self.wider
        count, columns = (times * max(c, 2 * self.k) for c in (CANDIDATES, COLUMNS))
        distances, candidates, bound = joined(
            [p.best(count, columns, rows) for p in products], count
        )
        cells = self.position.numel()
        first = torch.tensor(self.slots) * cells
        places = first[candidates // cells] + candidates % cells
        found = self.keys.exact.view(-1, tile.shape[1]).index_select(0, places.view(-1))
        values = torch.bmm(found.view(*places.shape, -1), tile[:, :, None])[:, :, 0]
        values = values.masked_fill_(distances == worst(distances.dtype), -torch.inf)
        values, order = values.topk(min(self.k, values.shape[1]), dim=1, sorted=False)
        certain = _certain(values.amin(1), half_squared(bound), eta, self.channels)
        return values, candidates.gather(1, order), certain

    def run(self) -> tuple[Tensor, Tensor]:
        """What `windowed_topk` returns."""
        h, w = self.position.shape
        exact = self.target.exact[0]
        values = exact.new_full((h, w, self.k), -torch.inf)
        ids = torch.zeros(h, w, self.k, dtype=torch.long, device=exact.device)
        whole = [self._whole()] if self.far else []
        for columns in spans(w, self.side):
            beside = grown(columns, self.margin, w)
            strip = self._strip(self.near, beside, self._strips_in) if self.near else None
            for rows in spans(h, self.side):
                tile = exact[rows, columns].flatten(0, 1)
                sources = list(whole)
                if strip is not None:
                    sources.append(self._near(strip, beside, rows, columns))
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
    wider: int = WIDER,
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
        wider: How many times as many candidates rounded features give where they are not enough,
            before the search is made in float32. What is found is the same.

    Returns:
        (values, ids): hw x k similarities (dot products), descending, and the sources as
        reference * hw + cell. Where fewer than k sources are allowed, values end in -inf.
    """
    target = query if isinstance(query, Cells) else Cells.of(query[None])
    keys = keys if isinstance(keys, Cells) else Cells.of(keys)
    slots = list(range(len(restricted))) if slots is None else list(slots)
    near = [t for t, flag in enumerate(restricted) if flag and radius is not None]
    if not slots or k < 1:
        raise ValueError(f"{k = } must be at least 1, and so must the {len(slots)} references")
    k = min(k, len(slots) * target.exact.shape[1] * target.exact.shape[2])
    return _Search(target, keys, slots, near, radius, k, verify, wider).run()


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
