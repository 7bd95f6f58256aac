"""The rules against explicit dense forms, and their invariants."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.propagation import Protocol, references, rules


def sample(frames: int, h: int, w: int, seed: int, classes: int = 3) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    shape = (6, h, w)
    return [
        torch.randn(shape, generator=g, dtype=torch.float64),
        torch.randn(frames, *shape, generator=g, dtype=torch.float64),
        torch.rand(frames, classes, h, w, generator=g, dtype=torch.float64).softmax(1),
    ]


@settings(max_examples=40)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    h=st.integers(2, 15),
    w=st.integers(2, 15),
    k=st.integers(1, 12),
    radius=st.floats(1, 9),
    seed=st.integers(0, 999),
)
def test_multiplicity_equals_copies(
    counts: list[int], h: int, w: int, k: int, radius: float, seed: int
) -> None:
    query, keys, labels = sample(len(counts), h, w, seed)
    restricted = [i % 2 == 0 for i in range(len(counts))]
    repeat = torch.tensor(counts)
    settings_ = {"k": k, "radius": radius, "temperature": 0.3}
    ours = rules.crw(query, keys, labels, restricted=restricted, multiplicity=counts, **settings_)
    flags = [f for f, n in zip(restricted, counts, strict=True) for _ in range(n)]
    copied = rules.crw(
        query,
        keys.repeat_interleave(repeat, 0),
        labels.repeat_interleave(repeat, 0),
        restricted=flags,
        **settings_,
    )
    torch.testing.assert_close(ours, copied)


def test_crw_without_limits_is_a_plain_softmax() -> None:
    query, keys, labels = sample(2, 5, 7, 0)
    ours = rules.crw(query, keys, labels, k=70, radius=None, temperature=0.5)
    logits = torch.einsum("cyx,tcvu->yxtvu", query, keys).flatten(2) / 0.5
    expected = torch.einsum("yxn,nl->lyx", logits.softmax(-1), labels.movedim(1, -1).flatten(0, 2))
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(ours.sum(0), torch.ones_like(ours[0]))


def test_uvc_keeps_the_largest_entries_of_each_reference() -> None:
    query, keys, labels = sample(3, 6, 5, 1)
    ours = rules.uvc(query, keys, labels, k=4, temperature=0.7, multiplicity=[3, 1, 1])
    expected = torch.zeros_like(labels[0]).flatten(1)
    for key, label, count in zip(keys, labels, [3, 1, 1], strict=True):
        p = (query.flatten(1).T @ key.flatten(1) / 0.7).softmax(1)
        for target in range(30):
            for source in p[target].argsort(descending=True)[:4]:
                expected[:, target] += count * p[target, source] * label.flatten(1)[:, source] / 5
    torch.testing.assert_close(ours.flatten(1), expected)


def test_uvc_keeps_all_that_tie_with_the_last() -> None:
    query, keys, labels = sample(1, 12, 16, 2)
    keys[0].flatten(1)[:, 100:] = keys[0].flatten(1)[:, :92]  # each of 92 sources is there twice
    ours = rules.uvc(query, keys, labels, k=3, temperature=0.7)
    p = (query.flatten(1).T @ keys[0].flatten(1) / 0.7).softmax(1)
    kept = p * (p >= p.sort(1, descending=True).values[:, 2:3] * (1 - 1e-12))
    assert bool((kept > 0).sum(1).gt(3).any())
    torch.testing.assert_close(ours.flatten(1), (kept @ labels[0].flatten(1).T).T)


def mast_by_sampling(
    query: torch.Tensor, keys: torch.Tensor, labels: torch.Tensor, radius: int, gaps: list[int]
) -> torch.Tensor:
    """The published way: features and labels of every position are sampled, then compared."""
    _, h, w = query.shape
    yx = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"), -1).double()

    def read(grid: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        scale = torch.tensor([(w - 1) / 2, (h - 1) / 2], dtype=torch.float64)
        where = at.flip(-1) / scale - 1
        return F.grid_sample(grid[None], where[None], align_corners=True)[0]

    logits, values = [], []
    for key, label, gap in zip(keys, labels, gaps, strict=True):
        offset = torch.zeros_like(yx)
        if gap > 15:
            d = min(4, gap // 15 + 1)
            steps = [(dy * d, dx * d) for dy in range(-12, 13) for dx in range(-12, 13)]
            moves = torch.tensor(steps, dtype=torch.float64)
            far = torch.stack([(query * read(key, yx + m)).sum(0) for m in moves])
            offset = torch.einsum("nyx,nd->yxd", far.softmax(0), moves)
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                at = yx + offset + torch.tensor([dy, dx])
                logits.append((query * read(key, at)).sum(0))
                values.append(read(label, at))
    return torch.einsum("nyx,nlyx->lyx", torch.stack(logits).softmax(0), torch.stack(values))


@settings(max_examples=8)
@given(
    h=st.integers(3, 17), w=st.integers(3, 17), radius=st.integers(0, 4), seed=st.integers(0, 99)
)
def test_mast_equals_sampling_features(h: int, w: int, radius: int, seed: int) -> None:
    query, keys, labels = sample(3, h, w, seed)
    gaps = [50, 17, 3]
    ours = rules.mast(query, keys, labels, radius=radius, gaps=gaps, own_offsets=True)
    expected = mast_by_sampling(query, keys, labels, radius, gaps)
    torch.testing.assert_close(ours, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("of_features", "of_labels"), [(torch.float32, torch.float64), (torch.bfloat16, torch.float32)]
)
def test_mast_takes_labels_of_another_kind_of_number(
    of_features: torch.dtype, of_labels: torch.dtype
) -> None:
    """A reference 50 frames away is localised."""
    g = torch.Generator().manual_seed(4)
    query, key = torch.randn(2, 5, 9, 11, generator=g).to(of_features)
    labels = torch.rand(1, 3, 9, 11, generator=g).softmax(1)
    found = rules.mast(query, key[None], labels.to(of_labels), radius=2, gaps=[50])
    same = rules.mast(query, key[None], labels.to(of_features), radius=2, gaps=[50])
    assert found.dtype == of_labels
    torch.testing.assert_close(found.float(), same.float(), atol=2e-2, rtol=0)


@pytest.mark.parametrize("gaps", [[5, 3, 1], [50, 17, 3]])
def test_mast_equals_sampling_where_tiles_see_one_label_alone(gaps: list[int]) -> None:
    query, keys, _ = sample(3, 30, 62, 3)
    keys[:2] = query + 0.1 * keys[:2]  # so that windows stay near where they are
    labels = torch.zeros(3, 2, 30, 62, dtype=torch.float64)
    labels[:, 0, :, :30] = labels[:, 1, :, 30:] = 1
    labels[2, :, :, 55:] = 0.5  # alone in one reference of three
    ours = rules.mast(query, keys, labels, radius=1, gaps=gaps, own_offsets=True)
    expected = mast_by_sampling(query, keys, labels, 1, gaps)
    torch.testing.assert_close(ours, expected, atol=1e-8, rtol=0)
    if max(gaps) <= 15:
        assert bool((ours[:, 12:24, 12:24] == labels[0, :, 12:24, 12:24]).all())


def test_mast_without_localisation_takes_all_references_for_near_ones() -> None:
    query, keys, labels = sample(3, 9, 14, 0)
    ours = rules.mast(query, keys, labels, radius=2, gaps=[50, 17, 3], localize=False)
    near = mast_by_sampling(query, keys, labels, 2, [5, 3, 1])
    torch.testing.assert_close(ours, near, atol=1e-8, rtol=0)
    moved = rules.mast(query, keys, labels, radius=2, gaps=[50, 17, 3])
    assert not torch.allclose(ours, moved, atol=1e-2)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (9, {0: 1, 4: 1, 6: 1, 7: 1, 8: 1}),
        (3, {0: 1 + 2, 1: 1, 2: 1}),
        (5, {0: 1 + 1, 2: 1, 3: 1, 4: 1}),
    ],
)
def test_fast_refers_to_the_nearest_three_and_of_others_to_every_third(
    t: int, expected: dict[int, int]
) -> None:
    protocol = replace(Protocol.named("davis"), context=6, fast=True)
    found = references(protocol, t)
    assert {f: sum(r.multiplicity for r in found if r.frame == f) for f in expected} == expected
    assert sum(r.multiplicity for r in found) == sum(expected.values())
