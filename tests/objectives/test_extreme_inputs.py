"""Losses, gradients, plans at the edges of what is allowed: finite, and near those of float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.mining.confidence import forward_backward, optimal_transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.objectives import Objective
from pixelkin.objectives.chained_distillation import ChainedDistillation
from pixelkin.objectives.distillation import Distillation
from pixelkin.objectives.known_geometry import KnownGeometry
from pixelkin.objectives.mined_contrast import MinedContrast
from pixelkin.objectives.random_walk import RandomWalk
from pixelkin.ops.transport import sinkhorn

CLIPS, SIDE, STRIDE = 4, 6, 8


def clips(views: int, *, black: bool = False) -> ClipBatch:
    shape = CLIPS, views, 3, SIDE * STRIDE, SIDE * STRIDE
    pictures = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return ClipBatch(
        views=pictures * (not black),
        to_frame=torch.eye(2, 3).repeat(CLIPS, views, 1, 1),
        times=torch.arange(views).expand(CLIPS, views) * 4,
        frame_size=torch.tensor([[64, 64]]).expand(CLIPS, 2),
        videos=torch.arange(CLIPS),
    )


KINDS = ("noise", "zero", "equal", "subnormal", "large", "opposed", "one cell")


def features(kind: str, views: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(CLIPS, views, 12, SIDE, SIDE, generator=generator, dtype=torch.float64)
    kinds = {
        "noise": noise,
        "zero": noise * 0,
        "equal": noise * 0 + 1,
        "subnormal": noise * 1e-41,
        "large": noise * 1e15,
        "opposed": noise[:, :1] * torch.tensor([1.0, -1.0]).repeat(views)[:views].view(-1, 1, 1, 1),
        "one cell": noise * (torch.arange(SIDE * SIDE).view(SIDE, SIDE) == 7),
    }
    return kinds[kind].to(dtype).requires_grad_()


OBJECTIVES: dict[str, Objective] = {
    "known_geometry": KnownGeometry(exclude=1, cross_video=20),
    "random_walk": RandomWalk(frames=3),
    "same_walk": RandomWalk(frames=3, end="same"),
    "distillation": Distillation(teachers=("random",)),
    "chained_distillation": ChainedDistillation(teachers=("random",)),
    **{
        f"mined {level}": MinedContrast(
            gaps=(4,), mining=Mining(Confidence(level), curriculum=Curriculum(signal))
        )
        for level, signal in (
            ("argmax", "fixed"),
            ("q", "var_q"),
            ("qt", "var_t"),
            ("qtc", "var_c"),
        )
    },  # type: ignore[arg-type]
}


def loss(name: str, f: Tensor, batch: ClipBatch) -> tuple[Tensor, dict[str, Any]]:
    ready = OBJECTIVES[name].prepare(STRIDE, torch.device("cpu"))
    return ready.loss(f, batch, 0.5, torch.Generator().manual_seed(0))


def views(name: str) -> int:
    return OBJECTIVES[name].prepare(STRIDE, torch.device("cpu")).clip.views


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_and_gradients_are_finite(name: str, kind: str) -> None:
    f = features(kind, views(name))
    value, figures = loss(name, f, clips(views(name)))
    value.backward()
    assert torch.isfinite(value) and float(value.detach()) >= -1e-6
    assert f.grad is not None and torch.isfinite(f.grad).all()
    assert all(torch.isfinite(torch.as_tensor(float(x))) for x in figures.values()), figures


@pytest.mark.parametrize("name", OBJECTIVES)
def test_black_videos_have_a_loss(name: str) -> None:
    value, _ = loss(name, features("equal", views(name)), clips(views(name), black=True))
    assert torch.isfinite(value)


@pytest.mark.parametrize("name", ["known_geometry", "random_walk", "same_walk", "mined argmax"])
def test_float32_is_near_float64(name: str) -> None:
    """A relative 1e-4 of the loss, 1e-3 of the gradient's greatest entry."""
    found = []
    for dtype in (torch.float32, torch.float64):
        f = features("noise", views(name), dtype)
        batch = clips(views(name))
        value, _ = loss(name, f, batch)
        value.backward()
        assert f.grad is not None
        found.append((value.detach().double(), f.grad.double()))
    (one, a), (other, b) = found
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert float((a - b).abs().max()) <= 1e-3 * float(b.abs().max())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_deterministic_algorithms_give_the_same(name: str) -> None:
    found = []
    try:
        for chosen in (False, True):
            torch.use_deterministic_algorithms(chosen)
            f = features("noise", views(name))
            value, _ = loss(name, f, clips(views(name)))
            value.backward()
            assert f.grad is not None
            found.append((value.detach(), f.grad))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("log_domain", [False, True])
@pytest.mark.parametrize("epsilon", [1e-3, 0.05, 10.0])
@pytest.mark.parametrize("kind", ["noise", "zero", "equal", "permutation", "negative", "one row"])
def test_plans_are_finite_and_keep_their_mass(kind: str, epsilon: float, log_domain: bool) -> None:
    noise = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0))
    cost = {
        "noise": noise,
        "zero": noise * 0,
        "equal": noise * 0 + 1,
        "permutation": 1 - torch.eye(9).flip(0).expand(2, 9, 9),
        "negative": -noise,
        "one row": noise[:, :1],
    }[kind]
    plan = sinkhorn(cost, epsilon=epsilon, max_iterations=200, log_domain=log_domain)[0]
    assert torch.isfinite(plan).all() and float(plan.min()) >= 0
    torch.testing.assert_close(plan.sum((1, 2)), torch.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-30])
def test_confidence_of_what_is_all_alike(value: float) -> None:
    """Nothing is told apart, so T is flat, 1 / N, wherever anything resembles anything."""
    q = forward_backward(torch.full((1, 16, 16), value))
    t = optimal_transport(q)
    assert torch.isfinite(q).all() and torch.isfinite(t).all()
    torch.testing.assert_close(t, torch.full((1, 16, 16), 1 / 16), atol=1e-4, rtol=0)
