from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.mining.confidence import (
    forward_backward,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.mining.curriculum import Curriculum, variance
from pixelkin.mining.positives import Geometry, mine
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.mining.window import WindowSchedule, is_near

B, SIDE = 3, 6
N = SIDE**2
RADIUS = torch.tensor([12.0, 20.0, 28.0])  # of the window below for 1, 2 and 3 frames
MINING = Mining(window=WindowSchedule(gaps=(1, 3), radii=(1, 3), grid=32))


def scene(noise: float = 0.6, m: int = N) -> tuple[Tensor, Tensor, Geometry]:
    """Features of two frames whose cells are the same up to noise and one cell of motion.

    The second has its first `m` cells alone.
    """
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(B, N, 12, generator=generator)
    z = a.view(B, SIDE, SIDE, 12).roll(1, 2).reshape(B, N, 12)
    z = z + noise * torch.randn(B, N, 12, generator=generator)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    points = torch.stack([x, y], -1).float().view(1, N, 2).expand(B, N, 2) * 8
    first, second = (torch.nn.functional.normalize(f, dim=2) for f in (a, z))
    sizes = torch.tensor([256, 300]).expand(B, 2)
    return first, second[:, :m], Geometry(points, points[:, :m], torch.tensor([1, 2, 3]), sizes)


def dense(noise: float, m: int = N) -> dict[str, Tensor]:
    first, second, where = scene(noise, m)
    similarity = first @ second.mT
    q = forward_backward(similarity)
    t = optimal_transport(q)
    window = is_near(where.first[:, :, None], where.second[:, None], RADIUS[:, None, None])
    return {"s": similarity, "q": q, "t": t, "c": temporal_coherence(t, window)}


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize(
    ("level", "threshold"),
    [("argmax", None), ("q", None), ("q", 0.5), ("qt", None), ("qtc", None), ("qtc", 0.7)],
)
def test_positives_are_those_of_the_dense_matrices(
    level: Any, threshold: float | None, noise: float
) -> None:
    confidence = Confidence(level, threshold)
    found = mine(*scene(noise), replace(MINING, confidence=confidence)).positives
    x = dense(noise)
    best = {"argmax": x["s"], "q": x["q"], "qt": x["t"], "qtc": x["c"]}[level]
    least = threshold or (1.0 if level == "q" else 0.5)
    expected = best >= least
    if level != "qtc":
        expected = torch.zeros_like(expected).scatter(2, best.argmax(2, keepdim=True), True)
        if level != "argmax":
            expected &= best >= least
    got = torch.zeros_like(expected)
    got[found.clips, found.sources, found.targets] = True
    assert torch.equal(got, expected)
    assert int(expected.sum()) > 5
    torch.testing.assert_close(found.values, best[found.clips, found.sources, found.targets])


def test_c_is_a_partial_one_to_one_matching_inside_the_window() -> None:
    first, second, where = scene(0.8)
    mining = replace(MINING, confidence=Confidence(threshold=0.52))
    found = mine(first, second, where, mining).positives
    assert len(found.values) > 5
    for clip in range(B):
        own = found.where(found.clips == clip)
        assert len(set(own.sources.tolist())) == len(own.sources)
        assert len(set(own.targets.tolist())) == len(own.targets)
        shift = (where.first[clip, own.sources] - where.second[clip, own.targets]).abs()
        assert float(shift.max()) <= float(RADIUS[clip])


@pytest.mark.parametrize("m", [N, N - 8])
@pytest.mark.parametrize("signal", ["var_q", "var_t", "var_c", "fixed"])
def test_variance_is_that_of_the_dense_matrices(signal: Any, m: int) -> None:
    mining = replace(MINING, confidence=Confidence("q"), curriculum=Curriculum(signal))
    mined = mine(*scene(0.6, m), mining)
    x = dense(0.6, m)
    expected = {
        "var_q": variance(x["q"], normalize_rows=True),
        "var_t": variance(x["t"]),
        "var_c": variance(x["c"]),
        "fixed": torch.zeros(B),
    }[signal]
    torch.testing.assert_close(mined.variance, expected, rtol=1e-5, atol=1e-3)
    assert (float(mined.residual.max()) > 0) == (signal in ("var_t", "var_c"))


def test_q_is_mutual_matches_alone() -> None:
    """Forward-backward consistency: i's best match is j, and j's is i."""
    first, second, where = scene(1.0)
    found = mine(first, second, where, replace(MINING, confidence=Confidence("q"))).positives
    similarity = (first @ second.mT).numpy()
    expected = {
        (b, i, int(similarity[b, i].argmax()))
        for b in range(B)
        for i in range(N)
        if similarity[b, :, similarity[b, i].argmax()].argmax() == i
    }
    got = torch.stack([found.clips, found.sources, found.targets], 1).tolist()
    assert {tuple(x) for x in got} == expected and 10 < len(expected) < 0.8 * B * N
    soft = mine(first, second, where, replace(MINING, confidence=Confidence("q", 0.5))).positives
    assert len(soft.values) > 0.95 * B * N  # which is nearly every best match


def test_hard_q_keeps_mutual_nearest_neighbours_alone() -> None:
    first, second, where = scene(1.0)
    confidence = Confidence("q", threshold=0.3, hard_q=True)
    found = mine(first, second, where, replace(MINING, confidence=confidence)).positives
    similarity = first @ second.mT
    mutual = (similarity == similarity.amax(2, keepdim=True)) & (
        similarity == similarity.amax(1, keepdim=True)
    )
    expected = (mutual & (similarity >= 0.3)).nonzero()
    assert torch.equal(torch.stack(found[:3], 1), expected) and len(expected) > 10


def test_few_pairs_at_a_time_find_the_same() -> None:
    whole, parts = mine(*scene(), MINING), mine(*scene(), MINING, chunk=2 * N * N)
    for a, b in zip(whole.positives[:3], parts.positives[:3], strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(whole.variance, parts.variance)


@pytest.mark.parametrize("level", ["argmax", "q", "qt", "qtc"])
@pytest.mark.parametrize("signal", ["var_q", "var_t", "var_c", "fixed"])
def test_in_no_pairs_there_is_nothing(level: Any, signal: Any) -> None:
    first, second, where = scene()
    mining = replace(MINING, confidence=Confidence(level), curriculum=Curriculum(signal))
    mined = mine(first[:0], second[:0], Geometry(*(x[:0] for x in where)), mining)
    assert [len(x) for x in (*mined.positives, mined.variance, mined.residual)] == [0] * 6
    some = mine(first, second, where, mining)
    for one, other in zip(mined.positives, some.positives, strict=True):
        assert one.dtype == other.dtype
    assert mined.variance.dtype == some.variance.dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_may_be_in_half_precision(dtype: torch.dtype) -> None:
    first, second, where = scene(0.3)
    for level in ("argmax", "qt", "qtc"):
        mining = replace(MINING, confidence=Confidence(level), curriculum=Curriculum("var_c"))
        found = mine(first.to(dtype), second.to(dtype), where, mining)
        whole = mine(first, second, where, mining)
        same = {tuple(x) for x in torch.stack(found.positives[:3], 1).tolist()}
        expected = {tuple(x) for x in torch.stack(whole.positives[:3], 1).tolist()}
        assert len(same & expected) > 0.95 * len(expected) > 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": "t"}, r"^level: 't' is not one of argmax, q, qt, qtc$"),
        ({"threshold": 0.0}, r"^threshold: 0.0 must be above 0 and at most 1$"),
        ({"threshold": 1.5}, r"^threshold: 1.5 must be above 0 and at most 1$"),
        ({"threshold": float("nan")}, r"^threshold: nan must be"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Confidence(**change)
