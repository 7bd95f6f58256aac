from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.models.encoder import load_encoder
from pixelkin.objectives.chained_distillation import ChainedDistillation

CPU = torch.device("cpu")


def clips(b: int = 2, views: int = 4) -> ClipBatch:
    return ClipBatch(
        views=torch.rand(b, views, 3, 24, 32, generator=torch.Generator().manual_seed(1)),
        to_frame=torch.eye(2, 3).expand(b, views, 2, 3),
        times=(3 * torch.arange(views)).expand(b, views),
        frame_size=torch.tensor([[24, 32]]).expand(b, 2),
        videos=torch.arange(b),
    )


def features(b: int = 2, views: int = 4) -> Tensor:
    return torch.randn(b, views, 5, 3, 4, generator=torch.Generator().manual_seed(0))


def units(of: Tensor) -> list[list[list[list[float]]]]:
    """Unit vectors of the cells of each view of each clip."""
    rows = of.double().flatten(-2).mT
    found: list[list[list[list[float]]]] = (rows / rows.norm(dim=-1, keepdim=True)).tolist()
    return found


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def soft(logits: list[float]) -> list[float]:
    powers = [math.exp(x - max(logits)) for x in logits]
    return [p / sum(powers) for p in powers]


def carried(views: list[list[list[float]]], k: int, tau: float) -> list[list[list[float]]]:
    """Of each cell of each view, how much each cell of the first view has in it; cell by cell."""
    first = len(views[0])
    labels = [[[float(i == j) for i in range(first)] for j in range(first)]]
    for t in range(1, len(views)):
        pool = [pair for s in range(t) for pair in zip(views[s], labels[s], strict=True)]
        now = []
        for cell in views[t]:
            near = sorted(((dot(cell, c), label) for c, label in pool), key=lambda x: -x[0])[:k]
            shares = soft([similarity / tau for similarity, _ in near])
            now.append(
                [
                    sum(w * label[i] for w, (_, label) in zip(shares, near, strict=True))
                    for i in range(first)
                ]
            )
        labels.append(now)
    return labels


@pytest.mark.parametrize("k", [3, 30])  # the second view's cells have 12 before them
def test_loss_is_the_divergence_from_direct_matches_weighted_with_carried_ones(k: int) -> None:
    batch, own, tau = clips(), features(), 0.2
    with torch.no_grad():
        of_teacher = load_encoder("lab")(batch.views.flatten(0, 1)).unflatten(0, (2, 4))
    losses, agree, direct_too = [], [], []
    for taught, learns in zip(units(of_teacher), units(own), strict=True):
        told = carried(taught, k, 0.1)
        for t in range(1, 4):
            for j, cell in enumerate(taught[t]):
                direct = [dot(cell, c) / tau for c in taught[0]]
                p = soft(
                    [
                        math.log(share + 0.01) + s
                        for share, s in zip(told[t][j], direct, strict=True)
                    ]
                )
                q = soft([dot(learns[t][j], c) / tau for c in learns[0]])
                losses.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
                agree.append(p.index(max(p)) == q.index(max(q)))
                direct_too.append(p.index(max(p)) == direct.index(max(direct)))
    objective = ChainedDistillation(
        ("lab",), temperature=tau, top_k=k, carry_temperature=0.1, floor=0.01
    )
    loss, figures = objective.prepare(8, CPU)(own, batch, 0.0)
    assert float(loss) == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert figures["agreement"] == pytest.approx(sum(agree) / len(agree))
    assert figures["direct"] == pytest.approx(sum(direct_too) / len(direct_too))


def test_gradients_reach_all_views() -> None:
    own = features().requires_grad_()
    loss, _ = ChainedDistillation(("lab",)).prepare(8, CPU)(own, clips(), 0.0)
    loss.backward()
    assert own.grad is not None
    assert bool((own.grad.abs().amax(dim=(2, 3, 4)) > 0).all())


@pytest.mark.parametrize(("anchors", "each"), [(1, 1), (7, 3), (1000, 36)])
def test_anchors_are_the_same_cells_of_every_clip(anchors: int, each: int) -> None:
    own = features().requires_grad_()
    generator = torch.Generator().manual_seed(3)
    loss, _ = ChainedDistillation(("lab",), anchors=anchors).prepare(8, CPU)(
        own, clips(), 0.0, generator
    )
    loss.backward()
    assert own.grad is not None
    later = own.grad[:, 1:].abs().amax(dim=2).flatten(1) > 0
    assert later.sum(1).tolist() == [each, each]
    assert torch.equal(later[0], later[1])


def test_anchors_are_a_sample_of_all() -> None:
    batch, objective = clips(), ChainedDistillation(("lab",), anchors=7).prepare(8, CPU)
    losses = [
        float(objective(features(), batch, 0.0, torch.Generator().manual_seed(s))[0])
        for s in range(200)
    ]
    whole, _ = ChainedDistillation(("lab",)).prepare(8, CPU)(features(), batch, 0.0)
    assert len(set(losses)) > 100
    assert sum(losses) / 200 == pytest.approx(float(whole), rel=0.05)


def test_what_cannot_be_is_said() -> None:
    for name, value in {
        "gaps": (0, 1),
        "frames": 1,
        "top_k": 0,
        "carry_temperature": 0.0,
        "floor": 0.0,
    }.items():
        with pytest.raises(ValueError, match=f"^{name}: "):
            ChainedDistillation(**{name: value})  # type: ignore[arg-type]
