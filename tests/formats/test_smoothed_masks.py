"""Masks whose edges are mixed colours are refused, or snapped where asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import blobs, colours, refusal, save
from PIL import Image

from pixelkin.formats.mask_png import read_mask, write_mask
from pixelkin.types import Labels
from pixelkin.video.palette import mask_colours


def smooth_alpha() -> NDArray[np.uint8]:
    """A red disc whose edge is soft in its alpha alone."""
    y, x = np.mgrid[:64, :64]
    alpha = (255 * (20.5 - np.hypot(y - 32, x - 32))).clip(0, 255).astype(np.uint8)
    return np.dstack([np.full_like(alpha, 200), 0 * alpha, 0 * alpha, alpha])


def test_partial_transparency_is_refused_or_snapped(folder: Path) -> None:
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[2, :3, 3] = (1, 254, 0)
    assert "2 partly transparent" in refusal(save(folder / "a.png", pixels))
    path = save(folder / "b.png", smooth_alpha())
    message = refusal(path)
    assert "opaque are #c80000" in message and "--snap" in message
    np.testing.assert_array_equal(read_mask(path, snap=True).ids, smooth_alpha()[..., 3] >= 128)


SMOOTH = {
    "half": (0.5, Image.Resampling.BOX),
    "bilinear": (0.7, Image.Resampling.BILINEAR),
    "bicubic": (1.6, Image.Resampling.BICUBIC),
    "lanczos": (1.3, Image.Resampling.LANCZOS),
}


@pytest.mark.parametrize("how", SMOOTH)
@pytest.mark.parametrize(
    "values", [(255,), (120, 240), ((128, 0, 0),), ((128, 0, 0), (0, 128, 0), (255, 255, 255))]
)
def test_smoothed_edges_are_refused(folder: Path, how: str, values: tuple[object, ...]) -> None:
    scale, method = SMOOTH[how]
    image = Image.fromarray(blobs(*values, size=96))
    assert len(read_mask(save(folder / "a.png", image)).present) == len(values)
    size = round(96 * scale)
    path = save(folder / "b.png", image.resize((size, size), method))
    pixels = np.asarray(Image.open(path)).reshape(size * size, -1)
    colours = len(np.unique(pixels[pixels.any(axis=1)], axis=0))
    message = refusal(path)
    assert "anti-aliased" in message and "nearest-neighbour" in message
    assert f"{colours} {'colours' if isinstance(values[0], tuple) else 'grey levels'}" in message


MEANT = [(128, 0, 0), (0, 128, 0), (40, 60, 250)]


def smoothed(kind: str) -> Image.Image:
    """Three discs at a third of their size, with smoothed edges, as tools store them."""
    image = Image.fromarray(blobs(*MEANT, size=192)).resize((64, 64), Image.Resampling.BOX)
    match kind:
        case "palette":
            return image.quantize(64, dither=Image.Dither.NONE)
        case "adaptive":
            return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=24)
        case "white":  # cut out of a white page: its edges are mixed with what is transparent
            pixels = blobs(*MEANT, size=192)
            pixels[~pixels.any(axis=2)] = 255
            shown = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX)
            shown.putalpha(Image.fromarray(255 * (np.asarray(shown) < 255).any(2).astype(np.uint8)))
            return shown
    return image.convert(kind)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "palette", "adaptive", "white"])
def test_smoothed_edges_are_told_with_the_colours_that_were_meant(folder: Path, kind: str) -> None:
    path = save(folder / "a.png", smoothed(kind))
    message = refusal(path)
    assert "of which 3 fill areas: " in message and "--snap" in message
    for colour in ("#800000", "#008000", "#283cfa"):
        assert colour in message


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "palette"])
def test_snapping_takes_the_nearest_colour_that_was_meant(folder: Path, kind: str) -> None:
    image = smoothed(kind)
    read = read_mask(save(folder / "a.png", image), snap=True)
    assert {colours(read)[i] for i in read.present} == set(MEANT)
    shown = np.asarray(image.convert("RGB")).astype(int)
    flat = np.array([(0, 0, 0), *MEANT])
    nearest = flat[((shown[..., None, :] - flat) ** 2).sum(-1).argmin(-1)]
    np.testing.assert_array_equal(mask_colours(read.objects)[read.ids], nearest)


def test_snapped_grey_is_one_object(folder: Path) -> None:
    image = Image.fromarray(blobs(255, size=192)).resize((64, 64), Image.Resampling.BOX)
    read = read_mask(save(folder / "a.png", image), snap=True)
    np.testing.assert_array_equal(read.ids, np.asarray(image) > 127)


@pytest.mark.parametrize("step", [3, 9, 17])
def test_thin_objects_of_a_known_palette_are_no_smoothing(folder: Path, step: int) -> None:
    """The colours of DAVIS lie between each other; objects may have hardly any pixel left."""
    ids = blobs(1, 2, 4).astype(np.int32)
    for n, i in enumerate(range(8, 8 + 4 * step, step)):
        ids[3 + 2 * n, 5:40] = i
    write_mask(folder / "a.png", Labels.from_mask(ids))
    np.testing.assert_array_equal(read_mask(folder / "a.png").ids, ids)


def test_noise_of_sixteen_bits_is_no_mask(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 65535, (64, 96), np.uint16)
    assert "looks like a photo" in refusal(save(folder / "a.png", noise))


def test_smoothed_lines_without_any_flat_area_are_refused(folder: Path) -> None:
    thin = np.zeros((64, 64), np.uint8)
    thin[np.arange(60), np.arange(60) // 2 + 4] = 255
    image = Image.fromarray(thin)
    assert read_mask(save(folder / "a.png", image)).present == (1,)
    smooth = image.resize((80, 80), Image.Resampling.BILINEAR)
    assert "anti-aliased" in refusal(save(folder / "b.png", smooth))


def test_thin_objects_in_other_colours_are_no_smoothing(folder: Path) -> None:
    image = blobs((128, 0, 0), (0, 128, 0))
    image[2, :] = (0, 0, 128)
    image[60, 60] = (128, 128, 128)
    assert read_mask(save(folder / "a.png", image)).present == (1, 2, 3, 4)
