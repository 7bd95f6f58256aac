from __future__ import annotations

import math

import pytest
import torch

from pixelkin.objectives.contrast import (
    Pairs,
    info_nce,
    similarity_of_pairs,
    similarity_to_others,
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


def test_others_are_cells_of_other_videos() -> None:
    anchors, target = torch.randn(5, 3), torch.randn(4, 6, 3)
    videos = torch.tensor([7, 3, 7, 9])
    own = torch.tensor([7, 3, 9, 1, 7])
    similarity, other = similarity_to_others(anchors, own, target, videos, 24, None)
    assert similarity.shape == other.shape == (5, 24)
    # All 24 cells were drawn: count for each anchor those that are not of its video.
    assert other.sum(1).tolist() == [12, 18, 18, 24, 12]
    everything = (anchors @ target.flatten(0, 1).mT).sort(1).values
    torch.testing.assert_close(similarity.sort(1).values, everything)
    few, _ = similarity_to_others(anchors, own, target, videos, 10, None)
    assert few.shape == (5, 10)


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


def test_info_nce_with_shares_is_that_of_a_direct_loop() -> None:
    similarity = torch.rand(1, 6)
    shares = torch.tensor([[0.0, 0.25, 0.75, 0.0, 0.0, 0.0]])
    negatives = torch.tensor([[True, True, False, False, True, False]])
    loss = info_nce(similarity, shares, negatives, 0.1)
    e = [math.exp(float(s) / 0.1) for s in similarity[0]]
    total = e[0] + e[1] + e[2] + e[4]
    expected = -0.25 * math.log(e[1] / total) - 0.75 * math.log(e[2] / total)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_one_hot_shares_are_the_positive() -> None:
    similarity, positives = torch.rand(4, 7), torch.randint(0, 7, (4,))
    negatives = torch.rand(4, 7) > 0.5
    shares = torch.nn.functional.one_hot(positives, 7).float()
    torch.testing.assert_close(
        info_nce(similarity, shares, negatives, 0.07),
        info_nce(similarity, positives, negatives, 0.07),
    )


@pytest.mark.parametrize("shares", [False, True])
def test_without_negatives_the_loss_and_its_gradient_are_zero(shares: bool) -> None:
    similarity = torch.rand(2, 5, requires_grad=True)
    positives = torch.tensor([1, 3])
    one_hot = torch.nn.functional.one_hot(positives, 5).float()
    none = torch.zeros(2, 5, dtype=torch.bool)
    loss = info_nce(similarity, one_hot if shares else positives, none, 0.07)
    assert loss.tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad(loss.sum(), similarity)
    assert float(gradient.abs().max()) == 0.0
