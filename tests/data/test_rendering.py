"""Views of a batch at once equal those that are made one at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelkin.data.augment import Augmentation, View, draw, recolour, warp
from pixelkin.data.paste import cover_of, draw_outline
from pixelkin.data.rendering import cover, prepare, prepare_pieces, render

FULL = Augmentation(
    scale=(0.3, 1.0), aspect=1.5, rotation=25, blur=0.5, greyscale=0.2, brightness=0.5, hue=0.3
)


def textured(seed: int, height: int, width: int) -> np.ndarray:
    """Noise at all scales from 1 to 16 pixels, strong colours."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for side in (1, 4, 16):
        small = rng.integers(0, 256, (height // side + 2, width // side + 2, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(small).resize((width, height)), dtype=float)
    return (total / 3).astype(np.uint8)


def drawn(
    kind: Augmentation, frames: list[np.ndarray], size: int, seed: int
) -> tuple[list[View], torch.Tensor, torch.Tensor]:
    """Random views of the frames: as drawn, one at a time, at once."""
    rng = np.random.default_rng(seed)
    views = [draw(kind, f.shape[:2], size, (rng.random(), rng.random()), rng) for f in frames]
    each = [
        recolour(warp(f, v.to_frame, size), v.colour) for f, v in zip(frames, views, strict=True)
    ]
    sizes = [f.size for f in frames]
    offsets = [sum(sizes[:i]) // 3 for i in range(len(frames))]
    pixels = torch.from_numpy(np.concatenate([f.ravel() for f in frames]))
    prepared = prepare(views, offsets, [f.shape[:2] for f in frames], size)
    return views, torch.stack(each), render(pixels, prepared)


def random_frames(rng: np.random.Generator, count: int, low: int, high: int) -> list[np.ndarray]:
    sizes = rng.integers(low, high, (count, 2)).tolist()
    return [textured(k, h, w) for k, (h, w) in enumerate(sizes)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([32, 64, 128]), low=st.integers(40, 200))
def test_views_equal_those_made_one_at_a_time(seed: int, size: int, low: int) -> None:
    """Over frames of many sizes in one batch, magnified and made smaller."""
    frames = random_frames(np.random.default_rng(seed), 6, low, low + 120)
    _, each, batch = drawn(FULL, frames, size, seed)
    difference = (each - batch).abs() * 255
    assert float(difference.mean((1, 2, 3)).max()) < 0.1
    assert float(difference.max()) < 6
    # That is near: views drawn by other numbers are far from these.
    _, other, _ = drawn(FULL, frames, size, seed + 1)
    assert float((each - other).abs().mean()) * 255 > 10


def test_magnified_views_are_equal_up_to_float32() -> None:
    """Nothing is resized there, so that nothing is rounded to grey levels."""
    kind = Augmentation(scale=(0.1, 0.3), rotation=40)
    frames = random_frames(np.random.default_rng(0), 24, 60, 90)
    _, each, batch = drawn(kind, frames, 96, 0)
    torch.testing.assert_close(batch, each, atol=2e-4, rtol=0)


def test_a_view_does_not_depend_on_its_batch() -> None:
    frames = random_frames(np.random.default_rng(1), 8, 50, 250)
    _, _, together = drawn(FULL, frames, 48, 3)
    _, _, fewer = drawn(FULL, frames[:2], 48, 3)
    torch.testing.assert_close(together[:2], fewer, atol=1 / 255, rtol=0)
    assert float((together[:2] - fewer).abs().mean()) < 1e-4


def test_colours_alone() -> None:
    """Of views that are their frames."""
    kind = Augmentation(scale=(1, 1), aspect=1, rotation=0, shift=0, flip=0, hue=0.5, greyscale=0.3)
    frames = [textured(k, 64, 64) for k in range(12)]
    views, each, batch = drawn(kind, frames, 64, 0)
    torch.testing.assert_close(batch, each, atol=1e-4, rtol=0)
    grey = [i for i, v in enumerate(views) if v.colour.saturation == 0]
    assert 0 < len(grey) < 12
    assert float(batch[grey].std(1).max()) < 0.01 < float(batch.std(1).max())


@pytest.mark.parametrize("size", [48, 128])
def test_pieces_equal_those_made_one_at_a_time(size: int) -> None:
    rng = np.random.default_rng(0)
    kind = Augmentation(rotation=30)
    maps = np.stack(
        [
            [draw(kind, (200, 300), size, (0.5, 0.5), rng).to_frame for _ in range(2)]
            for _ in range(10)
        ]
    )
    outlines = [draw_outline(size, (0.15, 0.42), rng) if k % 3 else None for k in range(10)]
    pieces = prepare_pieces(outlines, maps)
    assert pieces is not None
    found = cover(pieces, size)
    for k, outline in enumerate(outlines):
        truth = torch.zeros(2, size, size) if outline is None else cover_of(outline, maps[k], size)
        torch.testing.assert_close(found[k], truth, atol=1e-3, rtol=0)
    assert 0.05 < float(found.mean()) < 0.6
    assert prepare_pieces([None] * 10, maps) is None
