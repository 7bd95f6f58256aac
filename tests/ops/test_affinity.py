"""Blocked affinity equals the dense form."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.ops.affinity import dense_topk, grown, outside_disc, tiles, windowed_topk


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 7),
    h=st.integers(1, 30),
    w=st.integers(1, 30),
    k=st.integers(1, 12),
    radius=st.one_of(st.none(), st.floats(0.5, 40)),
    seed=st.integers(0, 2**16),
)
def test_blocked_equals_dense(
    frames: int, h: int, w: int, k: int, radius: float | None, seed: int
) -> None:
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(5, h, w, generator=g, dtype=torch.float64)
    keys = torch.randn(frames, 5, h, w, generator=g, dtype=torch.float64)
    restricted = (torch.rand(frames, generator=g) < 0.7).tolist()
    values, ids = windowed_topk(query, keys, k, radius, restricted)
    expected, expected_ids = dense_topk(query, keys, k, radius, restricted)
    torch.testing.assert_close(values, expected)
    allowed = expected > -torch.inf
    assert torch.equal(ids[allowed], expected_ids[allowed])


def test_ids_name_the_sources_of_the_values() -> None:
    query, keys = torch.randn(8, 13, 17), torch.randn(3, 8, 13, 17)
    values, ids = windowed_topk(query, keys, 4, 5, [True, False, True])
    slot, cell = ids // (13 * 17), ids % (13 * 17)
    sources = keys.flatten(2)[slot, :, cell]
    again = torch.einsum("nkc,cn->nk", sources, query.flatten(1))
    torch.testing.assert_close(values, again)
    y, x = torch.arange(13 * 17) // 17, torch.arange(13 * 17) % 17
    squared = (cell // 17 - y[:, None]) ** 2 + (cell % 17 - x[:, None]) ** 2
    assert bool((squared[slot != 1] < 25).all())


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
