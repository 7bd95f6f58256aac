"""The largest entries of rows, the smallest of columns, are those of a full sort."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.ops.largest import largest, smallest


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 4),
    m=st.integers(1, 1200),
    k=st.integers(1, 6),
    levels=st.sampled_from([2, 50, 10**6]),
    seed=st.integers(0, 999),
)
def test_largest_equals_sorting(n: int, m: int, k: int, levels: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    rows = torch.randint(levels, (n, m), generator=g).float()  # with ties
    k = min(k, m)
    values, ids = largest(rows, k)
    assert torch.equal(values, rows.sort(dim=1, descending=True).values[:, :k])
    assert torch.equal(rows.gather(1, ids), values)
    assert all(len(set(row)) == k for row in ids.tolist())
    values, ids = smallest(-rows.T.contiguous(), k)
    assert torch.equal(values.sort(dim=1).values, (-rows).sort(dim=1).values[:, :k])
    assert torch.equal((-rows).gather(1, ids), values)
    assert all(len(set(row)) == k for row in ids.tolist())
