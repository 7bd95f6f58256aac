from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pictures import blobs, colours, refusal, save
from PIL import Image

from pixelkin.formats.mask_png import read_mask, write_mask
from pixelkin.types import InputError, Labels
from pixelkin.video.palette import davis_palette, mask_colours


def test_palette_begins_as_published() -> None:
    palette = davis_palette()
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    first = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128]]
    first += [[0, 128, 128], [128, 128, 128], [64, 0, 0]]
    assert palette[:9].tolist() == first
    assert palette[20].tolist() == [0, 64, 128] and palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


@given(
    ids=hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 254))
)
def test_any_small_ids_survive(folder: Path, ids: NDArray[np.int32]) -> None:
    write_mask(folder / "a.png", Labels.from_mask(ids))
    read = read_mask(folder / "a.png", ids.shape, allow_empty=True)
    np.testing.assert_array_equal(read.ids, ids)
    with Image.open(folder / "a.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), ids)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), davis_palette()[ids])


@given(
    ids=hnp.arrays(
        np.int32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 65534)
    ),
    large=st.integers(255, 65534),
)
def test_any_large_ids_survive(folder: Path, ids: NDArray[np.int32], large: int) -> None:
    ids[0, 0] = large
    write_mask(folder / "a.png", Labels.from_mask(ids))
    np.testing.assert_array_equal(read_mask(folder / "a.png").ids, ids)
    with Image.open(folder / "a.png") as image:
        assert image.mode == "I;16"


def test_palettes_are_kept(folder: Path) -> None:
    palette = np.array([[9, 9, 9], [1, 2, 3], [40, 50, 60]], np.uint8)
    ids = blobs(1, 2)
    write_mask(folder / "a.png", Labels.from_mask(ids, palette=palette))
    read = read_mask(folder / "a.png")
    np.testing.assert_array_equal(read.ids, ids)
    assert colours(read) == {1: (1, 2, 3), 2: (40, 50, 60)}
    with Image.open(folder / "a.png") as image:
        stored = np.reshape(image.getpalette(), (-1, 3))
    assert stored[:4].tolist() == [[0, 0, 0], [1, 2, 3], [40, 50, 60], [128, 128, 0]]
    write_mask(folder / "b.png", read, palette=davis_palette())
    assert colours(read_mask(folder / "b.png"))[1] == (128, 0, 0)


def test_what_cannot_be_written(folder: Path) -> None:
    with pytest.raises(InputError, match="65535"):
        write_mask(folder / "x.png", Labels.from_mask(np.array([[65535]])))
    with pytest.raises(InputError, match=r"\.png"):
        write_mask(folder / "x.jpg", Labels.from_mask(np.array([[1]])))
    with pytest.raises(ValueError, match="no map"):
        write_mask(folder / "x.png", Labels.from_points(np.zeros((1, 2)), (2, 2)))
    assert not list(folder.glob("x.*"))


@pytest.mark.parametrize(
    ("levels", "ids"),
    [
        ((255,), (1,)),  # binary
        ((128,), (1,)),
        ((1,), (1,)),
        ((2,), (2,)),  # the second object alone
        ((63,), (63,)),
        ((64,), (1,)),
        ((1, 2, 3), (1, 2, 3)),
        ((5, 19), (5, 19)),
        ((1, 2, 255), (1, 2, 0)),  # void
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_grey_masks(folder: Path, levels: tuple[int, ...], ids: tuple[int, ...], mode: str) -> None:
    image = blobs(*levels)
    expected = np.zeros(image.shape, int)
    for level, value in zip(levels, ids, strict=True):
        expected[image == level] = value
    read = read_mask(save(folder / "a.png", Image.fromarray(image).convert(mode)))
    np.testing.assert_array_equal(read.ids, expected)
    assert set(colours(read).values()) == {None}


@pytest.mark.parametrize("levels", [(38, 75, 113), (100, 200), (128, 255), (85, 170, 255)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_grey_levels_that_are_no_ids_count_as_colours(
    folder: Path, levels: tuple[int, ...], mode: str
) -> None:
    """They are numbered, so that the palette PNG which is written of them shows them."""
    image = blobs(*levels)
    read = read_mask(save(folder / "a.png", Image.fromarray(image).convert(mode)))
    for i, level in enumerate(levels, start=1):
        np.testing.assert_array_equal(read.ids == i, image == level)
        assert read.objects[i].colour == (level,) * 3
    write_mask(folder / "b.png", read)
    with Image.open(folder / "b.png") as written:
        assert written.mode == "P"
        np.testing.assert_array_equal(np.asarray(written.convert("L")), image)


@pytest.mark.parametrize(("levels", "ids"), [((65535,), (1,)), ((300,), (300,)), ((1, 9), (1, 9))])
def test_deep_grey_masks(folder: Path, levels: tuple[int, ...], ids: tuple[int, ...]) -> None:
    index = blobs(*range(1, len(levels) + 1))
    image = np.array([0, *levels], np.uint16)[index]
    read = read_mask(save(folder / "a.png", image))
    np.testing.assert_array_equal(read.ids, np.array([0, *ids])[index])


def test_one_bit_masks(folder: Path) -> None:
    image = Image.fromarray(blobs(255)).convert("1")
    read = read_mask(save(folder / "a.png", image))
    np.testing.assert_array_equal(read.ids, blobs(1))


def test_palette_masks(folder: Path) -> None:
    for index, expected in (
        (blobs(1, 7), blobs(1, 7)),
        (blobs(3, 255), np.where(blobs(3, 255) == 3, 3, 0)),  # void beside an id
        (blobs(255), blobs(1)),  # alone it is a binary mask
    ):
        image = Image.fromarray(index)
        image.putpalette(davis_palette().tobytes())
        np.testing.assert_array_equal(read_mask(save(folder / "a.png", image)).ids, expected)


def test_palettes_without_black_still_hold_ids(folder: Path) -> None:
    image = Image.fromarray(blobs(1, 2))
    image.putpalette([128, 64, 128, 244, 35, 232, 70, 70, 70])  # Cityscapes
    np.testing.assert_array_equal(read_mask(save(folder / "a.png", image)).ids, blobs(1, 2))


def test_reordered_palettes_are_read_by_colour(folder: Path) -> None:
    colours = blobs((128, 0, 0), (0, 128, 0))
    expected = read_mask(save(folder / "rgb.png", colours))
    index = np.array([2, 1, 0], np.uint8)[expected.ids]  # black last
    image = Image.fromarray(index)
    image.putpalette([128, 0, 0, 0, 128, 0, 0, 0, 0])
    read = read_mask(save(folder / "a.png", image))
    np.testing.assert_array_equal(read.ids, expected.ids)


def test_colours_are_numbered_in_lexicographic_order(folder: Path) -> None:
    image = blobs((255, 0, 1), (0, 200, 0), (255, 0, 0))
    read = read_mask(save(folder / "a.png", image))
    assert colours(read) == {1: (0, 200, 0), 2: (255, 0, 0), 3: (255, 0, 1)}
    np.testing.assert_array_equal(mask_colours(read.objects)[read.ids], image)
    assert read.present == (1, 2, 3)


def test_colours_without_black_are_all_objects(folder: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8) + np.array([0, 0, 9], np.uint8)
    image[4:] = (9, 0, 0)
    read = read_mask(save(folder / "a.png", image))
    assert np.unique(read.ids).tolist() == [1, 2]
    assert colours(read) == {1: (0, 0, 9), 2: (9, 0, 0)}


def test_transparent_is_background(folder: Path) -> None:
    colours = blobs((250, 0, 0), (0, 0, 250))
    alpha = 255 * colours.any(axis=2, keepdims=True).astype(np.uint8)
    white = np.where(alpha > 0, colours, 255).astype(np.uint8)
    read = read_mask(save(folder / "a.png", np.concatenate([white, alpha], axis=2)))
    np.testing.assert_array_equal(read.ids, read_mask(save(folder / "b.png", colours)).ids)


@pytest.mark.parametrize(
    ("entries", "clear", "ids"),
    [
        ([(210, 40, 30), (0, 0, 0)], 1, (1, 0)),  # the object comes first
        ([(210, 40, 30), (255, 255, 255)], 1, (1, 0)),
        ([(255, 0, 0), (0, 200, 0), (9, 9, 9)], 2, (2, 1, 0)),  # in the order of colours
        ([(0, 0, 0), (200, 0, 0), (0, 200, 0)], 2, (0, 1, 0)),
        ([(0, 0, 0), (200, 0, 0), (0, 200, 0)], 0, (0, 1, 2)),
    ],
)
@pytest.mark.parametrize("form", ["one", "table"])
def test_transparent_entries_of_a_palette_are_background(
    folder: Path, entries: list[tuple[int, int, int]], clear: int, ids: tuple[int, ...], form: str
) -> None:
    index = np.repeat(np.arange(len(entries), dtype=np.uint8), 8)[:, None].repeat(20, axis=1)
    image = Image.fromarray(index)
    image.putpalette([c for entry in entries for c in entry])
    table = bytes(0 if i == clear else 255 for i in range(len(entries)))
    path = save(folder / "a.png", image, transparency=clear if form == "one" else table)
    np.testing.assert_array_equal(read_mask(path).ids, np.array(ids)[index])


def test_other_sizes_are_refused(folder: Path) -> None:
    path = save(folder / "a.png", np.ones((10, 20), np.uint8))
    assert read_mask(path, (10, 20)).size == (10, 20)
    message = refusal(path, (11, 30))
    assert "20x10" in message and "30x11" in message


def test_empty_masks_are_refused_unless_allowed(folder: Path) -> None:
    path = save(folder / "a.png", np.zeros((10, 20), np.uint8))
    assert "no object" in refusal(path)
    assert read_mask(path, allow_empty=True).present == ()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_photos_are_refused(folder: Path, mode: str) -> None:
    y, x = np.mgrid[:90, :120]
    waves = [128 + 60 * np.sin(x / a + y / b) for a, b in ((9, 7), (5, 11), (13, 4))]
    noise = np.random.default_rng(0).normal(0, 15, (90, 120, 3))
    photo = (np.stack(waves, axis=2) + noise).clip(0, 255).astype(np.uint8)
    path = save(folder / "a.png", Image.fromarray(photo).convert(mode))
    assert "photo" in refusal(path)


def test_jpegs_are_refused_whatever_their_name(folder: Path) -> None:
    image = Image.fromarray(blobs(255))
    assert "JPEG" in refusal(save(folder / "a.jpg", image))
    assert "JPEG" in refusal(save(folder / "b.png", image, format="JPEG"))
    saved_again = Image.open(folder / "a.jpg").convert("L")
    assert "anti-aliased" in refusal(save(folder / "c.png", saved_again))


def test_files_that_are_no_images(folder: Path) -> None:
    (folder / "a.png").write_text("not an image")
    assert "not an image" in refusal(folder / "a.png")
    assert "no such file" in refusal(folder / "gone.png")
    whole = save(folder / "b.png", np.random.default_rng(0).integers(0, 9, (50, 50), np.uint8))
    (folder / "c.png").write_bytes(whole.read_bytes()[:300])
    assert "cannot read" in refusal(folder / "c.png")


@pytest.mark.parametrize(
    ("path", "objects"),
    [
        ("davis2016/Annotations/480p/dog/00010.png", (1,)),
        ("davis2017_dogs-jump/Annotations/480p/dogs-jump/00010.png", (1, 2, 3)),
        ("pumavos_chair/Annotations/frame_000010.png", (1,)),
    ],
)
def test_benchmark_masks(shared: Path, tmp_path: Path, path: str, objects: tuple[int]) -> None:
    file = shared / "data" / path
    labels = read_mask(file)
    stored = np.asarray(Image.open(file)).astype(int)
    np.testing.assert_array_equal(labels.ids, np.where(stored == 255, 1, stored))
    assert labels.present == objects
    half = Image.fromarray(davis_palette()[labels.ids]).resize((300, 200))
    assert "anti-aliased" in refusal(save(tmp_path / "half.png", half))


def test_benchmark_frames_are_photos(shared: Path, tmp_path: Path) -> None:
    frame = Image.open(shared / "data/davis2016/JPEGImages/480p/dog/00000.jpg")
    assert "JPEG" in refusal(Path(frame.filename))
    for mode in ("RGB", "L"):
        assert "photo" in refusal(save(tmp_path / "a.png", frame.convert(mode)))
