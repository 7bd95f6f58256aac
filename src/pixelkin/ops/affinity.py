"""Affinity between a target frame and its references, in blocks of bounded size.

Label propagation compares every cell of a target frame with cells of many reference frames, of
which only a disc around the target cell counts. A dense affinity matrix of a 480p video has 865
million entries a frame; here the target grid is cut into tiles, each tile is multiplied with the
bounding box of its discs, and only the k best of each target cell leave the tile:

    target grid            one reference                     a tile's product
    +--+--+--+--+          +------------+
    |  |  |  |  |          |  +------+  |   box: tile        cells of tile x cells of box,
    +--+--+--+--+    x     |  | tile |  |   grown by    ->   discs cut out, merged into the
    |  |##|  |  |          |  +------+  |   r - 1 cells      running top-k, thrown away
    +--+--+--+--+          +------------+

Pure tensor functions; they know nothing about labels, videos or protocols. `dense_topk` is the
brute-force form that the tests hold the others to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Sides of a tile in cells, and slots that one product takes in: the product of 144 x 5 * 34 * 34
# floats and its factors stay in a second-level cache's order of size.
TILE = 12
SLOTS = 5


def tiles(height: int, width: int, side: int = TILE) -> Iterator[tuple[slice, slice]]:
    """Cut a grid into tiles of at most side x side cells: pairs of (rows, columns)."""
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield slice(y, min(y + side, height)), slice(x, min(x + side, width))


def grown(cells: slice, margin: int, limit: int) -> slice:
    """A slice grown by `margin` on both sides, inside [0, limit)."""
    return slice(max(cells.start - margin, 0), min(cells.stop + margin, limit))


def outside_disc(
    rows: slice, columns: slice, box_rows: slice, box_columns: slice, radius: float
) -> Tensor:
    """Which cells of a box lie at a Euclidean distance >= radius from the cells of a tile.

    Returns:
        bool, (cells of the tile) x (cells of the box), both row-major.
    """
    dy = torch.arange(rows.start, rows.stop)[:, None]
    dy = dy - torch.arange(box_rows.start, box_rows.stop)
    dx = torch.arange(columns.start, columns.stop)[:, None]
    dx = dx - torch.arange(box_columns.start, box_columns.stop)
    squared = dy.square()[:, None, :, None] + dx.square()[None, :, None, :]
    return (squared >= radius * radius).flatten(2).flatten(0, 1)


Best = tuple[Tensor, Tensor]  # values and ids, n x (at most k)


def _merge(best: Best, values: Tensor, ids: Tensor, k: int) -> Best:
    values = torch.cat([best[0], values], dim=1)
    ids = torch.cat([best[1], ids], dim=1)
    if values.shape[1] > k:
        values, order = values.topk(k, dim=1, sorted=False)
        ids = ids.gather(1, order)
    return values, ids


def windowed_topk(
    query: Tensor,
    keys: Tensor,
    k: int,
    radius: float | None,
    restricted: Sequence[bool],
) -> tuple[Tensor, Tensor]:
    """The k most similar source cells of every target cell, over several reference frames.

    Args:
        query: C x h x w features of the target frame.
        keys: T x C x h x w features of the references.
        k: How many to keep; fewer are returned where there are fewer sources.
        radius: Sources of restricted slots count at a Euclidean distance < radius cells.
            None: all count.
        restricted: One flag for each of the T slots.

    Returns:
        (values, ids): hw x k similarities (dot products), descending, and the sources as
        slot * hw + cell. Where fewer than k sources are allowed, values end in -inf.
    """
    channels, h, w = query.shape
    cells = h * w
    k = min(k, len(keys) * cells)
    values = query.new_empty(cells, k)
    ids = torch.empty(cells, k, dtype=torch.long, device=query.device)
    near = [t for t, flag in enumerate(restricted) if flag and radius is not None]
    far = [t for t in range(len(keys)) if t not in near]
    margin = 0 if radius is None else max(int(-(-radius // 1)) - 1, 0)
    position = torch.arange(cells, device=query.device).view(h, w)

    for rows, columns in tiles(h, w):
        tile = query[:, rows, columns].reshape(channels, -1).T.contiguous()
        n = len(tile)
        none = torch.empty(n, 0, dtype=torch.long, device=query.device)
        best: Best = tile.new_empty(n, 0), none
        for t in far:
            product = tile @ keys[t].reshape(channels, cells)
            top, order = product.topk(min(k, cells), dim=1, sorted=False)
            best = _merge(best, top, order + t * cells, k)
        if near:
            assert radius is not None
            box = grown(rows, margin, h), grown(columns, margin, w)
            cut = outside_disc(rows, columns, *box, radius).to(query.device)
            penalty = tile.new_zeros(cut.shape).masked_fill_(cut, -torch.inf)
            box_cells = position[box].reshape(-1)
            for i in range(0, len(near), SLOTS):
                slots = torch.tensor(near[i : i + SLOTS], device=query.device)
                source = keys[slots[0] : slots[-1] + 1] if _adjacent(slots) else keys[slots]
                source = source[:, :, *box].permute(1, 0, 2, 3).reshape(channels, -1)
                product = (tile @ source).view(n, len(slots), -1)
                product += penalty[:, None]
                product = product.view(n, -1)
                top, order = product.topk(min(k, product.shape[1]), dim=1, sorted=False)
                found = (slots[:, None] * cells + box_cells).reshape(-1)[order]
                best = _merge(best, top, found, k)
        top, order = best[0].sort(dim=1, descending=True)
        found = best[1].gather(1, order)
        lacking = (0, k - top.shape[1])
        tile_cells = position[rows, columns].reshape(-1)
        values[tile_cells] = F.pad(top, lacking, value=-torch.inf)
        ids[tile_cells] = F.pad(found, lacking)
    return values, ids


def _adjacent(slots: Tensor) -> bool:
    return int(slots[-1] - slots[0]) == len(slots) - 1


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
