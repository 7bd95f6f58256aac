"""Tiles of a grid, the boxes around them, and the discs that cells of a tile may look at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from pixelkin.ops.host import at_hand

TILE = 12  # side of a tile in cells, so that what is computed of it stays in a CPU's cache
FAR_TILE = 32  # on a device, to which every step of a tile has to be told


def side_for(x: Tensor) -> int:
    """Side of the tiles that suit the place where a tensor is."""
    return TILE if at_hand(x) else FAR_TILE


def spans(length: int, side: int = TILE) -> Iterator[slice]:
    """Cut a length into slices of at most `side`."""
    for start in range(0, length, side):
        yield slice(start, min(start + side, length))


def tiles(height: int, width: int, side: int = TILE) -> Iterator[tuple[slice, slice]]:
    """Cut a grid into tiles of at most side x side cells: pairs of (rows, columns)."""
    return product(spans(height, side), spans(width, side))


def grown(cells: slice, margin: int, limit: int) -> slice:
    """A slice grown by `margin` on both sides, inside [0, limit)."""
    return slice(max(cells.start - margin, 0), min(cells.stop + margin, limit))


def outside_disc(
    rows: slice,
    columns: slice,
    box_rows: slice,
    box_columns: slice,
    radius: float,
    device: torch.device | None = None,
) -> Tensor:
    """Which cells of a box lie at a Euclidean distance >= radius from the cells of a tile.

    Returns:
        bool, (cells of the tile) x (cells of the box), both row-major.
    """
    dy, dx = (
        torch.arange(cells.start, cells.stop, device=device)[:, None]
        - torch.arange(box.start, box.stop, device=device)
        for cells, box in ((rows, box_rows), (columns, box_columns))
    )
    squared = dy.square()[:, None, :, None] + dx.square()[None, :, None, :]
    return (squared >= radius * radius).flatten(2).flatten(0, 1)
