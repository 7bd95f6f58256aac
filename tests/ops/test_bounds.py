"""No similarity exceeds its bound; features laid out for the search."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pixelkin.ops.affinity import Cells
from pixelkin.ops.affinity.bounds import Short, shortened, worst
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.ops.affinity.rounded import Rounded, half_squared


def features(channels: int = 80, noise: float = 0.1) -> torch.Tensor:
    """Unit vectors, 2 x 20 x 20 x C, those of the second frame close to those of the first."""
    g = torch.Generator().manual_seed(0)
    few = torch.randn(20, 20, 5, generator=g) @ torch.randn(5, channels, generator=g)
    both = torch.stack([few, few]) + noise * torch.randn(2, 20, 20, channels, generator=g)
    return F.normalize(both, dim=3)


@pytest.mark.parametrize("noise", [0.0, 0.1, 10.0])
@pytest.mark.parametrize("kept", [0, 1, 5, 55, 79])
def test_no_similarity_exceeds_its_bound(kept: int, noise: float) -> None:
    x = features(noise=noise)
    exact = x[0].double().view(400, -1) @ x[1].double().view(400, -1).T
    for bounds in (Short(x[:1], kept), Rounded(x[:1], kept)):
        rows, spread = bounds.rows(x)
        queries = bounds.queries(rows[0]).view(400, -1)
        distances = bounds.distances(rows[1].view(400, -1), queries)  # sources x targets
        limits = bounds.limit(exact.float(), spread[0], spread[1])
        assert bool((limits >= distances.T).all())
        assert bool((distances < worst(distances.dtype)).all())
        nothing_known = bounds.limit(torch.tensor(-torch.inf), spread[0], spread[1])
        assert bool((distances <= nothing_known).all()) and nothing_known < worst(distances.dtype)


def test_bounds_of_video_like_features_are_tight() -> None:
    x = features(noise=0.01)
    short = Short(x[:1], 5)
    rows, _ = short.rows(x)
    assert rows.shape == (2, 20, 20, 6)
    bound = -short.distances(rows[1].view(400, -1), short.queries(rows[0]).view(400, -1))
    exact = x[1].view(400, -1) @ x[0].view(400, -1).T
    assert 0 < float((bound - exact).mean()) < 0.01


def test_shortening_keeps_lengths_and_lengthens_no_distance() -> None:
    x = features().double()
    basis, _ = torch.linalg.qr(torch.randn(80, 80, dtype=torch.float64))
    short = shortened(x, basis, 7)
    torch.testing.assert_close(short.norm(dim=3), x.norm(dim=3))
    before, after = (torch.cdist(y[0].view(400, -1), y[1].view(400, -1)) for y in (x, short))
    assert bool((after <= before + 1e-12).all())


def test_few_channels_are_compared_as_they_are() -> None:
    x = features(channels=7)
    rows, longest = Short(x[:1]).rows(x * 3)
    assert torch.equal(rows, x * 3)
    torch.testing.assert_close(longest, torch.full((2,), 3.0))


def test_rounded_products_are_half_the_squared_distances_in_order() -> None:
    x = features()
    rounded = Rounded(x[:1], 20)
    rows, eta = rounded.rows(x)
    assert rows.dtype == torch.bfloat16 and rows.shape[-1] % 32 == 0
    assert float(eta.min()) > 1e-4 and float(eta.max()) < 2**-8
    bits = rounded.distances(rows[1].view(400, -1), rounded.queries(rows[0]).view(400, -1))
    assert int(bits.max()) < -128  # all below zero
    found = half_squared(bits)
    assert torch.equal(bits.long().sort(0).values, bits.gather(0, found.argsort(0)).long())
    vectors = rows[..., :21].double().view(2, 400, -1)
    expected = torch.cdist(vectors[1], vectors[0]).square() / 2
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=4e-5)


def test_bounds_are_in_bfloat16_where_asked_for_and_lengths_allow_it() -> None:
    unit = features().permute(0, 3, 1, 2)
    assert isinstance(bounds_for(unit, rounded=True), Rounded)
    assert isinstance(bounds_for(unit, rounded=False), Short)
    assert isinstance(bounds_for(0.5 * unit, rounded=True), Rounded)
    assert isinstance(bounds_for(1.01 * unit, rounded=True), Short)
    assert isinstance(bounds_for(unit.double(), rounded=True), Short)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("channels", [8, 80])
def test_frames_are_stored_in_slots(channels: int, rounded: bool) -> None:
    grids = features(channels).permute(0, 3, 1, 2)
    bounds = bounds_for(grids[:1], rounded=rounded)
    first, second = (Cells.of(f[None], bounds) for f in grids)
    bank = first.resized(3)
    bank.put(0, first)
    bank.put(2, second)
    torch.testing.assert_close(bank.features([2, 0]), list(grids[[1, 0]]))
    for name in ("exact", "rows", "spread"):
        assert torch.equal(getattr(bank, name)[2], getattr(second, name)[0])
    whole = channels == 8 and not rounded
    assert (bank.rows is bank.exact) is whole
    cells = 3 * 400
    width = 0 if whole else bank.rows.shape[-1] * bank.rows.element_size()
    assert bank.nbytes == cells * (4 * channels + width) + 12
