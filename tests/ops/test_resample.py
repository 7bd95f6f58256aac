"""Labels to the grid and back, against Pillow, explicit loops and hand-made maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelkin.ops import resample
from pixelkin.ops.colour import rgb_to_lab


@settings(max_examples=60)
@given(
    h=st.integers(1, 70), w=st.integers(1, 70), height=st.integers(1, 70), width=st.integers(1, 70)
)
def test_nearest_is_pillows(h: int, w: int, height: int, width: int) -> None:
    ids = np.arange(h * w, dtype=np.int32).reshape(h, w)
    expected = np.asarray(Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST))
    ours = resample.resize_nearest(torch.from_numpy(ids), (height, width))
    assert np.array_equal(ours.numpy(), expected)


def test_bilinear_takes_two_by_two_taps() -> None:
    """OpenCV's rule: half-pixel centres, no antialiasing: only four pixels of each cell count."""
    ids = torch.zeros(32, 32, dtype=torch.long)
    ids[3:5, 11:13] = 1  # the four pixels around the centre of cell (0, 1)
    small = resample.mask_to_grid(ids, (0, 1), (4, 4), "bilinear", 8)
    expected = torch.zeros(4, 4)
    expected[0, 1] = 1
    torch.testing.assert_close(small[1], expected)
    torch.testing.assert_close(small.sum(0), torch.ones(4, 4))


def test_subsample_takes_the_top_left_pixel() -> None:
    ids = torch.arange(6 * 7).view(6, 7)
    small = resample.mask_to_grid(ids, range(42), (2, 2), "subsample", 4)
    assert small.argmax(0).tolist() == [[0, 4], [28, 32]]


@settings(max_examples=40)
@given(x=st.floats(-6, 18), y=st.floats(-6, 16), sigma=st.sampled_from([0.5, 1.0, 2.0]))
def test_heat_maps_have_the_published_support(x: float, y: float, sigma: float) -> None:
    heat = resample.heatmaps(torch.tensor([[x, y]], dtype=torch.float64), (10, 12), sigma)[0]
    x0, y0 = math.trunc(x - 3 * sigma), math.trunc(y - 3 * sigma)
    cx, cy = x0 + int(6 * sigma + 1) // 2, y0 + int(6 * sigma + 1) // 2
    for v in range(10):
        for u in range(12):
            inside = x0 <= u < math.trunc(x + 3 * sigma + 1)
            inside &= y0 <= v < math.trunc(y + 3 * sigma + 1)
            bell = math.exp(-((u - cx) ** 2 + (v - cy) ** 2) / (2 * sigma**2))
            assert float(heat[v, u]) == pytest.approx(bell if inside else 0.0, abs=1e-6)


def test_points_survive_the_round_trip() -> None:
    cells = torch.tensor([[4.0, 6.0], [10.0, 3.0], [torch.nan, torch.nan]])
    heat = resample.heatmaps(cells, (12, 16), 0.5)
    back = resample.decode_points(heat, 5)
    torch.testing.assert_close(back[:2], cells[:2], atol=0.01, rtol=0)
    assert bool(back[2].isnan().all())


def test_decoding_is_the_weighted_mean_of_the_highest_cells() -> None:
    heat = torch.zeros(1, 4, 4)
    heat[0, 1, 1], heat[0, 1, 3], heat[0, 3, 3] = 0.5, 0.25, 0.125
    torch.testing.assert_close(resample.decode_points(heat, 1), torch.tensor([[1.0, 1.0]]))
    expected = torch.tensor([[(0.5 + 3 * 0.25) / 0.75, 1.0]])
    torch.testing.assert_close(resample.decode_points(heat, 2), expected)
    torch.testing.assert_close(
        resample.concentration(heat, torch.tensor([[2.0, 1.0]])), torch.tensor([0.75 / 0.875])
    )


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("shape", [(5, 1, 1), (1, 7, 4), (20, 9, 13)])
def test_block_means_are_those_of_the_cells_that_there_are(
    shape: tuple[int, int, int], beside: bool
) -> None:
    """Whichever of channels and cells lie beside each other in memory, to the bit."""
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    given = maps.permute(1, 2, 0).contiguous().permute(2, 0, 1) if beside else maps
    for side in (1, 2, 3):
        found = resample.block_means(given, side)
        rows, columns = (range(0, n, side) for n in shape[1:])
        means = [maps[:, y : y + side, x : x + side].mean((1, 2)) for y in rows for x in columns]
        expected = torch.stack(means, 1).view(shape[0], len(rows), len(columns))
        torch.testing.assert_close(found, expected)
        plain = torch.nn.functional.avg_pool2d(
            maps[None], side, ceil_mode=True, count_include_pad=False
        )
        assert torch.equal(found, plain[0]) and found.is_contiguous()


def test_background_is_where_no_point_is() -> None:
    heat = torch.zeros(2, 3, 3)
    heat[1, 0, 0] = 0.2
    maps = resample.with_background(heat)
    assert maps.shape == (3, 3, 3) and maps[0].sum() == 8 and maps[0, 0, 0] == 0


def test_stretch_leaves_empty_classes_alone() -> None:
    maps = torch.stack([torch.tensor([[0.2, 0.4], [0.3, 0.2]]), torch.zeros(2, 2)])
    stretched = resample.stretch(maps)
    torch.testing.assert_close(stretched[0], torch.tensor([[0.0, 1.0], [0.5, 0.0]]))
    assert bool((stretched[1] == 0).all())


@pytest.mark.parametrize("stretched", [False, True])
def test_a_decoded_map_is_the_arg_max_and_its_share_of_the_votes(stretched: bool) -> None:
    soft = torch.rand(4, 5, 7, generator=torch.Generator().manual_seed(0))
    soft[1] *= 0.4  # wins only where classes are stretched
    soft[3] = 0
    winner, shares = resample.decode_map(soft, (20, 28), stretched=stretched)
    votes = resample.resize_bilinear(soft, (20, 28)).numpy()
    low, high = votes.min((1, 2), keepdims=True), votes.max((1, 2), keepdims=True)
    scores = (votes - low) / np.maximum(high - low, 1e-12) if stretched else votes
    assert np.array_equal(winner.numpy(), scores.argmax(0))
    won = [scores.argmax(0) == i for i in range(4)]
    assert (won[1].sum() > 100) == stretched
    share = votes / votes.sum(0)
    expected = [share[i][won[i]].mean() if won[i].any() else 0.0 for i in range(4)]
    np.testing.assert_allclose(shares.numpy(), expected, atol=1e-6)


def test_lab_of_known_colours() -> None:
    """Published CIE Lab (D65) of the sRGB primaries and of middle grey."""
    rgb = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5], [1, 1, 1], [0, 0, 0]])
    known = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    known += [[53.39, 0, 0], [100, 0, 0], [0, 0, 0]]
    lab = rgb_to_lab(rgb.T[None, :, None])[0, :, 0].T
    torch.testing.assert_close(lab, torch.tensor(known), atol=0.1, rtol=0)


def test_lab_of_the_darkest_greys_is_a_line() -> None:
    """L = 903.3 Y up to Y = 0.008856 (CIE), and Y = grey / 12.92 up to 0.04045 (sRGB)."""
    grey = torch.tensor([1.0, 5.0, 10.0]) / 255
    lab = rgb_to_lab(grey.expand(3, 3)[None, :, None])[0, :, 0]
    torch.testing.assert_close(lab[0], 903.3 * grey / 12.92, atol=1e-3, rtol=0)
