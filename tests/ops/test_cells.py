"""Features laid out for the products, and their rounded form."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pixelkin.ops.affinity import SLACK
from pixelkin.ops.cells import ABOVE, Cells, fast_bfloat16, half_squared


def test_rounded_rows_multiply_to_minus_half_the_squared_distance() -> None:
    torch.manual_seed(0)
    features = F.normalize(torch.randn(2, 50, 4, 5), dim=1)
    cells = Cells.of(features, rounded=True)
    assert cells.rounded is not None and cells.rounded.shape == (2, 4, 5, 64)
    vectors = features.permute(0, 2, 3, 1).bfloat16().double()
    distances = torch.cdist(vectors[0].view(20, 50), vectors[1].view(20, 50))
    product = cells.queries[0].double().view(20, -1) @ cells.rounded[1].double().view(20, -1).T
    torch.testing.assert_close(product, -distances.square() / 2 - ABOVE, rtol=0, atol=SLACK / 2)


def test_bits_of_products_ascend_with_the_distance() -> None:
    torch.manual_seed(0)
    features = F.normalize(torch.randn(1, 50, 20, 20), dim=1)
    near = F.normalize(features + 0.003 * torch.randn(1, 50, 20, 20), dim=1)
    cells = Cells.of(torch.cat([features, near, features.roll(3, 3)]), rounded=True)
    assert cells.rounded is not None
    rows = cells.rounded.view(1200, -1)
    bits = (cells.queries[0].view(400, -1) @ rows.T).view(torch.int16)
    assert int(bits.max()) < -128  # all below zero, also those of features with themselves
    distances = half_squared(bits)
    assert torch.equal(bits.long().sort(1).values, bits.gather(1, distances.argsort(1)).long())
    vectors = cells.exact.bfloat16().double().view(1200, -1)
    expected = torch.cdist(vectors[:400], vectors).square() / 2
    torch.testing.assert_close(distances.double(), expected, rtol=2**-8, atol=2 * SLACK)


def test_eta_is_the_distance_that_rounding_moves_a_feature() -> None:
    torch.manual_seed(0)
    features = F.normalize(torch.randn(3, 40, 6, 7), dim=1)
    moved = (features - features.bfloat16().float()).norm(dim=1)
    eta = Cells.of(features, rounded=True).eta
    torch.testing.assert_close(eta, moved)
    assert 1e-4 < float(eta.mean()) < 2**-8


@pytest.mark.parametrize("factor", [0.5, 1.0001, 0.0, torch.nan])
def test_only_unit_lengths_are_rounded(factor: float) -> None:
    features = F.normalize(torch.randn(1, 8, 3, 3), dim=1)
    assert Cells.of(features, rounded=True).rounded is not None
    features[0, :, 1, 1] *= factor
    assert Cells.of(features, rounded=True).rounded is None


def test_frames_are_stored_in_slots() -> None:
    features = F.normalize(torch.randn(2, 8, 3, 4), dim=1)
    first, second = (Cells.of(f[None], rounded=True) for f in features)
    bank = first.resized(3)
    bank.put(0, first)
    bank.put(2, second)
    torch.testing.assert_close(bank.features([2, 0]), features[[1, 0]])
    assert bank.rounded is not None and second.rounded is not None
    assert torch.equal(bank.rounded[2], second.rounded[0])
    bank.put(1, Cells.of(2 * features[:1], rounded=True))
    assert bank.rounded is None  # one frame that cannot be searched so ends it for all


def test_fast_bfloat16_is_what_the_processor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for says, fast in (({"amx_bf16": True}, True), ({"avx512_bf16": True}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda says=says: says, raising=False)
        assert fast_bfloat16(cpu) is fast_bfloat16() is fast
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fast_bfloat16(cpu) is False
