"""The search equals the dense form in float64, whatever its bounds are worth."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pixelkin.ops import tiles
from pixelkin.ops.affinity import Cells, bounded, dense_topk, tiled, windowed_topk
from pixelkin.ops.affinity.blocks import Centres
from pixelkin.ops.affinity.bounds import Bounds, Exact, Short
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.ops.affinity.rounded import Rounded
from pixelkin.ops.host import as_on_a_device


def moving(g: torch.Generator, frames: int, h: int, w: int, channels: int) -> Tensor:
    """Cells that a few channels tell apart, on their way through the frame."""
    few = torch.randn(h, w, 4, generator=g) @ torch.randn(4, channels, generator=g)
    moved = torch.stack([few.roll((t, 2 * t), (0, 1)) for t in range(frames)])
    return moved + 0.1 * torch.randn(frames, h, w, channels, generator=g)


# How features of F x h x w cells with C channels come about.
KINDS: dict[str, Callable[[torch.Generator, int, int, int, int], Tensor]] = {
    # The basis tells nothing: bounds are loose.
    "noise": lambda g, f, h, w, c: torch.randn(f, h, w, c, generator=g),
    # The cells of a frame move on, as in a video.
    "moving": lambda g, f, h, w, c: moving(g, f, h, w, c),
    "duplicated frames": lambda g, f, h, w, c: torch.randn(1, h, w, c, generator=g).repeat(
        f, 1, 1, 1
    ),
    "all equal": lambda g, f, h, w, c: torch.randn(c, generator=g).expand(f, h, w, c),
    "zero": lambda _, f, h, w, c: torch.zeros(f, h, w, c),
    # Closer to each other than bfloat16 can tell.
    "near duplicates": lambda g, f, h, w, c: (
        torch.randn(3, c, generator=g)[torch.randint(3, (f, h, w), generator=g)]
        + 1e-3 * torch.randn(f, h, w, c, generator=g)
    ),
    "some zero": lambda g, f, h, w, c: (
        torch.randn(f, h, w, c, generator=g) * (torch.rand(f, h, w, 1, generator=g) < 0.7)
    ),
    # Far more in what is left out than in what is kept.
    "first frame unlike the rest": lambda g, f, h, w, c: torch.cat(
        [
            F.pad(torch.randn(1, h, w, 2, generator=g), (0, c - 2)),
            torch.randn(f - 1, h, w, c, generator=g),
        ]
    ),
}


def made(kind: str, frames: int, h: int, w: int, channels: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    features = KINDS[kind](g, frames, h, w, channels)
    return F.normalize(features, dim=3).permute(0, 3, 1, 2).contiguous()


def check(
    features: Tensor,
    bounds: Bounds,
    k: int,
    radius: float | None,
    restricted: list[bool],
) -> None:
    """The last frame is the target."""
    query, keys = features[-1], features[:-1]
    cells = Cells.of(keys, bounds), Cells.of(query[None], bounds)
    values, ids = windowed_topk(cells[1], cells[0], k, radius, restricted)
    expected, _ = dense_topk(query.double(), keys.double(), k, radius, restricted)
    allowed = expected > -torch.inf
    assert bool((ids >= 0).all())
    assert torch.equal(values > -torch.inf, allowed)
    scale = max(1.0, float(expected[allowed].abs().max()))
    torch.testing.assert_close(values.double(), expected, rtol=0, atol=1e-6 * scale)
    # The sources named have these similarities, are allowed, and none is named twice.
    h, w = query.shape[1:]
    sources = keys.double().flatten(2).transpose(1, 2).flatten(0, 1)[ids]
    again = torch.einsum("nkc,cn->nk", sources, query.double().flatten(1))
    torch.testing.assert_close(again[allowed], expected[allowed], rtol=0, atol=1e-6 * scale)
    rows = zip(ids, allowed, strict=True)
    assert all(len(set(row[ok].tolist())) == int(ok.sum()) for row, ok in rows)
    if radius is not None:
        at, cell = torch.arange(h * w)[:, None], ids % (h * w)
        squared = (at // w - cell // w) ** 2 + (at % w - cell % w) ** 2
        near = allowed & torch.tensor(restricted)[ids // (h * w)]
        assert bool((squared[near] < radius**2).all())


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    frames=st.integers(1, 7),
    h=st.integers(1, 26),
    w=st.integers(1, 26),
    channels=st.sampled_from([3, 8, 24]),
    kept=st.sampled_from([1, 4, 8, 40]),
    k=st.integers(1, 30),
    radius=st.one_of(st.none(), st.floats(0.5, 30)),
    form=st.sampled_from([Short, Rounded]),
    crowded=st.sampled_from([0, 3, bounded.CROWDED]),
    seed=st.integers(0, 2**16),
)
def test_the_search_equals_the_dense_form(
    kind: str,
    frames: int,
    h: int,
    w: int,
    channels: int,
    kept: int,
    k: int,
    radius: float | None,
    form: type[Short | Rounded],
    crowded: int,
    seed: int,
) -> None:
    features = made(kind, frames + 1, h, w, channels, seed)
    restricted = [t % 3 > 0 for t in range(frames)]
    bounds = form(features[:1].permute(0, 2, 3, 1), kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "CROWDED", crowded)
        check(features, bounds, k, radius, restricted)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    frames=st.integers(1, 7),
    h=st.integers(1, 26),
    w=st.integers(1, 26),
    channels=st.sampled_from([3, 24]),
    k=st.integers(1, 30),
    radius=st.one_of(st.none(), st.floats(0.5, 30)),
    side=st.sampled_from([1, 5, 32]),
    block=st.sampled_from([1, 2000, 2**26]),
    first=st.sampled_from([0, 1, 8]),
    seed=st.integers(0, 2**16),
)
def test_the_search_of_a_device_equals_the_dense_form(
    kind: str,
    frames: int,
    h: int,
    w: int,
    channels: int,
    k: int,
    radius: float | None,
    side: int,
    block: int,
    first: int,
    seed: int,
) -> None:
    """`first` references have no disc: none, one, or all."""
    features = made(kind, frames + 1, h, w, channels, seed)
    restricted = [t >= first for t in range(frames)]
    with pytest.MonkeyPatch.context() as patch, as_on_a_device():
        patch.setattr(tiles, "FAR_TILE", side)
        patch.setattr(tiled, "FAR_BLOCK", block)
        bounds = bounds_for(features[:1])
        assert isinstance(bounds, Exact)
        check(features, bounds, k, radius, restricted)


@pytest.mark.parametrize("form", [Short, Rounded])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_features_of_many_channels(kind: str, form: type[Short | Rounded]) -> None:
    features = made(kind, 5, 25, 31, 256, 1)
    check(features, form(features[:1].permute(0, 2, 3, 1)), 10, 9, [False, True, True, True])


@pytest.mark.parametrize("form", [Short, Rounded])
@pytest.mark.parametrize("likeness", [0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("size", [(24, 24), (25, 31)])
def test_one_source_far_away_is_found(
    form: type[Short | Rounded], likeness: float, size: tuple[int, int]
) -> None:
    """In a block of others, it is just better than the k-th, for one target of a tile."""
    g = torch.Generator().manual_seed(0)
    h, w = size
    frames = made("moving", 5, h, w, 64, 3)
    frames[1:] = F.normalize(frames[4:] + 1e-2 * torch.randn(4, 64, h, w, generator=g), dim=1)
    # The opposite of all that the target has, so that no block is wanted but for a planted cell.
    frames[0] = -frames[4]
    flags = [False, True, True, True]
    none, _ = dense_topk(frames[4], frames[:4], 8, 6, flags)
    for y, x in ((3, 2), (h - 1, w - 1), (0, w - 1), (h // 2, 5)):
        at, kth = y * w + x, float(none[y * w + x, -1])
        wanted = kth + likeness * (1 - kth) * 1e-2
        own, aside = frames[4, :, y, x], torch.randn(64, generator=g)
        aside = F.normalize(aside - (aside @ own) * own, dim=0)
        frames[0, :, h - 1 - y, w - 1 - x] = wanted * own + (1 - wanted**2) ** 0.5 * aside
        _, ids = dense_topk(frames[4], frames[:4], 8, 6, flags)
        assert (h * w - 1 - at) in ids[at].tolist()
    bounds = form(frames[4:].permute(0, 2, 3, 1), 24)
    check(frames, bounds, 8, 6, flags)


def test_a_frame_of_which_nothing_is_wanted() -> None:
    features = made("all equal", 4, 15, 15, 64, 0)
    features[0] *= -1
    for form in (Short, Rounded):
        check(features, form(features[:1].permute(0, 2, 3, 1), 24), 5, 8, [False, True, True])


def test_lengths_are_not_those_of_unit_vectors() -> None:
    g = torch.Generator().manual_seed(0)
    features = torch.randn(4, 80, 20, 20, generator=g) * torch.rand(4, 1, 20, 20, generator=g) * 9
    assert isinstance(bounds_for(features, rounded=True), Short)
    check(features, bounds_for(features), 7, 6, [True, False, True])
    # A frame that turns out longer than the first one was: no bound in bfloat16 holds for it.
    unit = F.normalize(features, dim=1)
    unit[2, :, 3, 3] *= 2
    check(unit, bounds_for(unit[:1], rounded=True), 7, 6, [True, False, True])


@pytest.mark.parametrize("factor", [30, 1e10])
@pytest.mark.parametrize("radius", [4, 8])
def test_frames_much_longer_than_the_first(factor: float, radius: float) -> None:
    g = torch.Generator().manual_seed(0)
    first, other = F.normalize(torch.randn(2, 1, 256, 30, 30, generator=g), dim=2)
    features = torch.cat([first, *[factor * other] * 3])
    bounds = bounds_for(first, rounded=True)
    assert isinstance(bounds, Rounded)
    found = windowed_topk(
        Cells.of(features[3:], bounds), Cells.of(features[:3], bounds), 10, radius, [True] * 3
    )
    expected = dense_topk(features[3].double(), features[:3].double(), 10, radius, [True] * 3)
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-5, atol=0)


def test_a_disc_without_end_is_none() -> None:
    features = torch.randn(3, 20, 7, 9, generator=torch.Generator().manual_seed(0))
    found = windowed_topk(features[2], features[:2], 5, float("inf"), [True, True])
    expected = dense_topk(features[2], features[:2], 5, None, [True, True])
    torch.testing.assert_close(found[0], expected[0])


def test_float64_stays_float64() -> None:
    g = torch.Generator().manual_seed(0)
    features = torch.randn(4, 70, 15, 15, generator=g, dtype=torch.float64)
    values, ids = windowed_topk(features[3], features[:3], 5, 4, [True] * 3)
    expected, expected_ids = dense_topk(features[3], features[:3], 5, 4, [True] * 3)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(ids, expected_ids)


@pytest.mark.parametrize("form", [Short, Rounded])
def test_bounds_that_do_not_hold_would_be_seen(
    form: type[Short | Rounded], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = made("moving", 6, 20, 20, 64, 0)
    bounds = form(features[:1].permute(0, 2, 3, 1), 6)
    check(features, bounds, 5, 8, [True] * 5)
    limit = bounds.limit
    monkeypatch.setattr(
        bounds, "limit", lambda kth, target, sources: limit(kth + 0.02, target, sources)
    )
    with pytest.raises(AssertionError):
        check(features, bounds, 5, 8, [True] * 5)


@pytest.mark.parametrize("form", [Short, Rounded])
def test_blocks_passed_wrongly_would_be_seen(
    form: type[Short | Rounded], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = made("moving", 6, 20, 20, 64, 0)
    features[0] = features[5]
    bounds = form(features[:1].permute(0, 2, 3, 1), 6)
    check(features, bounds, 5, 8, [False, *[True] * 4])
    wanted = Centres.wanted
    monkeypatch.setattr(Centres, "wanted", lambda own, x, far: wanted(own, x, far - 1))
    with pytest.raises(AssertionError):
        check(features, bounds, 5, 8, [False, *[True] * 4])


def test_what_is_looked_at_first_is_close_and_not_all() -> None:
    features = made("near duplicates", 5, 20, 20, 70, 0)
    values, _ = windowed_topk(features[4], features[:4], 5, 6, [True] * 4, thorough=False)
    expected, _ = dense_topk(features[4], features[:4], 5, 6, [True] * 4)
    assert float((expected - values).max()) > 1e-7
    torch.testing.assert_close(values, expected, rtol=0, atol=0.01)


def test_references_may_be_any_frames_in_store() -> None:
    features = made("moving", 5, 12, 15, 64, 1)
    slots, restricted = [3, 0, 2], [True, True, False]
    for rounded in (True, False):
        bounds = bounds_for(features[:1], rounded=rounded)
        query, keys = (Cells.of(x, bounds) for x in (features[4:], features[:4]))
        values, ids = windowed_topk(query, keys, 6, 4, restricted, slots)
        expected, expected_ids = dense_topk(features[4], features[slots], 6, 4, restricted)
        torch.testing.assert_close(values, expected)
        distinct = (expected.diff(dim=1).abs() > 1e-5).all(1)
        assert torch.equal(ids[distinct], expected_ids[distinct])


def test_half_precision_is_raised() -> None:
    g = torch.Generator().manual_seed(0)
    query, keys = (torch.randn(*n, 256, 6, 7, generator=g).bfloat16() for n in ((), (3,)))
    values, _ = windowed_topk(query, keys, 4, 3, [True, False, True])
    expected, _ = dense_topk(query.float(), keys.float(), 4, 3, [True, False, True])
    torch.testing.assert_close(values, expected)


def test_nothing_to_compare_is_an_error() -> None:
    query, keys = torch.randn(8, 6, 7), torch.randn(3, 8, 6, 7)
    for k, restricted, slots in ((0, [True] * 3, None), (4, [], [])):
        with pytest.raises(ValueError, match="at least 1"):
            windowed_topk(query, keys, k, 3, restricted, slots)
    with pytest.raises(ValueError, match="same bounds"):
        windowed_topk(Cells.of(query[None], bounds_for(query[None])), keys, 4, 3, [True] * 3)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_an_error(bad: float) -> None:
    query, keys = torch.randn(8, 6, 7), torch.randn(3, 8, 6, 7)
    for features in (query, keys[1], keys[0]):
        features[2, 3, 4], before = bad, float(features[2, 3, 4])
        with pytest.raises(ValueError, match="finite"):
            windowed_topk(query, keys, 4, 3, [True] * 3)
        with pytest.raises(ValueError, match="finite"), as_on_a_device():
            windowed_topk(query, keys, 4, 3, [True] * 3)
        features[2, 3, 4] = before
    windowed_topk(query, keys, 4, 3, [True] * 3)
