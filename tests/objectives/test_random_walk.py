from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.objectives.random_walk import RandomWalk, palindromes, transition


def clips(b: int = 2, v: int = 4) -> ClipBatch:
    return ClipBatch(
        views=torch.zeros(b, v, 3, 32, 32),
        to_frame=torch.eye(2, 3).expand(b, v, 2, 3),
        times=torch.arange(v).expand(b, v),
        frame_size=torch.tensor([[32, 32]]).expand(b, 2),
        videos=torch.arange(b),
    )


def features(b: int = 2, v: int = 4) -> Tensor:
    return torch.randn(b, v, 5, 3, 3, generator=torch.Generator().manual_seed(0))


def explicit_walks(f: Tensor, tau: float) -> list[Tensor]:
    f = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    v = f.shape[1]
    affinity = [f[:, t].mT @ f[:, t + 1] / tau for t in range(v - 1)]
    forward = [torch.softmax(a, 2) for a in affinity]
    backward = [torch.softmax(a.mT, 2) for a in affinity]
    walks = []
    for k in range(1, v):
        product = torch.eye(f.shape[3], dtype=torch.float64)
        for matrix in forward[:k] + backward[:k][::-1]:
            product = product @ matrix
        walks.append(product)
    return walks


def test_loss_is_that_of_explicit_products() -> None:
    f = features()
    objective = RandomWalk(edge_dropout=0.0, temperature=0.1)
    loss, figures = objective(f, clips(), 0.0)
    walks = explicit_walks(f, 0.1)
    losses = [
        -math.log(float(w[b, i, i])) for w in walks for b in range(2) for i in range(w.shape[1])
    ]
    assert float(loss) == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    expected = (walks[-1].argmax(2) == torch.arange(9)).double().mean()
    assert figures["accuracy"] == pytest.approx(float(expected))
    returned = walks[-1].diagonal(dim1=1, dim2=2).mean()
    assert figures["returned"] == pytest.approx(float(returned), rel=1e-4)


def test_walks_stay_stochastic() -> None:
    there = [torch.rand(2, 6, 6).softmax(2) for _ in range(3)]
    back = [torch.rand(2, 6, 6).softmax(2) for _ in range(3)]
    for walk in palindromes(there, back):
        torch.testing.assert_close(walk.sum(2), torch.ones(2, 6))


def test_distinct_nodes_that_stay_come_home() -> None:
    f = torch.randn(1, 1, 64, 3, 3).expand(1, 4, 64, 3, 3)
    loss, figures = RandomWalk(edge_dropout=0.0)(f, clips(1), 0.0)
    assert figures["accuracy"] == 1.0 and float(loss) < 0.01


def test_dropout_cuts_its_share_of_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    moves = transition(torch.zeros(4, 50, 50), 0.3, generator)
    assert float((moves == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(moves.sum(2), torch.ones(4, 50))


def test_a_node_that_loses_all_edges_keeps_them() -> None:
    moves = transition(torch.zeros(1, 200, 2), 0.9, torch.Generator().manual_seed(0))
    assert bool(moves.isfinite().all())
    torch.testing.assert_close(moves.sum(2), torch.ones(1, 200))


def test_gradient_flows_and_the_generator_decides() -> None:
    f = features().requires_grad_()
    losses = [RandomWalk()(f, clips(), 0.0, torch.Generator().manual_seed(s))[0] for s in (3, 3, 4)]
    assert losses[0].item() == losses[1].item() != losses[2].item()
    (gradient,) = torch.autograd.grad(losses[0], f)
    assert bool(gradient.isfinite().all())
    assert bool((gradient.abs().sum((0, 2, 3, 4)) > 0).all())


def test_sharp_walks_have_a_finite_gradient() -> None:
    f = (features() * 100).requires_grad_()
    loss = RandomWalk(temperature=0.002, edge_dropout=0.5)(f, clips(), 0.0)[0]
    (gradient,) = torch.autograd.grad(loss, f)
    assert bool(gradient.isfinite().all())


def test_float32_under_autocast() -> None:
    f = features()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = RandomWalk(edge_dropout=0.0)(f, clips(), 0.0)[0]
    torch.testing.assert_close(
        mixed, RandomWalk(edge_dropout=0.0)(f, clips(), 0.0)[0], rtol=0, atol=0
    )


@pytest.mark.parametrize(
    "change", [{"frames": 1}, {"gaps": (0,)}, {"temperature": 0.0}, {"edge_dropout": 1.0}]
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: "):
        RandomWalk(**change)  # type: ignore[arg-type]
