from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.mining.confidence import (
    forward_backward,
    is_near,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.mining.curriculum import variance
from pixelkin.mining.positives import mine_positives

B, SIDE = 3, 6
N = SIDE**2


def scene(noise: float = 0.6) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor]:
    """Features of two frames whose cells are the same up to noise and one cell of motion."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(B, N, 12, generator=generator)
    z = a.view(B, SIDE, SIDE, 12).roll(1, 2).reshape(B, N, 12)
    z = z + noise * torch.randn(B, N, 12, generator=generator)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    points = torch.stack([x, y], -1).float().view(1, N, 2).expand(B, N, 2) * 8
    first, second = (torch.nn.functional.normalize(f, dim=2) for f in (a, z))
    return first, second, (points, points), torch.tensor([12.0, 20.0, 28.0])


def dense(noise: float) -> dict[str, Tensor]:
    first, second, points, radius = scene(noise)
    similarity = first @ second.mT
    q = forward_backward(similarity)
    t = optimal_transport(q)
    window = is_near(points[0][:, :, None], points[1][:, None], radius[:, None, None])
    return {"s": similarity, "q": q, "t": t, "c": temporal_coherence(t, window)}


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("level", ["argmax", "q", "qt", "qtc"])
def test_positives_are_those_of_the_dense_matrices(level: Any, noise: float) -> None:
    found = mine_positives(*scene(noise), level=level, threshold=0.5).positives
    x = dense(noise)
    best = {"argmax": x["s"], "q": x["q"], "qt": x["t"], "qtc": x["c"]}[level]
    expected = best >= 0.5
    if level != "qtc":
        expected = torch.zeros_like(expected).scatter(2, best.argmax(2, keepdim=True), True)
        if level != "argmax":
            expected &= best >= 0.5
    got = torch.zeros_like(expected)
    got[found.clips, found.sources, found.targets] = True
    assert torch.equal(got, expected)
    assert int(expected.sum()) > 5
    torch.testing.assert_close(found.values, best[found.clips, found.sources, found.targets])


def test_c_is_a_partial_one_to_one_matching_inside_the_window() -> None:
    first, second, points, radius = scene(0.8)
    found = mine_positives(first, second, points, radius, threshold=0.52).positives
    for clip in range(B):
        own = found.where(found.clips == clip)
        assert len(set(own.sources.tolist())) == len(own.sources)
        assert len(set(own.targets.tolist())) == len(own.targets)
        shift = (points[0][clip, own.sources] - points[1][clip, own.targets]).abs()
        assert float(shift.max()) <= float(radius[clip])


@pytest.mark.parametrize("signal", ["var_q", "var_t", "var_c", "fixed"])
def test_variance_is_that_of_the_dense_matrices(signal: Any) -> None:
    mined = mine_positives(*scene(), signal=signal, level="q")
    x = dense(0.6)
    expected = {
        "var_q": variance(x["q"], normalize_rows=True),
        "var_t": variance(x["t"]),
        "var_c": variance(x["c"]),
        "fixed": torch.zeros(B),
    }[signal]
    torch.testing.assert_close(mined.variance, expected, rtol=1e-5, atol=1e-3)
    assert (float(mined.residual.max()) > 0) == (signal in ("var_t", "var_c"))


def test_hard_q_keeps_mutual_nearest_neighbours_alone() -> None:
    first, second, *rest = scene(1.0)
    found = mine_positives(first, second, *rest, level="q", hard_q=True, threshold=0.3).positives
    similarity = first @ second.mT
    mutual = (similarity == similarity.amax(2, keepdim=True)) & (
        similarity == similarity.amax(1, keepdim=True)
    )
    expected = (mutual & (similarity >= 0.3)).nonzero()
    assert torch.equal(torch.stack(found[:3], 1), expected) and len(expected) > 10


def test_few_pairs_at_a_time_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mine_positives(*scene())
    monkeypatch.setattr("pixelkin.mining.positives._CPU_CHUNK", 2 * N * N)
    parts = mine_positives(*scene())
    for a, b in zip(whole.positives[:3], parts.positives[:3], strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(whole.variance, parts.variance)
