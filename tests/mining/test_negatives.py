from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.mining.negatives import (
    Negatives,
    mine_negatives,
    negatives_in_band,
    neighbourhood,
)


def brute_force(
    row: list[float], allowed: list[bool], low: float, high: float, hardness: str, floor: int
) -> list[bool]:
    ranked = sorted((s, k) for k, s in enumerate(row) if allowed[k])
    chosen = set()
    for rank, (s, k) in enumerate(ranked):
        value = max(s, 0.0) if hardness == "cosine" else low
        if hardness == "rank" and len(ranked) > 1:
            value = rank / (len(ranked) - 1)
        if low - 1e-6 <= value <= high + 1e-6:
            chosen.add(k)
    if len(chosen) < floor and not (low == 0 and high == 1):
        chosen |= {k for _, k in ranked[:floor]}
    return [k in chosen for k in range(len(row))]


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 12), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from(["rank", "cosine"]), st.integers(0, 6),
)  # fmt: skip
def test_band_is_that_of_a_direct_loop(
    seed: int, k: int, a: float, b: float, hardness: str, floor: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    similarity = torch.rand(4, k, generator=generator) * 1.4 - 0.4
    candidates = torch.rand(4, k, generator=generator) > 0.3
    low, high = sorted((round(a, 2), round(b, 2)))
    chosen = negatives_in_band(
        similarity,
        candidates,
        low,
        high,
        hardness=hardness,
        floor=floor,  # type: ignore[arg-type]
    )
    for row in range(4):
        expected = brute_force(
            similarity[row].tolist(), candidates[row].tolist(), low, high, hardness, floor
        )
        assert chosen[row].tolist() == expected


@pytest.mark.parametrize("last", [10, 100, 1000])
def test_a_quantile_that_falls_on_a_rank_takes_it_in_whatever_the_rounding(last: int) -> None:
    """And what lies further from the rank than rounding does leaves it out, on both sides."""
    similarity = torch.arange(last + 1).float()[None] / last
    everywhere = torch.ones(1, last + 1, dtype=torch.bool)

    def ranks(low: float, high: float) -> list[int]:
        chosen = negatives_in_band(similarity, everywhere, low, high, hardness="rank", floor=0)
        return chosen[0].nonzero()[:, 0].tolist()

    for k in range(1, last, max(1, last // 50)):
        assert ranks(k / last, k / last) == [k]
        assert ranks((k + 5e-5) / last, (k + 0.5) / last) == [k]
        assert ranks((k - 0.5) / last, (k - 5e-5) / last) == [k]
        assert ranks((k + 5e-4) / last, (k + 0.5) / last) == []
        assert ranks((k - 0.5) / last, (k - 5e-4) / last) == []


def test_negatives_of_a_positive_are_the_band_outside_its_neighbourhood() -> None:
    similarity = torch.rand(3, 30, generator=torch.Generator().manual_seed(0))
    positives = torch.tensor([0, 14, 29])
    settings = Negatives(m1=0.2, floor=3, exclude=1)
    negatives, candidates = mine_negatives(similarity, positives, (5, 6), 0.7, settings)
    for row, positive in enumerate(positives.tolist()):
        far = [max(abs(k // 6 - positive // 6), abs(k % 6 - positive % 6)) > 1 for k in range(30)]
        assert candidates[row].tolist() == far
        expected = brute_force(similarity[row].tolist(), far, 0.2, 0.7, "rank", 3)
        assert negatives[row].tolist() == expected and sum(expected) > 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hardness": "l2"}, r"^hardness: 'l2' is not one of rank, cosine$"),
        ({"m1": 1.5}, r"^m1: 1.5 must be at least 0 and at most 1$"),
        ({"floor": -1}, r"^floor: -1 must be at least 0$"),
        ({"exclude": -1}, r"^exclude: -1 must be at least 0$"),
        ({"cross_video": -1}, r"^cross_video: -1 must be at least 0$"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Negatives(**change)  # type: ignore[arg-type]


def test_untrained_cosines_leave_nothing_but_the_floor() -> None:
    similarity = 0.7 + 0.25 * torch.rand(20, 100)
    everywhere = torch.ones(20, 100, dtype=torch.bool)
    none = negatives_in_band(similarity, everywhere, 0.0, 0.5, hardness="cosine", floor=0)
    assert int(none.sum()) == 0
    chosen = negatives_in_band(similarity, everywhere, 0.0, 0.5, hardness="cosine", floor=32)
    easiest = torch.zeros_like(chosen).scatter(1, similarity.argsort(1)[:, :32], True)
    assert torch.equal(chosen, easiest)
    by_rank = negatives_in_band(similarity, everywhere, 0.0, 0.5, hardness="rank", floor=0)
    assert by_rank.sum(1).tolist() == [50] * 20


def test_floor_beyond_the_candidates_takes_them_all() -> None:
    similarity = torch.rand(2, 10)
    candidates = torch.zeros(2, 10, dtype=torch.bool)
    candidates[0, :4] = True
    for hardness in ("rank", "cosine"):
        chosen = negatives_in_band(similarity, candidates, 0.0, 0.0, hardness=hardness)  # type: ignore[arg-type]
        assert torch.equal(chosen, candidates)


def test_nothing_but_candidates_even_where_all_is_allowed() -> None:
    candidates = torch.rand(5, 30) > 0.5
    chosen = negatives_in_band(torch.rand(5, 30), candidates, 0.0, 1.0)
    assert torch.equal(chosen, candidates)
    assert chosen.data_ptr() != candidates.data_ptr()


def test_no_gradient() -> None:
    similarity = torch.rand(3, 8, requires_grad=True)
    chosen = negatives_in_band(similarity, torch.ones(3, 8, dtype=torch.bool), 0.1, 0.6)
    assert not chosen.requires_grad


@pytest.mark.parametrize("hardness", ["rank", "cosine"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_same_numbers(dtype: torch.dtype, hardness: Any) -> None:
    g = torch.Generator().manual_seed(0)
    rows = [torch.randperm(20, generator=g) for _ in range(6)]
    similarity = (torch.stack(rows) / 16 - 0.375).to(dtype).requires_grad_()  # no two alike
    candidates = torch.rand(6, 20, generator=g) > 0.3
    for floor in (0, 4):
        found = negatives_in_band(similarity, candidates, 0.2, 0.7, hardness=hardness, floor=floor)
        each = zip(similarity.tolist(), candidates.tolist(), strict=True)
        expected = [brute_force(row, one, 0.2, 0.7, hardness, floor) for row, one in each]
        assert found.tolist() == expected
    settings = Negatives(hardness, floor=3)
    cells = torch.tensor([0, 7, 19, 5, 3, 1])
    half, whole = (
        mine_negatives(x, cells, (4, 5), 0.7, settings)
        for x in (similarity, similarity.detach().double())
    )
    assert torch.equal(half[0], whole[0]) and torch.equal(half[1], whole[1])


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.6, 0.5), (0.0, 1.1)])
def test_band_must_make_sense(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="m1 <= m2"):
        negatives_in_band(torch.rand(1, 2), torch.ones(1, 2, dtype=torch.bool), low, high)


def test_hardness_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"^hardness: 'l2' is not one of rank, cosine$"):
        negatives_in_band(
            torch.rand(1, 2),
            torch.ones(1, 2, dtype=torch.bool),
            0,
            1,
            hardness="l2",  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_neighbourhood_is_a_clipped_square(radius: int) -> None:
    h, w = 4, 5
    near = neighbourhood(torch.arange(h * w), h, w, radius)
    for a in range(h * w):
        for b in range(h * w):
            distance = max(abs(a // w - b // w), abs(a % w - b % w))
            assert bool(near[a, b]) == (distance <= radius)
