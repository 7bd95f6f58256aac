"""What a tile of target cells is compared with, and the closest of it: the parts of affinity.py.

Distances here are whatever ascends as similarity falls: negated dot products, or the int16 that has
the bits of a negative bfloat16 (see `cells.half_squared`), as integers are compared three times as
fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pixelkin.ops.cells import Cells

# Distances and ids of sources, n x count, and for each of n targets a bound of what was left out.
Found = tuple[Tensor, Tensor, Tensor]


@dataclass
class Product:
    """Distances of A x F x B sources from n targets; a column is what differs in F alone.

    Attributes:
        entries: A x F x B x n.
        top: n x AB, the least of each column; `worst` where a column does not count.
        ids: A x F x B, of the sources.
    """

    entries: Tensor
    top: Tensor
    ids: Tensor

    @staticmethod
    def of(entries: Tensor, ids: Tensor, cut: Tensor | None) -> Product:
        """With the columns of `cut`, AB x n, left out."""
        top = entries.amin(1).flatten(0, 1)
        if cut is not None:
            top.masked_fill_(cut, worst(top.dtype))
        return Product(entries, top.T.contiguous(), ids)

    def best(self, count: int, columns: int, rows: Tensor | None = None) -> Found:
        """The `count` least entries of each target, among its best columns.

        Args:
            count: How many to keep.
            columns: How many columns to search; `count` of them hold the `count` least entries.
            rows: Of these of the n targets; None: of all.

        Returns:
            (distances n x m, ids n x m, bounds n); m is at most `count`. Entries that do not count
            are `worst`.
        """
        _, f, b, n = self.entries.shape
        top = self.top if rows is None else self.top[rows]
        most, out = top.shape[1], worst(top.dtype)
        top, chosen = top.topk(min(columns, most), dim=1, largest=False, sorted=False)
        targets = torch.arange(n, device=top.device) if rows is None else rows
        first = (chosen // b * (f * b) + chosen % b) * n + targets[:, None]
        step = b * n
        places = first[:, None] + torch.arange(0, f * step, step, device=top.device)[:, None]
        # index_select copies twice as fast as indexing does.
        found = self.entries.view(-1).index_select(0, places.view(-1)).view(places.shape)
        found = found.masked_fill_((top == out)[:, None], out).flatten(1)
        bound = top.amax(1) if columns < most else None
        distances, places, bound = _least(found, places.flatten(1), count, bound)
        return distances, self.ids.view(-1)[places // n], bound


def worst(dtype: torch.dtype) -> float:
    """Farther than all: infinity, or the int16 that has the bits of minus infinity in bfloat16."""
    return torch.inf if dtype.is_floating_point else -128


def _least(distances: Tensor, ids: Tensor, count: int, bound: Tensor | None) -> Found:
    """The `count` least distances of each target; `bound`: of what was left out before."""
    if bound is None:
        bound = torch.full_like(distances[:, 0], worst(distances.dtype))
    if distances.shape[1] > count:
        distances, order = distances.topk(count, dim=1, largest=False, sorted=False)
        ids = ids.gather(1, order)
        bound = bound.minimum(distances.amax(1))
    return distances, ids, bound


def joined(parts: list[Found], count: int) -> Found:
    """The `count` best of several groups of sources."""
    distances, ids = (torch.cat([p[i] for p in parts], dim=1) for i in (0, 1))
    return _least(distances, ids, count, torch.stack([p[2] for p in parts]).amin(0))


class Strip:
    """Cells of some references in some columns, in the order rows x references x columns.

    Rows of it lie side by side in memory: the boxes of tiles that stand one above the other, which
    overlap, are parts of one copy.

    Args:
        cells: Features of all frames.
        slots: Which of them the T references are.
        ids: h x T x w, reference * hw + cell.
        columns: Which columns.
        spaces: Memory to copy to, by type.
    """

    def __init__(
        self,
        cells: Cells,
        slots: list[int],
        ids: Tensor,
        columns: slice,
        spaces: dict[torch.dtype, Tensor],
    ) -> None:
        self.ids = ids
        self._cells, self._slots, self._columns, self._spaces = cells, slots, columns, spaces
        self._copies: dict[bool, Tensor] = {}

    def keys(self, *, rounded: bool) -> Tensor:
        """h x T x w x C; copied when first asked for."""
        if rounded not in self._copies:
            keys = self._cells.rounded if rounded else self._cells.exact
            assert keys is not None
            count, channels = self.ids.numel(), keys.shape[3]
            space = self._spaces.get(keys.dtype)
            if space is None or len(space) < count * channels:
                space = self._spaces[keys.dtype] = keys.new_empty(count * channels)
            copy = space[: count * channels].view(*self.ids.shape, channels)
            parts = [keys[slot, :, self._columns] for slot in self._slots]
            self._copies[rounded] = torch.stack(parts, dim=1, out=copy)
        return self._copies[rounded]


@dataclass
class Sources:
    """What a tile of n cells is compared with, A x F x B sources.

    Attributes:
        strip: Where they are.
        rows: In which of its rows.
        fold: How many rows share a column.
        cut: AB x n, which columns do not count for which cell of the tile; None: all count.
    """

    strip: Strip
    rows: slice
    fold: int = 1
    cut: Tensor | None = None

    def product(self, tile: Tensor, space: Tensor, *, rounded: bool) -> Product:
        """The distances from a tile n x C, of `Cells.queries` or negated, made in `space`."""
        keys = self.strip.keys(rounded=rounded)[self.rows].flatten(0, 2)
        product = space[: len(keys) * len(tile)].view(len(keys), -1)
        torch.mm(keys, tile.T, out=product)
        if rounded:
            product = product.view(torch.int16)
        ids = self.strip.ids[self.rows]
        ids = ids.view(len(ids) // self.fold, -1, ids.shape[2])
        return Product.of(product.view(*ids.shape, -1), ids, self.cut)

    def of_rows(self, rows: Tensor) -> Sources:
        """The same for some cells of the tile."""
        return self if self.cut is None else replace(self, cut=self.cut[:, rows])
