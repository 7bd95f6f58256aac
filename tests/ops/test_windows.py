"""Windows as strided views equal windows cut out one by one."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pixelkin.ops import windows as windows_module
from pixelkin.ops.tiles import tiles
from pixelkin.ops.windows import BAGS, MovedWindows, Windows


def sampled(grid: Tensor, radius: int, offsets: Tensor) -> Tensor:
    """h x w x (2r + 1)^2 x C: every window, read between the cells, zero outside."""
    channels, h, w = grid.shape
    reach = torch.arange(-radius, radius + 1, dtype=grid.dtype)
    y = torch.arange(h)[:, None, None, None] + offsets[..., 1, None, None] + reach[:, None]
    x = torch.arange(w)[:, None, None] + offsets[..., 0, None, None] + reach
    y, x = torch.broadcast_tensors(y, x)
    place = torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], dim=-1).view(1, h * w, -1, 2)
    read = F.grid_sample(grid[None], place, padding_mode="zeros", align_corners=False)
    return read[0].view(channels, h, w, -1).permute(1, 2, 3, 0)


@pytest.mark.parametrize("bags", [BAGS, ()])
@settings(max_examples=25)
@given(
    h=st.integers(1, 15),
    w=st.integers(1, 15),
    radius=st.integers(0, 5),
    reach=st.sampled_from([0.0, 3.0, 40.0]),
    seed=st.integers(0, 2**16),
)
def test_products_and_sums_over_windows(
    bags: tuple[str, ...], h: int, w: int, radius: int, reach: float, seed: int
) -> None:
    g = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, 5, h, w, generator=g, dtype=torch.float64)
    offsets = reach * (2 * torch.rand(h, w, 2, generator=g, dtype=torch.float64) - 1)
    weights = torch.rand(h, w, (2 * radius + 1) ** 2, generator=g, dtype=torch.float64)
    read = sampled(key, radius, offsets)
    products = torch.einsum("chw,hwpc->hwp", query, read)
    sums = torch.einsum("hwp,hwpc->hwc", weights, read)
    grid, cells = key.permute(1, 2, 0), query.permute(1, 2, 0)
    for rows, columns in tiles(h, w, 6):
        windows: list[Windows | MovedWindows] = [
            MovedWindows(Windows(rows, columns, radius), offsets)
        ]
        if reach == 0:
            windows.append(Windows(rows, columns, radius))
        for window in windows:
            found = window.products(cells[rows, columns].flatten(0, 1), grid)
            torch.testing.assert_close(found.T, products[rows, columns].flatten(0, 1))
            with mock.patch.object(windows_module, "BAGS", bags):
                found = window.sums(weights[rows, columns].flatten(0, 1).T, grid)
            torch.testing.assert_close(found, sums[rows, columns].flatten(0, 1))
