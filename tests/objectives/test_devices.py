"""What a GPU would do, shown on the CPU: the same results, and nothing that waits for numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pixelkin.data.augment import Augmentation, draw
from pixelkin.data.batch import ClipBatch
from pixelkin.data.rendering import prepare, render
from pixelkin.mining.confidence import Transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Negatives, negatives_in_band
from pixelkin.mining.positives import mine
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.mining.window import WindowSchedule
from pixelkin.objectives import Objective
from pixelkin.objectives.base import numbers
from pixelkin.objectives.chained_distillation import ChainedDistillation
from pixelkin.objectives.distillation import Distillation
from pixelkin.objectives.known_geometry import KnownGeometry
from pixelkin.objectives.mined_contrast import MinedContrast, geometry
from pixelkin.objectives.random_walk import RandomWalk
from pixelkin.ops.host import as_on_a_device
from pixelkin.ops.transport import sinkhorn

SIDE, STRIDE = 8, 8
# Each waits until the device has come to it, and copies from or to there.
LOOKS = {"tolist", "numpy", "cpu", "tensor", "as_tensor", "new_tensor", "from_numpy"}
# Operators that wait: as the size of what they give is not known beforehand, or, the one that item,
# float, int and bool call, for one number.
WAITS = {"nonzero", "masked_select", "_local_scalar_dense", "unique", "unique_consecutive"}


class Looks(TorchFunctionMode):
    """Counts what waits for a device: looks at numbers, and shapes that depend on them."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in LOOKS:
            self.count["look"] += 1
        return func(*args, **(kwargs or {}))


class Waits(TorchDispatchMode):
    """Counts operators that wait, whoever calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITS:
            self.count[name] += 1
        if name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1]):
            self.count["nonzero"] += 1
        return func(*args, **(kwargs or {}))


def waited(work: Callable[[], object]) -> dict[str, int]:
    """How often `work` waits, as on a GPU: looks at numbers, shapes that depend on them."""
    with as_on_a_device(), Looks() as looks, Waits() as waits:
        work()
    numbers = looks.count["look"] + waits.count["_local_scalar_dense"]
    shapes = sum(n for name, n in waits.count.items() if name != "_local_scalar_dense")
    return {"numbers": numbers, "shapes": shapes}


def test_what_waits_is_counted() -> None:
    x = torch.rand(5)
    assert waited(lambda: x.sum().item())["numbers"]
    assert waited(lambda: x.numpy())["numbers"]
    assert waited(lambda: x.tolist())["numbers"]
    assert waited(lambda: bool(x[0] > 0))["numbers"]
    assert waited(lambda: x[x > 0.5])["shapes"] == 1
    assert waited(lambda: x.argmax() + x.sort().values) == {"numbers": 0, "shapes": 0}


def clips(count: int, gap: int = 8, views: int = 2) -> ClipBatch:
    generator = torch.Generator().manual_seed(0)
    to_frame = torch.eye(2, 3).repeat(count, views, 1, 1)
    to_frame[:, 1, 0, 2] = 8 * torch.rand(count, generator=generator)
    return ClipBatch(
        views=torch.rand(count, views, 3, SIDE * STRIDE, SIDE * STRIDE, generator=generator),
        to_frame=to_frame,
        times=(gap * torch.arange(views)).expand(count, views),
        frame_size=torch.tensor([[256, 256]]).expand(count, 2),
        videos=torch.arange(count) // 2,
    )


def features(count: int, views: int = 2, noise: float = 0.4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(count, 1, 12, SIDE, SIDE, generator=generator)
    rest = torch.randn(count, views - 1, 12, SIDE, SIDE, generator=generator)
    return torch.cat([first, first + noise * rest], 1).requires_grad_()


def mining(level: Any, signal: Any, hardness: Any = "rank") -> Mining:
    return Mining(
        Confidence(level, threshold=0.2),
        Transport(epsilon=0.02, max_iterations=60, tolerance=1e-3),
        negatives=Negatives(hardness, floor=8, cross_video=100),
        curriculum=Curriculum(signal, low=0.4),
    )


def test_sinkhorn_never_waits() -> None:
    cost = torch.rand(3, 40, 40)
    for options in ({"epsilon": 0.05}, {"epsilon": 0.005}, {"log_domain": True, "dustbin": 0.4}):
        known = {"bounds": (0.0, 1.0), **options}
        assert waited(lambda k=known: sinkhorn(cost, **k)) == {"numbers": 0, "shapes": 0}
    assert waited(lambda: sinkhorn(cost))["numbers"] == 2  # for the least and the greatest cost


LEVELS = [("argmax", "fixed"), ("q", "var_q"), ("qt", "var_t"), ("qtc", "var_t"), ("qtc", "var_c")]


@pytest.mark.parametrize(("level", "signal"), LEVELS)
def test_mining_waits_for_the_number_of_positives_alone(level: str, signal: str) -> None:
    """However many clips there are; and finds the same as on the CPU."""
    counts = []
    for count in (2, 6):
        batch, f = clips(count), features(count).detach()
        cells = torch.nn.functional.normalize(f.flatten(3).mT, dim=-1).unbind(1)
        where = geometry(batch, (SIDE, SIDE))
        work = lambda c=cells, w=where: mine(*c, w, mining(level, signal))  # noqa: E731
        counts.append(waited(work))
        expected = work()
        with as_on_a_device():
            found = work()
        assert len(expected.positives.values) > 10
        for a, b in zip(found.positives[:3], expected.positives[:3], strict=True):
            assert torch.equal(a, b)
        torch.testing.assert_close(
            found.positives.values, expected.positives.values, atol=5e-3, rtol=0
        )
        torch.testing.assert_close(found.variance, expected.variance, atol=1e-3, rtol=1e-3)
    assert counts[0] == counts[1]
    assert counts[0]["numbers"] == 0
    assert counts[0]["shapes"] <= 3


OBJECTIVES: list[tuple[Objective, int, int]] = [
    (KnownGeometry(exclude=1, cross_video=50), 0, 4),
    (RandomWalk(frames=3), 0, 0),
    (RandomWalk(frames=3, end="warped"), 0, 0),
    (Distillation(teachers=("random",)), 0, 0),
    (ChainedDistillation(teachers=("random",)), 0, 0),
    (MinedContrast(mining=mining("qtc", "fixed")), 0, 3),
    (MinedContrast(mining=mining("qtc", "var_t")), 1, 3),  # m2 follows v
    (MinedContrast(mining=mining("qtc", "fixed", "cosine")), 0, 3),
    (MinedContrast(mining=mining("argmax", "clock")), 0, 0),
]


@pytest.mark.parametrize(("objective", "numbers", "shapes"), OBJECTIVES)
def test_objectives_do_not_wait(objective: Objective, numbers: int, shapes: int) -> None:
    """But for v, where m2 follows it, and for the number of their pairs."""
    ready = objective.prepare(STRIDE, torch.device("cpu"))
    views = ready.clip.views
    batch, f = clips(4, views=views), features(4, views)

    def loss() -> tuple[Tensor, dict[str, Any]]:
        return ready.loss(f, batch, 0.5, torch.Generator().manual_seed(0))

    def work() -> None:
        loss()[0].backward()

    found = waited(work)
    assert found["numbers"] <= numbers
    assert found["shapes"] <= shapes
    # The same loss, gradient and figures as on the CPU.
    results = []
    for device in (False, True):
        ready, f.grad = objective.prepare(STRIDE, torch.device("cpu")), None
        if device:
            with as_on_a_device():
                value, figures = loss()
                value.backward()
        else:
            value, figures = loss()
            value.backward()
        assert f.grad is not None
        told = torch.tensor([float(figures[k]) for k in sorted(figures)])
        results.append((value.detach(), f.grad.clone(), told))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3, equal_nan=True)
    assert float(results[0][0]) > 0


@pytest.mark.parametrize("gap", [0, 3, 8, 11, 16, 30, 32, 50])
def test_windows_are_the_same_without_a_look(gap: int) -> None:
    schedule, size = WindowSchedule(), torch.tensor([[256, 300]])
    expected = schedule.radius(torch.tensor([gap]), size)
    with as_on_a_device():
        torch.testing.assert_close(schedule.radius(torch.tensor([gap]), size), expected)


@pytest.mark.parametrize("hardness", ["rank", "cosine"])
def test_negatives_are_the_same_without_a_look(hardness: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    similarity = 2 * torch.rand(50, 64, generator=generator) - 1
    candidates = torch.rand(50, 64, generator=generator) < torch.linspace(0, 1, 50)[:, None]
    options = {"hardness": hardness, "floor": 8}
    for band in ((0.0, 0.3), (0.2, 0.9), (0.0, 1.0)):
        expected = negatives_in_band(similarity, candidates, *band, **options)
        with as_on_a_device():
            assert torch.equal(
                negatives_in_band(similarity, candidates, *band, **options), expected
            )


def test_views_are_made_without_a_look() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 60, 80, 3), dtype=np.uint8)
    kind = Augmentation(blur=0.7)
    views = [draw(kind, (60, 80), 32, (0.5, 0.5), rng) for _ in frames]
    prepared = prepare(views, [60 * 80 * k for k in range(4)], [(60, 80)] * 4, 32)
    pixels = torch.from_numpy(frames).flatten()
    assert len(prepared.blurred) and math.prod(prepared.largest)
    assert waited(lambda: render(pixels, prepared)) == {"numbers": 0, "shapes": 0}


def test_figures_are_looked_at_once() -> None:
    figures = {"a": torch.tensor(0.5), "b": 2, "c": torch.tensor(3.0, dtype=torch.float64)}
    with Looks() as looks, Waits() as waits:
        assert numbers(figures) == {"a": 0.5, "b": 2.0, "c": 3.0}
    assert looks.count["look"] + waits.count["_local_scalar_dense"] == 1
    assert numbers({"a": 0.25, "b": 2}) == {"a": 0.25, "b": 2.0}
