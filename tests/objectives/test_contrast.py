from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.objectives.contrast import (
    Pairs,
    draw_cells,
    info_nce,
    log_sum_exp,
    similarity_of_pairs,
    stride_of,
    unit_cells,
)


def some_pairs() -> Pairs:
    return Pairs(torch.tensor([0, 0, 2, 2, 2]), torch.tensor([4, 1, 0, 0, 5]), torch.arange(5))


def test_unit_cells_are_rows_of_length_one() -> None:
    features = torch.randn(2, 5, 3, 4) * 7
    cells = unit_cells(features)
    assert cells.shape == (2, 12, 5)
    torch.testing.assert_close(cells.norm(dim=2), torch.ones(2, 12))
    expected = features[1, :, 2, 1] / features[1, :, 2, 1].norm()
    torch.testing.assert_close(cells[1, 2 * 4 + 1], expected)


@pytest.mark.parametrize(("size", "width", "stride"), [(128, 16, 8), (64, 16, 4), (132, 17, 8)])
def test_stride(size: int, width: int, stride: int) -> None:
    assert stride_of(torch.zeros(1, 2, 3, size, size), width) == stride


def test_only_the_anchors_rows() -> None:
    source, target = torch.randn(4, 6, 3), torch.randn(4, 7, 3)
    pairs = some_pairs()
    dense = source @ target.mT
    torch.testing.assert_close(
        similarity_of_pairs(source, target, pairs), dense[pairs.clips, pairs.sources]
    )


def test_sample_is_a_subset_in_order_without_repetition() -> None:
    pairs = Pairs(torch.arange(100) // 10, torch.arange(100), torch.arange(100) * 2)
    few = pairs.sample(30, torch.Generator().manual_seed(1))
    assert len(few.clips) == 30 == len(set(few.sources.tolist()))
    assert few.sources.tolist() == sorted(few.sources.tolist())
    assert torch.equal(few.targets, few.sources * 2)
    assert torch.equal(few.clips, few.sources // 10)
    assert pairs.sample(100, None) is pairs


def test_drawn_cells_know_their_videos() -> None:
    features, shown = torch.randn(4, 6, 3), torch.randint(0, 9, (4, 6))
    cells, owners = draw_cells(features, shown, 24, None)
    assert torch.equal(cells, features.flatten(0, 1))
    assert torch.equal(owners, shown.flatten())
    few, owners = draw_cells(features, shown, 10, torch.Generator().manual_seed(0))
    places = [int((cells == row).all(1).nonzero()) for row in few]
    assert len(set(places)) == 10
    assert owners.tolist() == [int(shown[place // 6, place % 6]) for place in places]


def unit_rows(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return F.normalize(torch.randn(*shape, dtype=dtype), dim=-1).requires_grad_()


def masked(anchors: Tensor, cells: Tensor, kept: Tensor, temperature: float) -> Tensor:
    logits = anchors @ cells.mT / temperature
    return logits.masked_fill(~kept, -torch.inf).logsumexp(1)


def test_log_sum_exp_and_its_gradient() -> None:
    anchors, cells = unit_rows(5, 4, dtype=torch.float64), unit_rows(9, 4, dtype=torch.float64)
    kept = torch.rand(5, 9) > 0.4
    kept[:, 3] = True

    def own(a: Tensor, c: Tensor) -> Tensor:
        return log_sum_exp(a, c, kept, 0.07, torch.float64)

    torch.testing.assert_close(own(anchors, cells), masked(anchors, cells, kept, 0.07))
    assert torch.autograd.gradcheck(own, (anchors, cells))


def test_log_sum_exp_in_bfloat16() -> None:
    anchors, cells = unit_rows(40, 64), unit_rows(300, 64)
    kept = torch.rand(40, 300) > 0.1
    results = [
        (value, *torch.autograd.grad(value.sum(), (anchors, cells)))
        for value in (
            log_sum_exp(anchors, cells, kept, 0.07, torch.bfloat16),
            masked(anchors, cells, kept, 0.07),
        )
    ]
    assert all(x.dtype == torch.float32 for x in results[0])
    for got, expected in zip(*results, strict=True):
        assert float(((got - expected).norm() / expected.norm()).detach()) < 0.02


def test_log_sum_exp_of_nothing_adds_nothing() -> None:
    anchors, cells, similarity = unit_rows(2, 4), unit_rows(3, 4), torch.rand(2, 5)
    kept = torch.tensor([[False] * 3, [True] * 3])
    others = log_sum_exp(anchors, cells, kept, 0.005)
    assert float(others[0].detach()) == -math.inf
    arguments = similarity, torch.tensor([1, 2]), torch.ones(2, 5, dtype=torch.bool), 0.005
    losses = info_nce(*arguments, others)
    assert float(losses[0].detach()) == float(info_nce(*arguments)[0])
    for gradient in torch.autograd.grad(losses[0], (anchors, cells)):
        assert float(gradient.abs().max()) == 0.0


def test_others_are_further_columns() -> None:
    similarity, positives = torch.rand(4, 7), torch.randint(0, 7, (4,))
    wide = torch.cat([similarity, torch.rand(4, 11)], 1)
    negatives = torch.rand(4, 18) > 0.5
    others = (wide[:, 7:] / 0.07).masked_fill(~negatives[:, 7:], -torch.inf).logsumexp(1)
    torch.testing.assert_close(
        info_nce(similarity, positives, negatives[:, :7], 0.07, others),
        info_nce(wide, positives, negatives, 0.07),
    )


def test_info_nce_is_that_of_a_direct_loop() -> None:
    similarity = torch.rand(6, 9) * 2 - 1
    positives = torch.randint(0, 9, (6,))
    negatives = torch.rand(6, 9) > 0.4
    losses = info_nce(similarity, positives, negatives, 0.07)
    for p in range(6):
        j = int(positives[p])
        positive = math.exp(float(similarity[p, j]) / 0.07)
        others = sum(
            math.exp(float(similarity[p, n]) / 0.07) for n in range(9) if negatives[p, n] and n != j
        )
        assert float(losses[p]) == pytest.approx(
            -math.log(positive / (positive + others)), rel=1e-4, abs=1e-6
        )


def test_without_negatives_the_loss_and_its_gradient_are_zero() -> None:
    similarity = torch.rand(2, 5, requires_grad=True)
    positives = torch.tensor([1, 3])
    none = torch.zeros(2, 5, dtype=torch.bool)
    loss = info_nce(similarity, positives, none, 0.07)
    assert loss.tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad(loss.sum(), similarity)
    assert float(gradient.abs().max()) == 0.0
