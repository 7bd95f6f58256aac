"""Shorter bounds: those of `Short` up to rounding, and what a search by them finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pixelkin.ops.affinity import Cells, dense_topk, windowed_topk
from pixelkin.ops.affinity.bounds import Bounds, Short
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.ops.affinity.shorter import Shorter, ShorterRounded, shorter_bounds
from pixelkin.propagation import FeaturePropagator, Protocol


def frames(count: int, channels: int) -> torch.Tensor:
    """Unit features that move on, of which 12 axes hold most: F x C x h x w."""
    g = torch.Generator().manual_seed(0)
    axes = torch.randn(12, channels, generator=g)
    still = (torch.randn(20, 24, 12, generator=g) @ axes).permute(2, 0, 1)
    moved = torch.stack([still.roll((t, 2 * t), (1, 2)) for t in range(count)])
    return F.normalize(moved + 0.5 * torch.randn(moved.shape, generator=g), dim=1)


@pytest.mark.parametrize("channels", [20, 32, 33, 100])
def test_rows_are_those_of_short(channels: int) -> None:
    features = frames(2, channels).permute(0, 2, 3, 1)
    ours, short = Shorter(features[:1], 31), Short(features[:1], 31)
    (rows, longest), (expected, most) = ours.rows(features), short.rows(features)
    torch.testing.assert_close(rows, expected, rtol=0, atol=2e-3)  # the length of what is left out
    torch.testing.assert_close(rows[..., :20], expected[..., :20], rtol=0, atol=1e-5)
    torch.testing.assert_close(longest, most)


@pytest.mark.parametrize("form", [Shorter, ShorterRounded])
def test_a_search_by_them_finds_nearly_the_best(
    form: type[Bounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelkin.ops.affinity.cells.fast_bfloat16", lambda: form is ShorterRounded)
    features = frames(5, 100)
    first = features[:1] if form is ShorterRounded else features[:1].half()
    bounds = shorter_bounds(first)
    assert type(bounds) is form
    query, keys = Cells.of(features[4:], bounds), Cells.of(features[:4], bounds)
    assert keys.rows.shape[-1] == 32
    near = [False, True, True, True]
    values, _ = windowed_topk(query, keys, 5, 6, near, thorough=False)
    expected, _ = dense_topk(features[4], features[:4], 5, 6, near)
    assert (values <= expected + 1e-5).all()
    assert (expected - values).mean() < 0.003
    assert (values[:, 0] > expected[:, 0] - 1e-5).float().mean() > 0.99


def test_they_are_for_the_approximate_mode_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelkin.ops.affinity.cells.fast_bfloat16", lambda: False)
    for fast, expected in ((True, Shorter), (False, Short)):
        engine = FeaturePropagator(replace(Protocol.named("davis"), fast=fast))
        engine.step(frames(1, 100)[0], torch.ones(1, 20, 24))
        assert type(engine.memory.cells.bounds) is expected
    monkeypatch.setattr("pixelkin.ops.affinity.cells.at_hand", lambda _: False)
    features = frames(1, 100)
    assert type(shorter_bounds(features)) is type(bounds_for(features))
