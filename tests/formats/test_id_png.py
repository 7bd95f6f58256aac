from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.formats.id_png import read_ids
from pixelkin.formats.mask_png import read_mask
from pixelkin.types import InputError

IDS = np.array([[0, 1, 2], [7, 200, 255]], dtype=np.uint8)


def palette_image(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids).convert("P")
    image.putpalette([(37 * n) % 256 for n in range(768)])
    image.putdata(ids.ravel().tolist())
    return image


@pytest.mark.parametrize("form", ["palette", "grey", "rgb", "rgba", "grey+alpha"])
def test_stored_ids_come_back(tmp_path: Path, form: str) -> None:
    grey = Image.fromarray(IDS)
    modes = {"rgb": "RGB", "rgba": "RGBA", "grey+alpha": "LA"}
    image = palette_image(IDS) if form == "palette" else grey.convert(modes.get(form, "L"))
    image.save(tmp_path / "m.png")
    ids = read_ids(tmp_path / "m.png")
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, IDS)


def test_sixteen_bit_ids(tmp_path: Path) -> None:
    ids = np.array([[0, 300], [65535, 1]], dtype=np.uint16)
    Image.fromarray(ids).save(tmp_path / "m.png")
    assert read_ids(tmp_path / "m.png").dtype == np.int32
    np.testing.assert_array_equal(read_ids(tmp_path / "m.png"), ids)


def test_one_bit_and_empty_masks(tmp_path: Path) -> None:
    Image.fromarray(IDS > 1).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "bit.png"), (IDS > 1).astype(np.uint8))
    Image.fromarray(np.zeros_like(IDS)).save(tmp_path / "empty.png")
    assert not read_ids(tmp_path / "empty.png").any()


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file: .*none\.png"):
        read_ids(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match=r"text\.png: cannot be read as an image"):
        read_ids(tmp_path / "text.png")
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=r"photo\.png: a colour image"):
        read_ids(tmp_path / "photo.png")
    noise = np.random.default_rng(0).integers(0, 9, (90, 90), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    with pytest.raises(InputError, match=r"cut\.png: cannot be read as an image"):
        read_ids(tmp_path / "cut.png")


def test_a_size_that_no_memory_holds_is_one_line(tmp_path: Path) -> None:
    """The head of a PNG states 100,000 x 100,000 pixels."""
    Image.fromarray(IDS).save(tmp_path / "m.png")
    content = bytearray((tmp_path / "m.png").read_bytes())
    content[16:24] = 2 * (100_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "m.png").write_bytes(content)
    for read in (read_ids, read_mask):
        with pytest.raises(InputError, match=r"m\.png.*10000000000 pixels"):
            read(tmp_path / "m.png")
