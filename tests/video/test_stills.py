"""Stacks and animations as videos, and grey of more than 8 bits by the range that it uses."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pixelkin.types import InputError
from pixelkin.video.images import load_image
from pixelkin.video.reader import open_video

LEVELS = (30, 80, 130, 180, 230, 255)


def pages(*, size: tuple[int, int] = (12, 10)) -> list[Image.Image]:
    return [Image.new("RGB", size, (level, 255 - level, 9)) for level in LEVELS]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.webp", {"lossless": True}),
        ("a.png", {}),
    ],
)
def test_pages_are_frames(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    first, *rest = pages()
    first.save(tmp_path / name, save_all=True, append_images=rest, **options)
    video = open_video(tmp_path / name)
    assert (len(video), video.info.size, video.names) == (6, (10, 12), None)
    assert video.paths == (tmp_path / name,)
    for wanted, expected in (
        (video.frames(), LEVELS),
        (video.frames(step=-1), LEVELS[::-1]),
        (video.frames(1, 5, 2), LEVELS[1:5:2]),
    ):
        assert [int(frame[3, 3, 0]) for frame in wanted] == list(expected)


def test_a_stack_is_no_frame_among_others_and_no_mask(tmp_path: Path) -> None:
    first, *rest = pages()
    first.save(tmp_path / "b.tif", save_all=True, append_images=rest)
    first.save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"b\.tif holds 6 pictures: give it by itself"):
        list(open_video(tmp_path))
    with pytest.raises(InputError, match="holds 6 pictures"):
        load_image(tmp_path / "b.tif")


def test_previews_in_a_file_are_no_frames(tmp_path: Path) -> None:
    preview = ImageFileDirectory_v2()
    preview[254] = 1
    small = Image.new("RGB", (6, 5))
    small.encoderinfo = {"tiffinfo": preview}
    pages()[0].save(tmp_path / "a.tif", save_all=True, append_images=[small])
    with Image.open(tmp_path / "a.tif") as image:
        assert image.n_frames == 2
    video = open_video(tmp_path / "a.tif")
    assert len(video) == 1 and video.names == ("a",)


def ramp(top: float, kind: type = np.uint16) -> np.ndarray:
    return np.linspace(0, top, 240).reshape(12, 20).astype(kind)


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize(
    ("top", "span"), [(250, 256), (1000, 1024), (4095, 4096), (12000, 16384), (60000, 65536)]
)
def test_deep_grey_is_reduced_by_its_range(
    tmp_path: Path, top: int, span: int, suffix: str
) -> None:
    """By that of the video: a dark frame stays dark."""
    for t, high in enumerate((top // 3, top)):
        Image.fromarray(ramp(high)).save(tmp_path / f"{t}.{suffix}")
    video = open_video(tmp_path)
    for frame, high in zip(video, (top // 3, top), strict=True):
        expected = ramp(high).astype(int) * 256 // span
        np.testing.assert_array_equal(frame, np.repeat(expected[..., None], 3, axis=2))
    assert (video.note is None) == (span == 65536)
    assert video.note is None or f"values below {span}," in video.note


@pytest.mark.parametrize(
    ("top", "span"), [(1.0, 1), (0.4, 1), (2.5, 4), (255.0, 256), (900.0, 1024)]
)
def test_fractions(tmp_path: Path, top: float, span: int) -> None:
    Image.fromarray(ramp(top, np.float32)).save(tmp_path / "0.tif")
    (frame,) = open_video(tmp_path)
    expected = np.floor(ramp(top, np.float32).astype(float) * 256 / span).clip(0, 255)
    np.testing.assert_array_equal(frame[..., 0], expected)


def test_values_that_are_none_do_not_spoil_the_range(tmp_path: Path) -> None:
    values = ramp(0.5, np.float32)
    values[0, 0], values[0, 1] = np.nan, -np.inf
    Image.fromarray(values).save(tmp_path / "0.tif")
    (frame,) = open_video(tmp_path)
    assert (frame[0, :2] == 0).all() and frame.max() == 128


def test_pages_of_deep_grey(tmp_path: Path) -> None:
    first, *rest = (Image.fromarray(ramp(top)) for top in (500, 4000))
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)
    dark, bright = open_video(tmp_path / "a.tif")
    assert (dark.max(), bright.max()) == (500 * 256 // 4096, 250)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_hot_pixels_do_not_make_the_rest_black(tmp_path: Path, suffix: str) -> None:
    """Others in each frame."""
    rng = np.random.default_rng(0)
    for t in range(3):
        values = rng.integers(0, 4000, (150, 200)).astype(np.uint16)
        values.flat[rng.choice(values.size, 3, replace=False)] = 60000
        Image.fromarray(values).save(tmp_path / f"{t}.{suffix}")
    video = open_video(tmp_path)
    for frame in video:
        assert (frame == 255).all(axis=2).sum() == 3
        assert 100 < np.median(frame) < 150
    assert video.note is not None and "values below 4096," in video.note
    assert "single pixels have up to 60000, and are shown white" in video.note


@pytest.mark.parametrize("second", [(50, 51), (51, 50), (51, 51), (51, 49)])
def test_the_smallest_thing_of_two_pixels_has_the_range(
    tmp_path: Path, second: tuple[int, int]
) -> None:
    values = np.full((100, 100), 1000, np.uint16)
    values[50, 50] = values[second] = 60000
    Image.fromarray(values).save(tmp_path / "0.tif")
    (frame,) = (video := open_video(tmp_path))
    assert frame.max() == 60000 // 256 and video.note is None


def test_a_frame_beyond_the_range_of_the_others_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelkin.video.stills.LOOKED_AT", 2)
    for t, top in enumerate((1000, 1000, 1000, 4000)):
        Image.fromarray(ramp(top)).save(tmp_path / f"{t}.png")
    with pytest.raises(InputError, match=r"3\.png has values up to 4000, other frames stay below"):
        list(open_video(tmp_path))


def save_deep_png(path: Path, colours: np.ndarray) -> None:
    """H x W x 3 of 16 bits, which Pillow does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    height, width = colours.shape[:2]
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize(("top", "fits"), [(65535, True), (4095, False)])
def test_deep_colours_that_would_be_dark_are_refused(tmp_path: Path, top: int, fits: bool) -> None:
    colours = np.repeat(ramp(top)[..., None], 3, axis=2)
    save_deep_png(tmp_path / "0.png", colours)
    if fits:
        assert next(iter(open_video(tmp_path))).max() == 255
        return
    with pytest.raises(InputError, match="16-bit colour whose values stay below 16384"):
        open_video(tmp_path)
