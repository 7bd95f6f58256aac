"""Square windows around the cells of a tile: dot products with them, weighted sums over them.

A tile's n cells are multiplied with the bounding box of all their windows at once. The window of a
cell is a sub-square of its row of that product; from one cell to the next it moves by one, so that
all windows together are a strided view of the product:

    row of cell (0, 0):  [##..]      [##.]      row of cell (0, 1):  [.##.]
                         [##..]                                      [.##.]
                         [....]                                      [....]

Both directions use it: products are read through the view, weights are written through it into a
matrix of zeros, which then multiplies the box. Grids are `padded` with zeros, so that positions
outside the frame need no case of their own. Pure tensor functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.products import product


def padded(grid: Tensor, radius: int) -> Tensor:
    """C x h x w to rows of C numbers with a border of zeros: (h + 2r + 2) x (w + 2r + 2) x C."""
    border = (radius + 1,) * 4
    return F.pad(grid.permute(1, 2, 0), (0, 0, *border)).contiguous()


@dataclass(frozen=True)
class Windows:
    """Windows of (2 * radius + 1)^2 cells around the cells of a tile."""

    rows: slice
    columns: slice
    radius: int

    @property
    def _shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def _box(self, grid: Tensor) -> Tensor:
        end = 2 * self.radius + 1
        y = slice(self.rows.start + 1, self.rows.stop + end)
        x = slice(self.columns.start + 1, self.columns.stop + end)
        return grid[y, x].reshape(-1, grid.shape[2])

    def _view(self, product: Tensor) -> Tensor:
        """Tile height x tile width x window height x window width of n x cells of the box."""
        (h, w), side = self._shape, 2 * self.radius + 1
        width = w + 2 * self.radius
        cells = product.shape[1]
        return product.as_strided(
            (h, w, side, side), (w * cells + width, cells + 1, width, 1), product.storage_offset()
        )

    def products(self, tile: Tensor, grid: Tensor) -> Tensor:
        """Dot products of n x C cells with their windows in a padded grid: n x (2r + 1)^2."""
        return self._view(product(tile, self._box(grid))).reshape(len(tile), -1)

    def sums(self, weights: Tensor, grid: Tensor) -> Tensor:
        """Sums over the windows in a padded grid, weighted with n x (2r + 1)^2: n x C."""
        box = self._box(grid)
        spread = weights.new_zeros(len(weights), len(box))
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
        border = windows.radius + 1
        moved = offsets[windows.rows, windows.columns]
        whole = moved.floor()
        fx, fy = (moved - whole).reshape(-1, 1, 1, 2).unbind(-1)
        self._parts = [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
        reach = torch.arange(self._side + 1, device=offsets.device) - windows.radius
        y = torch.arange(windows.rows.start, windows.rows.stop, device=offsets.device)
        x = torch.arange(windows.columns.start, windows.columns.stop, device=offsets.device)
        ys = (whole[..., 1] + y[:, None]).reshape(-1, 1).long() + reach
        xs = (whole[..., 0] + x).reshape(-1, 1).long() + reach
        # What is outside the frame is on its border, which is zero.
        ys, xs = ys.clamp(-1, h) + border, xs.clamp(-1, w) + border
        top, left = int(ys.min()), int(xs.min())
        self._box = slice(top, int(ys.max()) + 1), slice(left, int(xs.max()) + 1)
        width = self._box[1].stop - left
        index = (ys - top)[:, :, None] * width + (xs - left)[:, None, :]
        self._index = index.view(len(index), -1)

    def products(self, tile: Tensor, grid: Tensor) -> Tensor:
        """As `Windows.products`."""
        box = grid[self._box].reshape(-1, grid.shape[2])
        found = product(tile, box).gather(1, self._index)
        found = found.view(len(tile), self._side + 1, self._side + 1)
        a, b, c, d = self._parts
        between = found[:, :-1, :-1] * a + found[:, :-1, 1:] * b
        between += found[:, 1:, :-1] * c
        between += found[:, 1:, 1:] * d
        return between.reshape(len(tile), -1)

    def sums(self, weights: Tensor, grid: Tensor) -> Tensor:
        """As `Windows.sums`."""
        box = grid[self._box].reshape(-1, grid.shape[2])
        weights = weights.view(-1, self._side, self._side)
        whole = weights.new_zeros(len(weights), self._side + 1, self._side + 1)
        a, b, c, d = self._parts
        whole[:, :-1, :-1] += weights * a
        whole[:, :-1, 1:] += weights * b
        whole[:, 1:, :-1] += weights * c
        whole[:, 1:, 1:] += weights * d
        spread = weights.new_zeros(len(weights), len(box))
        spread.scatter_add_(1, self._index, whole.view(len(weights), -1))
        return product(spread, box.T)
