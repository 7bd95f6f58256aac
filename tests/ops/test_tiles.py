"""Tiles, boxes and discs."""

from __future__ import annotations

import torch

from pixelkin.ops.tiles import grown, outside_disc, tiles


def test_the_published_disc_has_437_cells() -> None:
    whole = slice(0, 60), slice(0, 107)
    inside = ~outside_disc(slice(30, 31), slice(50, 51), *whole, 12)
    assert int(inside.sum()) == 437


def test_tiles_cover_the_grid_once() -> None:
    seen = torch.zeros(25, 31, dtype=torch.long)
    for rows, columns in tiles(25, 31, 12):
        seen[rows, columns] += 1
    assert bool((seen == 1).all())
    assert grown(slice(0, 12), 11, 25) == slice(0, 23)
