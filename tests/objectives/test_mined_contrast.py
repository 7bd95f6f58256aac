from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.mining.confidence import forward_backward, optimal_transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Negatives
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.objectives.mined_contrast import MinedContrast

B, SIDE, STRIDE = 3, 8, 8
N = SIDE**2


def clips(gap: int = 8, shift: float = 0.0) -> ClipBatch:
    to_frame = torch.eye(2, 3).repeat(B, 2, 1, 1)
    to_frame[:, 1, 0, 2] = shift
    return ClipBatch(
        views=torch.zeros(B, 2, 3, SIDE * STRIDE, SIDE * STRIDE),
        to_frame=to_frame,
        times=torch.tensor([[0, gap]]).expand(B, 2),
        frame_size=torch.tensor([[256, 256]]).expand(B, 2),
        videos=torch.arange(B),
    )


def features(noise: float = 0.5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(B, 1, 12, SIDE, SIDE, generator=generator)
    return torch.cat([first, first + noise * torch.randn(first.shape, generator=generator)], 1)


def direct_loss(f: Tensor, objective: MinedContrast, m2: float) -> tuple[float, int]:
    """The loss pair by pair from dense matrices; cells further than the window never matter."""
    f = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    threshold, settings = objective.mining.confidence.least, objective.mining.negatives
    losses = []
    for b in range(B):
        similarity = f[b, 0].T @ f[b, 1]
        t = optimal_transport(forward_backward(similarity.float()))
        for i in range(N):
            for j in range(N):
                apart = max(abs(i % SIDE - j % SIDE), abs(i // SIDE - j // SIDE))
                if t[i, j] < threshold or apart * STRIDE > (2 + 0.5) * 256 / 32:
                    continue
                row = similarity[i].tolist()
                candidates = [
                    n
                    for n in range(N)
                    if max(abs(n % SIDE - j % SIDE), abs(n // SIDE - j // SIDE)) > settings.exclude
                ]
                candidates.sort(key=lambda n: row[n])
                last = len(candidates) - 1
                kept = [n for rank, n in enumerate(candidates) if rank / last <= m2]
                if len(kept) < settings.floor:
                    kept = candidates[: settings.floor]
                total = sum(math.exp(row[n] / objective.temperature) for n in [*kept, j])
                if settings.cross_video:  # all cells of other videos, however similar
                    others = f[b, 0, :, i] @ f[[o for o in range(B) if o != b], 1]
                    total += float((others / objective.temperature).exp().sum())
                losses.append(math.log(total) - row[j] / objective.temperature)
    return sum(losses) / len(losses), len(losses)


@pytest.mark.parametrize(("exclude", "cross_video"), [(0, 0), (1, 0), (1, B * N)])
@pytest.mark.parametrize("m2", [0.05, 0.4, 1.0])
def test_loss_is_that_of_a_direct_loop(m2: float, exclude: int, cross_video: int) -> None:
    mining = Mining(
        negatives=Negatives(exclude=exclude, cross_video=cross_video, floor=10),
        curriculum=Curriculum("fixed", low=0.0, high=m2),
    )
    objective = MinedContrast(mining=mining, temperature=0.5)
    f = features()
    loss, figures = objective(f, clips(), 0.0)
    expected, count = direct_loss(f, objective, m2)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert figures["positives"] == pytest.approx(count / (B * N)) and count > 50
    assert figures["m2"] == m2
    if m2 == 1.0:
        assert figures["negatives"] == 1.0


@pytest.mark.parametrize("positives", ["argmax", "q", "qt", "qtc"])
@pytest.mark.parametrize("hardness", ["rank", "cosine"])
@pytest.mark.parametrize("signal", ["fixed", "clock", "var_q", "var_t", "var_c"])
def test_every_combination_learns(positives: Any, hardness: Any, signal: Any) -> None:
    mining = Mining(
        confidence=Confidence(positives),
        negatives=Negatives(hardness, cross_video=50),
        curriculum=Curriculum(signal, low=0.2),
    )
    objective = MinedContrast(mining=mining, max_pairs=60)
    f = features().requires_grad_()
    loss, figures = objective(f, clips(), 0.5, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(loss, f)
    assert bool(gradient.isfinite().all())
    assert bool((gradient.abs().sum((0, 2, 3, 4)) > 0).all())  # both views learn
    assert all(math.isfinite(v) for v in figures.values())
    assert 0 < figures["positives"] <= 1 and 0.2 <= figures["m2"] <= 1
    assert (figures["variance"] > 0) == signal.startswith("var_")
    if positives == "argmax":
        assert figures["positives"] == 1.0


def test_gradient_is_that_of_the_loss_with_mining_held_fixed() -> None:
    """Finite differences along random directions, too small to change what is mined."""
    mining = Mining(curriculum=Curriculum("fixed", high=0.6, low=0.0))
    objective = MinedContrast(mining=mining)
    f = features().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(f, clips(), 0.0)[0], f)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(f.shape, generator=generator)
        direction /= direction.norm()
        ahead, behind = (
            float(objective(f.detach() + step * direction, clips(), 0.0)[0])
            for step in (2e-3, -2e-3)
        )
        slope = float((gradient * direction).sum())
        assert (ahead - behind) / 4e-3 == pytest.approx(slope, abs=2e-3)


def test_untrained_cosines_still_give_a_loss() -> None:
    # All cosines are near 0.95: an absolute m2 leaves no negative, only the floor.
    f = features() * 0.05 + 1.0

    def objective(floor: int) -> MinedContrast:
        curriculum = Curriculum("fixed", low=0.3, high=0.3)
        negatives = Negatives("cosine", floor=floor)
        return MinedContrast(
            mining=Mining(Confidence("argmax"), negatives=negatives, curriculum=curriculum)
        )

    loss, figures = objective(32)(f, clips(), 0.0)
    assert figures["on_floor"] == 1.0
    assert 0 < figures["negatives"] < 1
    assert float(loss) > 1.0
    loss, figures = objective(0)(f, clips(), 0.0)
    assert loss.item() == 0.0 and figures["negatives"] == 0.0


def test_no_positive_at_all_is_a_loss_of_zero() -> None:
    f = features(noise=0.1).requires_grad_()
    loss, figures = MinedContrast()(f, clips(shift=5000.0), 0.0)
    assert loss.item() == 0.0 and figures["positives"] == 0.0
    loss.backward()
    assert f.grad is not None and float(f.grad.abs().sum()) == 0.0
    assert set(figures) == set(MinedContrast()(f, clips(), 0.0)[1])


def test_window_follows_the_crop() -> None:
    # The second crop starts two cells further right, and so do its features: all of the overlap
    # matches. With the offset not told, motion of two cells is seen; of four is too much.
    f = features(noise=0.0)
    moved = f.clone()
    moved[:, 1] = f[:, 0].roll(-4, -1)
    told = MinedContrast()(moved, clips(shift=4.0 * STRIDE), 0.0)[1]
    hidden = MinedContrast()(moved, clips(), 0.0)[1]
    assert told["positives"] == pytest.approx(4 / 8)
    assert hidden["positives"] == 0.0


def test_curriculum_moves_and_resumes() -> None:
    mining = Mining(curriculum=Curriculum(v_ref=1.0))
    objective, other = (MinedContrast(mining=mining) for _ in range(2))
    seen = [objective(features(noise), clips(), 0.0)[1] for noise in (3.0, 0.3, 0.3)]
    assert seen[0]["variance"] < seen[1]["variance"]
    assert seen[0]["m2"] < seen[1]["m2"] < seen[2]["m2"]
    other.load_state_dict(objective.state_dict())
    a, b = (o(features(0.5), clips(), 0.0)[1]["m2"] for o in (objective, other))
    assert a == b
    fresh = MinedContrast(mining=mining)
    fresh.load_state_dict(MinedContrast().state_dict())
    assert fresh(features(3.0), clips(), 0.0)[1] == seen[0]


def test_prepared_begins_anew() -> None:
    objective = MinedContrast(mining=Mining(curriculum=Curriculum(v_ref=1.0)))
    first, other = (objective.prepare(8, torch.device("cpu")) for _ in range(2))
    before = first(features(3.0), clips(), 0.0)[1]["m2"]
    after = first(features(0.3), clips(), 0.0)[1]["m2"]
    assert objective.state_dict() == {"average": None} != first.state_dict()
    assert other(features(3.0), clips(), 0.0)[1]["m2"] == before < after


def test_clock_reads_the_progress() -> None:
    objective = MinedContrast(mining=Mining(curriculum=Curriculum("clock", low=0.2)))
    m2 = [objective(features(), clips(), p)[1]["m2"] for p in (0.0, 0.5, 1.0)]
    assert m2 == pytest.approx([0.2, 0.6, 1.0])


def test_float32_under_autocast() -> None:
    f = features()
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = MinedContrast()(f, clips(), 0.0)
    torch.testing.assert_close(mixed, MinedContrast()(f, clips(), 0.0)[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gaps": (0,)}, r"^gaps: 0 must be at least 1$"),
        ({"gaps": ()}, r"^gaps: give at least one"),
        ({"temperature": 0.0}, r"^temperature: 0.0 must be above 0$"),
        ({"max_pairs": 0}, r"^max_pairs: 0 must be at least 1$"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MinedContrast(**change)


def test_m1_lies_below_every_m2() -> None:
    with pytest.raises(ValueError, match=r"^negatives.m1: 0.9 must lie in \[0, 0.3\], below every"):
        Mining(negatives=Negatives(m1=0.9))
    assert Mining(negatives=Negatives(m1=0.9), curriculum=Curriculum("fixed")).negatives.m1 == 0.9


def test_of_one_candidate_that_is_taken_all_are_negatives() -> None:
    """Two cells, of which the positive is one."""
    batch = ClipBatch(
        views=torch.zeros(1, 2, 3, 8, 16),
        to_frame=torch.eye(2, 3).expand(1, 2, 2, 3),
        times=torch.tensor([[0, 8]]),
        frame_size=torch.tensor([[256, 256]]),
        videos=torch.zeros(1, dtype=torch.long),
    )
    mining = Mining(confidence=Confidence("argmax"), negatives=Negatives(exclude=0))
    f = torch.eye(2).view(1, 1, 2, 1, 2).expand(1, 2, 2, 1, 2)
    figures = MinedContrast(mining=mining, max_pairs=1)(f, batch, 0.0)[1]
    assert figures["negatives"] == 1.0
