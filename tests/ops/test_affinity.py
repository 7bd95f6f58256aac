"""Blocked affinity equals the dense form."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.ops.affinity import dense_topk, windowed_topk
from pixelkin.ops.cells import Cells


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


def near_duplicates(frames: int, h: int, w: int, noise: float, seed: int) -> torch.Tensor:
    """Unit features of which many are closer to each other than bfloat16 can tell."""
    g = torch.Generator().manual_seed(seed)
    base = torch.randn(3, 24, generator=g)
    kinds = torch.randint(3, (frames, h, w), generator=g)
    features = base[kinds] + noise * torch.randn(frames, h, w, 24, generator=g)
    return F.normalize(features, dim=3).permute(0, 3, 1, 2)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 8),
    h=st.integers(1, 20),
    w=st.integers(1, 20),
    k=st.integers(1, 30),
    radius=st.one_of(st.none(), st.floats(0.5, 25)),
    noise=st.sampled_from([0.0, 1e-4, 1e-3, 1e-2, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_the_search_with_rounded_features_misses_nothing(
    frames: int, h: int, w: int, k: int, radius: float | None, noise: float, seed: int
) -> None:
    features = near_duplicates(frames + 1, h, w, noise, seed)
    restricted = [t % 3 > 0 for t in range(frames)]
    query, keys = Cells.of(features[:1], rounded=True), Cells.of(features[1:], rounded=True)
    assert keys.rounded is not None
    values, ids = windowed_topk(query, keys, k, radius, restricted)
    expected, _ = dense_topk(features[0], features[1:], k, radius, restricted)
    torch.testing.assert_close(values, expected, rtol=0, atol=2e-6)
    sources = features[1:].flatten(2).transpose(1, 2).flatten(0, 1)[ids]
    again = torch.einsum("nkc,cn->nk", sources, features[0].flatten(1))
    allowed = expected > -torch.inf
    torch.testing.assert_close(again[allowed], values[allowed], rtol=0, atol=2e-6)
    assert all(len(set(row[ok].tolist())) == ok.sum() for row, ok in zip(ids, allowed, strict=True))


def test_unverified_rounding_does_miss_some_and_is_close() -> None:
    features = near_duplicates(5, 20, 20, 1e-2, 0)
    query, keys = Cells.of(features[:1], rounded=True), Cells.of(features[1:], rounded=True)
    values, ids = windowed_topk(query, keys, 5, 6, [True] * 4, verify=False)
    expected, expected_ids = dense_topk(features[0], features[1:], 5, 6, [True] * 4)
    assert not torch.equal(ids.sort(1).values, expected_ids.sort(1).values)
    torch.testing.assert_close(values, expected, rtol=0, atol=0.01)


def test_references_may_be_any_frames_in_store() -> None:
    features = near_duplicates(5, 12, 15, 1.0, 1)
    slots, restricted = [3, 0, 2], [True, True, False]
    for rounded in (True, False):
        query, keys = (Cells.of(x, rounded=rounded) for x in (features[4:], features[:4]))
        values, ids = windowed_topk(query, keys, 6, 4, restricted, slots)
        expected, expected_ids = dense_topk(features[4], features[slots], 6, 4, restricted)
        torch.testing.assert_close(values, expected)
        distinct = (expected.diff(dim=1).abs() > 1e-5).all(1)
        assert torch.equal(ids[distinct], expected_ids[distinct])


def crowded() -> tuple[Cells, Cells, torch.Tensor]:
    """Targets, sources, and the 16 best of them, of which rounding tells few apart."""
    features = near_duplicates(8, 20, 20, 0.03, 4)
    query, keys = (Cells.of(x, rounded=True) for x in (features[:1], features[1:]))
    return query, keys, dense_topk(features[0], features[1:], 16, None, [False] * 7)[0]


def test_without_the_margin_for_rounding_some_sources_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query, keys, expected = crowded()
    values, _ = windowed_topk(query, keys, 16, None, [False] * 7)
    torch.testing.assert_close(values, expected, rtol=0, atol=5e-7)
    for store in (query, keys):
        monkeypatch.setattr(store, "eta", 0 * store.eta)
    values, _ = windowed_topk(query, keys, 16, None, [False] * 7)
    assert float((values - expected).abs().max()) > 2e-6


def test_what_stays_uncertain_is_searched_in_float32() -> None:
    query, keys, expected = crowded()
    restricted = [False] * 7
    values, _ = windowed_topk(query, keys, 16, None, restricted)
    torch.testing.assert_close(values, expected, rtol=0, atol=5e-7)
    # A source that only the float32 search can find: the farthest of all in its rounded form, but
    # in float32 the closest to each target. It is the last one in the place of the first.
    assert keys.rounded is not None
    far = -query.exact.mean((0, 1, 2))
    lone = Cells.of(F.normalize(far, dim=0)[None, :, None, None], rounded=True)
    assert lone.rounded is not None
    keys.rounded[0, 0, 0], keys.exact[0, 0, 0] = lone.rounded[0, 0, 0], -9 * far
    decoyed, _ = windowed_topk(query, keys, 16, None, restricted)
    searched = decoyed[:, 0] > 2
    assert 0 < int(searched.sum()) < 400
    values, _ = windowed_topk(query, keys, 16, None, restricted, wider=80)  # 2,560 of 2,800
    assert float(values.max()) < 2


def test_bfloat16_features_are_compared_as_they_are() -> None:
    query, keys = torch.randn(8, 6, 7).bfloat16(), torch.randn(3, 8, 6, 7).bfloat16()
    values, _ = windowed_topk(query, keys, 4, 3, [True, False, True])
    expected, _ = dense_topk(query.float(), keys.float(), 4, 3, [True, False, True])
    torch.testing.assert_close(values.float(), expected, rtol=0.02, atol=0.02)


def test_nothing_to_compare_is_an_error() -> None:
    query, keys = torch.randn(8, 6, 7), torch.randn(3, 8, 6, 7)
    for k, restricted, slots in ((0, [True] * 3, None), (4, [], [])):
        with pytest.raises(ValueError, match="at least 1"):
            windowed_topk(query, keys, k, 3, restricted, slots)
