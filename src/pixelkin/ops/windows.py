"""Square windows around the cells of a tile: dot products with them, weighted sums over them.

A tile's n cells are multiplied with the bounding box of all their windows at once. The window of a
cell is a sub-square of its row of that product; from one cell to the next it moves by one, so that
all windows together are a strided view of the product:

    row of cell (0, 0):  [##..]      [##.]      row of cell (0, 1):  [.##.]
                         [##..]                                      [.##.]
                         [....]                                      [....]

Both directions use it: products are read through the view, weights are written through it into a
matrix of zeros, which then multiplies the box. What belongs to windows that are moved, each by its
own displacement, is gathered. Positions outside the frame are zeros, which are not multiplied.
Grids are h x w x C, a row of numbers for each cell; what belongs to the positions of windows is
(2 * radius + 1)^2 x n, positions first. Pure tensor functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.host import at_hand
from pixelkin.ops.products import product

BAGS = ("cpu", "cuda")  # kinds of devices that have embedding_bag in all versions of torch


@dataclass(frozen=True)
class Windows:
    """Windows of (2 * radius + 1)^2 cells around the cells of a tile."""

    rows: slice
    columns: slice
    radius: int

    @property
    def _shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def _box(self, grid: Tensor) -> tuple[Tensor, list[int]]:
        """What windows have of a grid, and the widths of the border that is outside, as `F.pad`."""
        inside, outside = [], []
        for cells, size in zip((self.rows, self.columns), grid.shape, strict=False):
            start, stop = cells.start - self.radius, cells.stop + self.radius
            inside.append(slice(max(start, 0), min(stop, size)))
            outside.append([max(-start, 0), max(stop - size, 0)])
        return grid[tuple(inside)], [*outside[1], *outside[0]]

    def _view(self, product: Tensor) -> Tensor:
        """Window height x window width x tile height x tile width of n x cells of the box."""
        (h, w), side = self._shape, 2 * self.radius + 1
        width = w + 2 * self.radius
        cells = product.shape[1]
        return product.as_strided(
            (side, side, h, w), (width, 1, w * cells + width, cells + 1), product.storage_offset()
        )

    def only(self, grid: Tensor) -> Tensor | None:
        """What all positions of all windows have, C numbers; None if they differ."""
        box, outside = self._box(grid)
        return None if any(outside) else _only(box)

    def products(self, tile: Tensor, grid: Tensor) -> Tensor:
        """Dot products of n x C cells with their windows in a grid: (2r + 1)^2 x n."""
        box, outside = self._box(grid)
        found = product(tile, box.reshape(-1, grid.shape[2]))
        if any(outside):
            found = F.pad(found.view(len(tile), *box.shape[:2]), outside).flatten(1)
        return self._view(found).reshape(-1, len(tile))

    def sums(self, weights: Tensor, grid: Tensor) -> Tensor:
        """Sums over the windows in a grid, weighted with (2r + 1)^2 x n: n x C."""
        box, outside = self._box(grid)
        box = F.pad(box, [0, 0, *outside]).reshape(-1, grid.shape[2])
        spread = weights.new_zeros(weights.shape[1], len(box))
        view = self._view(spread)
        view.copy_(weights.view(view.shape))
        return product(spread, box.T)


class MovedWindows:
    """Windows whose centres are displaced by fractions of cells, each by its own.

    Reading between the cells is linear, so it is the dot products, or the weights, of the whole
    cells around that are interpolated: (2 * radius + 2)^2 of them.

    Args:
        windows: The windows before they are moved.
        offsets: h x w x 2, displacement (x, y) of every cell of the grid.
    """

    def __init__(self, windows: Windows, offsets: Tensor) -> None:
        h, w, _ = offsets.shape
        self._side = 2 * windows.radius + 1
        moved = offsets[windows.rows, windows.columns]
        whole = moved.floor()
        self._fx, self._fy = (moved - whole).reshape(-1, 2).T
        reach = torch.arange(self._side + 1, device=offsets.device) - windows.radius
        y = torch.arange(windows.rows.start, windows.rows.stop, device=offsets.device)
        x = torch.arange(windows.columns.start, windows.columns.stop, device=offsets.device)
        ys = (whole[..., 1] + y[:, None]).reshape(-1, 1).long() + reach
        xs = (whole[..., 0] + x).reshape(-1, 1).long() + reach
        near_y, near_x = ys.clamp(0, h - 1), xs.clamp(0, w - 1)
        (top, bottom), (left, right) = (
            (int(low), int(high) + 1) for low, high in (near_y.aminmax(), near_x.aminmax())
        )
        self._box = slice(top, bottom), slice(left, right)
        index = (near_y - top)[:, :, None] * (right - left) + (near_x - left)[:, None, :]
        self._index = index.view(len(index), -1)
        out_y, out_x = ys != near_y, xs != near_x
        beyond = bool(out_y.any() | out_x.any())
        self._outside = out_y[:, :, None] | out_x[:, None, :] if beyond else None

    def only(self, grid: Tensor) -> Tensor | None:
        """As `Windows.only`."""
        return None if self._outside is not None else _only(grid[self._box])

    def products(self, tile: Tensor, grid: Tensor) -> Tensor:
        """As `Windows.products`."""
        box = grid[self._box].reshape(-1, grid.shape[2])
        found = product(tile, box).gather(1, self._index)
        found = found.view(len(tile), self._side + 1, self._side + 1)
        if self._outside is not None:
            found.masked_fill_(self._outside, 0)
        fx, fy = (f.to(found.dtype).view(-1, 1, 1) for f in (self._fx, self._fy))
        level = torch.lerp(found[:, :, :-1], found[:, :, 1:], fx)
        return torch.lerp(level[:, :-1], level[:, 1:], fy).flatten(1).T

    def sums(self, weights: Tensor, grid: Tensor) -> Tensor:
        """As `Windows.sums`."""
        box = grid[self._box].reshape(-1, grid.shape[2])
        # Each weight goes to the four cells around its position: the transpose of what reads there.
        fx, fy = (f.to(weights.dtype) for f in (self._fx, self._fy))
        padded = F.pad(weights.view(self._side, self._side, -1), [0, 0, 1, 1, 1, 1])
        level = torch.lerp(padded[:, 1:], padded[:, :-1], fx)
        whole = torch.lerp(level[1:], level[:-1], fy).permute(2, 0, 1)
        if self._outside is not None:
            whole = whole.masked_fill(self._outside, 0)
        whole = whole.reshape(self._index.shape)
        if box.device.type in BAGS:
            return F.embedding_bag(self._index, box, mode="sum", per_sample_weights=whole)
        return (whole[:, None] @ F.embedding(self._index, box))[:, 0]


def _only(box: Tensor) -> Tensor | None:
    """What all cells of a box have; None if they differ, or may not be looked at."""
    first = box[0, 0]
    return first if at_hand(box) and bool((box == first).all()) else None
