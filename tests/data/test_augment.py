from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.data.augment import (
    Augmentation,
    colour_matrix,
    draw,
    draw_colour,
    draw_view,
    gaussian_blur,
    recolour,
    warp,
)
from pixelkin.types import InputError

STILL = Augmentation(
    brightness=0, contrast=0, saturation=0, hue=0, greyscale=0, rotation=0, flip=0, shift=0
)


def coordinate_frame(height: int, width: int) -> np.ndarray:
    """A frame whose red is x and whose green is y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)


def mapped(to_frame: np.ndarray, size: int) -> np.ndarray:
    """Frame coordinates of all view pixels, 2 x S x S."""
    y, x = np.mgrid[:size, :size]
    return np.einsum("ij,jyx->iyx", to_frame, np.stack([x, y, np.ones_like(x)]))


def errors(seed: int, height: int, width: int, size: int, rotation: float) -> np.ndarray:
    """What a random view shows of a coordinate frame less what its map says, 2 x inner pixels."""
    rng = np.random.default_rng(seed)
    kind = Augmentation(scale=(0.3, 1.0), aspect=1.5, rotation=rotation)
    to_frame = draw_view(kind, (height, width), size, (rng.random(), rng.random()), rng)
    view = warp(coordinate_frame(height, width), to_frame, size)[:2].numpy() * 255
    truth = mapped(to_frame, size)
    # Filters renormalise within two source pixels of the frame's edge.
    rim = 3 * max(1.0, np.linalg.norm(to_frame[:, :2], axis=1).max())
    inner = ((truth > rim) & (truth < np.array([width, height])[:, None, None] - 1 - rim)).all(0)
    return (view - truth)[:, inner]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(60, 250),
    width=st.integers(60, 250),
    size=st.sampled_from([32, 64, 128]),
    rotation=st.sampled_from([0.0, 10.0, 180.0]),
)
def test_view_shows_what_to_frame_says(
    seed: int, height: int, width: int, size: int, rotation: float
) -> None:
    error = errors(seed, height, width, size, rotation)
    # Half a grey level of rounding, and the cubic filter's ripple of a few hundredths of a cell.
    assert np.abs(error).max(initial=0) < 0.6 + 0.1 * max(1, max(height, width) / size)


@pytest.mark.parametrize("size", [32, 128])
def test_views_are_not_off_by_a_fraction_of_a_pixel(size: int) -> None:
    drawn = [errors(seed, 150 + seed % 90, 240 - seed % 80, size, 10.0) for seed in range(200)]
    means = np.stack([e.mean(axis=1) for e in drawn if e.size > 100])
    assert len(means) > 100
    assert np.abs(means.mean(axis=0)).max() < 0.04  # of a frame's pixel, in x and y


def test_views_that_are_drawn_apart_are_as_they_always_were() -> None:
    """Bits that recipes without `crop_jitter` depend on."""
    rng = np.random.default_rng(3)
    expected = [
        [2.1025372178134076, -0.2670103242882211, 17.506424201208745],
        [0.2219313040416604, 2.5296077395689416, 48.80175295464288],
    ]
    assert draw_view(Augmentation(), (240, 320), 64, (0.3, 0.6), rng).tolist() == expected
    assert rng.random() == 0.479051298140834


def shared_views(kind: Augmentation, seed: int, size: int = 64) -> np.ndarray:
    """Maps of two views of a clip, 2 x 2 x 3."""
    rng = np.random.default_rng(seed)
    centre = (rng.random(), rng.random())
    shared = draw_view(kind, (150, 220), size, centre, rng)
    views = [draw(kind, (150, 220), size, centre, rng, shared) for _ in range(2)]
    return np.stack([view.to_frame for view in views])


@pytest.mark.parametrize("scale", [(0.3, 0.6), (1.0, 1.0)])
def test_shared_crops_are_moved_and_nothing_else(scale: tuple[float, float]) -> None:
    """By the same law wherever the crop lies, also where it fills the frame."""
    kind = Augmentation(scale=scale, rotation=20, crop_jitter=0.15)
    maps = np.stack([shared_views(kind, seed) for seed in range(600)])
    assert np.array_equal(maps[:, 0, :, :2], maps[:, 1, :, :2])
    offset = maps[:, 1, :, 2] - maps[:, 0, :, 2]
    moved = np.linalg.solve(maps[:, 0, :, :2], offset[..., None])[..., 0] / 64  # shares of the side
    assert np.abs(moved).max() <= 0.3 + 1e-9
    # The difference of two uniform shifts of up to 0.15, of each other and of place independent.
    assert moved.std(axis=0) == pytest.approx(np.full(2, 0.15 * math.sqrt(2 / 3)), rel=0.1)
    assert np.abs(moved.mean(axis=0)).max() < 0.02
    middle = maps.mean(axis=1) @ np.array([31.5, 31.5, 1])
    assert np.abs(np.corrcoef(moved.T, middle.T)[:2, 2:]).max() < 0.15
    corners = maps @ np.array([[-0.5, 63.5, -0.5, 63.5], [-0.5, -0.5, 63.5, 63.5], [1] * 4])
    assert corners.min() >= -0.5 - 1e-9
    assert corners[..., 0, :].max() <= 219.5 + 1e-9 and corners[..., 1, :].max() <= 149.5 + 1e-9


def test_a_cells_place_does_not_tell_where_it_is_in_the_other_view() -> None:
    """With 16 cells a side, few lie where they lay, although most are in both views."""
    kind = Augmentation(crop_jitter=0.15)
    cells = (np.stack(np.meshgrid(range(16), range(16)), -1).reshape(-1, 2) * 4).astype(float)
    stays = seen = 0.0
    for seed in range(300):
        first, second = shared_views(kind, seed)
        there = cells @ first[:, :2].T + first[:, 2] - second[:, 2]
        there = np.linalg.solve(second[:, :2], there.T).T / 4
        stays += (np.abs(there - cells / 4) < 0.5).all(axis=1).mean() / 300
        seen += ((there > -0.5) & (there < 15.5)).all(axis=1).mean() / 300
    assert stays < 0.06 and seen > 0.75


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(20, 500), width=st.integers(20, 500))
def test_views_lie_inside_the_frame(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    kind = Augmentation(scale=(0.2, 1.0), aspect=2.0, rotation=180.0, shift=1.0)
    to_frame = draw_view(kind, (height, width), 64, (rng.random(), rng.random()), rng)
    corners = to_frame @ np.array([[-0.5, 63.5, -0.5, 63.5], [-0.5, -0.5, 63.5, 63.5], [1] * 4])
    assert corners.min() >= -0.5 - 1e-9
    assert corners[0].max() <= width - 0.5 + 1e-9
    assert corners[1].max() <= height - 0.5 + 1e-9


def test_ranges_are_kept_and_used() -> None:
    rng = np.random.default_rng(0)
    kind = Augmentation(scale=(0.4, 0.6), aspect=1.44, rotation=15, shift=0.1)
    maps = np.stack([draw_view(kind, (200, 400), 50, (0.5, 0.5), rng) for _ in range(2000)])
    linear = maps[:, :, :2]
    determinant = np.linalg.det(linear)
    side = np.sqrt(np.abs(determinant)) * 50 / 200
    ratio = np.linalg.norm(linear[:, :, 0], axis=1) / np.linalg.norm(linear[:, :, 1], axis=1)
    angle = np.degrees(np.arctan2(-linear[:, 0, 1], linear[:, 1, 1]))
    centre = maps @ np.array([24.5, 24.5, 1.0])
    for values, low, high in (
        (side, 0.4, 0.6),
        (ratio, 1 / 1.44, 1.44),
        (angle, -15, 15),
        (centre[:, 0], 199.5 - 20, 199.5 + 20),
        (centre[:, 1], 99.5 - 20, 99.5 + 20),
    ):
        span = high - low
        assert low - 1e-9 <= values.min() < low + 0.02 * span
        assert high - 0.02 * span < values.max() <= high + 1e-9
    assert abs((determinant < 0).mean() - 0.5) < 0.05


def test_shrinking_does_not_alias() -> None:
    """A pattern finer than the view's pixels becomes its mean, not a moire."""
    y, x = np.mgrid[:240, :240]
    frame = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    kind = Augmentation(scale=(1.0, 1.0), aspect=1.0, rotation=0, flip=0)
    rng = np.random.default_rng(0)
    view = warp(frame, draw_view(kind, (240, 240), 100, (0.5, 0.5), rng), 100)
    assert abs(float(view.mean()) - 0.5) < 0.02
    assert float(view[:, 3:-3, 3:-3].std()) < 0.05


def test_full_crop_at_frame_size_is_the_frame() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    kind = Augmentation(scale=(1.0, 1.0), aspect=1.0, rotation=0, flip=0)
    to_frame = draw_view(kind, (64, 64), 64, (0.2, 0.9), np.random.default_rng(0))
    np.testing.assert_allclose(to_frame, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    view = warp(frame, to_frame, 64).permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(view, frame, atol=0.02)


def test_colour_matrix_keeps_luma_and_turns_hue() -> None:
    rng = np.random.default_rng(0)
    colours = np.concatenate([rng.random((3, 50)), np.ones((1, 50))])
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(colour_matrix(1, 1, 1, 0, 0.3) @ colours, colours[:3], atol=1e-12)
    for matrix in (colour_matrix(1, 1, 0.5, 0, 0), colour_matrix(1, 1, 1, 0.17, 0)):
        np.testing.assert_allclose(luma @ matrix @ colours, luma @ colours[:3], atol=1e-12)
    grey = colour_matrix(1, 1, 0, 0.2, 0) @ colours
    np.testing.assert_allclose(grey, np.tile(luma @ colours[:3], (3, 1)), atol=1e-12)
    np.testing.assert_allclose(
        colour_matrix(1.5, 0.5, 1, 0, 0.4) @ colours, 1.5 * (0.5 * colours[:3] + 0.2), atol=1e-12
    )
    # A third of the circle either way sends red to another primary's side of the colour wheel.
    reds = [colour_matrix(1, 1, 1, h, 0) @ [0.6, 0.4, 0.4, 1] for h in (1 / 3, -1 / 3)]
    hues = sorted(colorsys.rgb_to_hsv(*red)[0] for red in reds)
    assert abs(hues[0] - 1 / 3) < 0.1
    assert abs(hues[1] - 2 / 3) < 0.1


def test_jitter_varies_and_can_be_switched_off() -> None:
    view = torch.rand(3, 16, 16)
    rng = np.random.default_rng(0)
    torch.testing.assert_close(recolour(view, draw_colour(STILL, rng)), view, atol=1e-5, rtol=0)
    one, two = (recolour(view, draw_colour(Augmentation(greyscale=0), rng)) for _ in range(2))
    assert float((one - two).abs().mean()) > 0.02
    grey = recolour(view, draw_colour(Augmentation(greyscale=1), rng))
    torch.testing.assert_close(grey[0], grey[1], atol=1e-5, rtol=0)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


def test_blur_has_the_variance_of_its_kernel() -> None:
    spot = torch.zeros(1, 41, 41)
    spot[0, 20, 20] = 1
    out = gaussian_blur(spot, 2.0)[0]
    x = torch.arange(41.0) - 20
    assert float(out.sum()) == pytest.approx(1, abs=1e-4)
    assert float((out.sum(0) * x**2).sum()) == pytest.approx(4.0, rel=0.05)
    assert float((out.sum(1) * x**2).sum()) == pytest.approx(4.0, rel=0.05)


def test_same_generator_same_view() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    kind = Augmentation(blur=0.5)
    drawn = [draw(kind, (90, 120), 32, (0.4, 0.6), np.random.default_rng(s)) for s in (5, 5, 6)]
    a, b, c = (recolour(warp(frame, d.to_frame, 32), d.colour) for d in drawn)
    assert torch.equal(a, b)
    assert np.array_equal(drawn[0].to_frame, drawn[1].to_frame)
    assert not np.array_equal(drawn[1].to_frame, drawn[2].to_frame)
    assert not torch.equal(b, c)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": (0.9, 0.5)},
        {"scale": (0.5, 1.5)},
        {"aspect": 0.5},
        {"flip": 2.0},
        {"hue": 0.7},
        {"rotation": -1.0},
        {"shift": math.nan},
        {"crop_jitter": 1.5},
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Augmentation(**wrong)  # type: ignore[arg-type]
