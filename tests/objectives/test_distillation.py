from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.models.encoder import load_encoder
from pixelkin.models.resnet import ResNet
from pixelkin.objectives.distillation import Distillation
from pixelkin.types import InputError

CPU = torch.device("cpu")


def clips(b: int = 3) -> ClipBatch:
    return ClipBatch(
        views=torch.rand(b, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1)),
        to_frame=torch.eye(2, 3).expand(b, 2, 2, 3),
        times=torch.tensor([0, 3]).expand(b, 2),
        frame_size=torch.tensor([[32, 32]]).expand(b, 2),
        videos=torch.arange(b),
    )


def features(b: int = 3) -> Tensor:
    return torch.randn(b, 2, 5, 4, 4, generator=torch.Generator().manual_seed(0))


def cosines(of: Tensor) -> Tensor:
    """From every cell of a first view to every cell of a second one, B x 2 x C x h x w."""
    unit = of.double() / of.double().norm(dim=2, keepdim=True)
    first, second = (unit[:, v].permute(0, 2, 3, 1).reshape(-1, of.shape[2]) for v in (0, 1))
    return first @ second.T


@torch.no_grad()
def taught(name: str, batch: ClipBatch) -> Tensor:
    found: Tensor = load_encoder(name)(batch.views.flatten(0, 1))
    return found.view(*batch.views.shape[:2], *found.shape[1:])


@pytest.mark.parametrize("teachers", [("lab",), ("lab", "random")])
def test_loss_is_the_divergence_from_the_mean_of_the_teachers(teachers: tuple[str, ...]) -> None:
    batch, tau = clips(), 0.2
    loss, figures = Distillation(teachers, temperature=tau).prepare(8, CPU)(features(), batch, 0.0)
    mean = torch.stack([cosines(taught(name, batch)) for name in teachers]).mean(0)
    p, q = (mean / tau).softmax(1), (cosines(features()) / tau).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    assert float(loss) == pytest.approx(float(divergence), rel=1e-4)
    same = (p.argmax(1) == q.argmax(1)).double().mean()
    assert figures["agreement"] == pytest.approx(float(same))


def test_the_teacher_itself_has_nothing_to_learn() -> None:
    batch = clips()
    own = taught("lab", batch).clone().requires_grad_()
    loss, figures = Distillation(("lab",)).prepare(8, CPU)(own, batch, 0.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-5)
    assert own.grad is not None and float(own.grad.abs().max()) < 1e-4
    assert figures["agreement"] == 1.0


def test_teachers_see_larger_views() -> None:
    """Each of their vectors is the mean of the four unit vectors that lie in the cell."""
    batch, tau = clips(), 0.2
    larger = torch.nn.Upsample(scale_factor=2, mode="bicubic")(batch.views.flatten(0, 1))
    with torch.no_grad():
        fine = load_encoder("lab")(larger).double()
    fine = fine / fine.norm(dim=1, keepdim=True)
    four = [fine[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
    mean = torch.stack(four).mean(0).unflatten(0, (3, 2))
    p, q = ((cosines(f) / tau).softmax(1) for f in (mean, features()))
    objective = Distillation(("lab",), temperature=tau, scales=(2,)).prepare(8, CPU)
    loss, _ = objective(features(), batch, 0.0)
    assert float(loss) == pytest.approx(float((p * (p / q).log()).sum(1).mean()), rel=1e-4)


def test_scales_stand_side_by_side() -> None:
    """As two teachers do: similarities are the mean of both, at 1.5 times between two cells."""
    batch, tau = clips(), 0.2
    seen = batch.views.flatten(0, 1)
    larger = torch.nn.Upsample(scale_factor=1.5, mode="bicubic")(seen)
    encoder = load_encoder("lab")
    with torch.no_grad():
        plain, fine = (encoder(x).double() for x in (seen, larger))
    plain, fine = (x / x.norm(dim=1, keepdim=True) for x in (plain, fine))
    # The middles of cells 0, 1, 2 lie at 0.25, 1.75, 3.25 of the finer grid, between its cells.
    h, w = plain.shape[-2:]
    weights = []
    for n in (h, w):
        middles = (torch.arange(n, dtype=torch.float64) + 0.5) * 1.5 - 0.5
        cells = torch.arange(round(1.5 * n), dtype=torch.float64)
        weights.append((1 - (middles[:, None] - cells).abs()).clamp(min=0))
    coarse = torch.einsum("bcyx,hy,wx->bchw", fine, *weights)
    both = [x.unflatten(0, (3, 2)) for x in (plain, coarse)]
    p = (sum(map(cosines, both)) / 2 / tau).softmax(1)
    q = (cosines(features()) / tau).softmax(1)
    objective = Distillation(("lab",), temperature=tau, scales=(1, 1.5)).prepare(8, CPU)
    loss, _ = objective(features(), batch, 0.0)
    assert float(loss) == pytest.approx(float((p * (p / q).log()).sum(1).mean()), rel=1e-4)


def test_what_teachers_see_inside_counts_beside_their_features() -> None:
    """Shares of cosines: of the first two stages, whitened over all cells, and of the features."""
    batch, tau = clips(), 0.2
    encoder = load_encoder("random")
    net = cast(ResNet, encoder.net)
    with torch.no_grad():
        x = (batch.views.flatten(0, 1) - encoder.mean) / encoder.std
        x = net.maxpool(net.bn1(net.conv1(x)).relu())
        first = net.layer1(x)
        second = net.layer2(first)
        last = encoder(batch.views.flatten(0, 1))
    assert first.shape[-1] == 8 and second.shape[-1] == last.shape[-1] == 4
    first = sum(first[..., y::2, x::2] for y in (0, 1) for x in (0, 1)) / 4
    maps = []
    for of, power in ((first, 0.8), (second, 0.8), (last, 0.0)):
        unit = (of / of.norm(dim=1, keepdim=True)).double()
        rows = unit.permute(0, 2, 3, 1).flatten(0, 2).numpy()
        lengths, axes = np.linalg.eigh(rows.T @ rows / len(rows))
        gains = (lengths.clip(0) + 1e-4 * lengths.max()) ** (-power / 2)
        rows = rows @ (axes * gains @ axes.T)
        maps.append(torch.tensor(rows).view(3, 2, 4, 4, -1).permute(0, 1, 4, 2, 3))
    mean = sum(s * cosines(m) for s, m in zip((0.3, 0.2, 0.5), maps, strict=True))
    p, q = (mean / tau).softmax(1), (cosines(features()) / tau).softmax(1)
    objective = Distillation(("random",), temperature=tau, inner=(0.3, 0.2), inner_power=0.8)
    loss, _ = objective.prepare(8, CPU)(features(), batch, 0.0)
    assert float(loss) == pytest.approx(float((p * (p / q).log()).sum(1).mean()), rel=1e-4)
    twice = replace(objective, teachers=("random", "random"), scales=(1, 1))
    assert float(twice.prepare(8, CPU)(features(), batch, 0.0)[0]) == pytest.approx(float(loss))


def test_anchors_are_a_sample_of_all() -> None:
    batch, objective = clips(), Distillation(("lab",), anchors=7).prepare(8, CPU)
    losses = [
        float(objective(features(), batch, 0.0, torch.Generator().manual_seed(s))[0])
        for s in range(200)
    ]
    whole, _ = Distillation(("lab",)).prepare(8, CPU)(features(), batch, 0.0)
    assert len(set(losses)) > 100
    assert sum(losses) / 200 == pytest.approx(float(whole), rel=0.05)


def test_one_anchor_is_enough() -> None:
    """Of one row the share that agrees is all or nothing."""
    batch, objective = clips(), Distillation(("lab",), anchors=1).prepare(8, CPU)
    assert {
        objective(features(), batch, 0.0, torch.Generator().manual_seed(s))[1]["agreement"]
        for s in range(20)
    } <= {0.0, 1.0}


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^teachers: give at least one"):
        Distillation(())
    with pytest.raises(ValueError, match=r"^gaps: give at least one"):
        Distillation(("lab",), gaps=())
    with pytest.raises(ValueError, match=r"^scales: give at least one"):
        Distillation(scales=())
    for scale in (0.5, 2.5, float("nan")):
        with pytest.raises(ValueError, match=r"^scales: "):
            Distillation(scales=(1, scale))
    with pytest.raises(ValueError, match=r"^inner: shares of 1 leave none for features"):
        Distillation(inner=(0.5, 0.5))
    with pytest.raises(ValueError, match=r"^inner: .* at least 0"):
        Distillation(inner=(-0.1,))
    with pytest.raises(ValueError, match=r"^inner_power: .* at most 1"):
        Distillation(inner_power=2)
    with pytest.raises(InputError, match="4 shares, but the teacher default has 3 stages"):
        Distillation(("default",), inner=(0.1,) * 4).prepare(8, CPU)
    with pytest.raises(InputError, match="2 shares, but the teacher lab has no stages"):
        Distillation(("lab",), inner=(0.1, 0.1)).prepare(8, CPU)
    with pytest.raises(InputError, match="nowhere"):
        Distillation((str(tmp_path / "nowhere"),)).prepare(8, CPU)
