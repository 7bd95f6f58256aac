"""Label maps as benchmarks store them: PNG files whose pixel values are the ids.

Unlike `mask_png.read_mask`, which checks what a user hands in, this takes a file at its word: an
empty mask is valid, 255 stays 255.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pixelkin.reading import read_bytes
from pixelkin.types import InputError
from pixelkin.video.images import BROKEN, check_pixels


def read_ids(path: str | Path) -> NDArray[Any]:
    """The ids stored in a palette or grey image: H x W, uint8, or int32 for 16-bit files.

    Raises:
        InputError: If the file is missing, is no image, or has colours instead of ids.
    """
    return decode_ids(read_content(path), path)


def read_content(path: str | Path) -> bytes:
    """A file as it is.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    return read_bytes(path)


def decode_ids(content: bytes, path: str | Path) -> NDArray[Any]:
    """What `read_ids` gives, from the content of the file.

    Args:
        content: The file's.
        path: Where it is, for messages.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            check_pixels(path, image.size)
            pixels = np.asarray(image)
    except UnidentifiedImageError:
        what = f"cannot identify image file {str(path)!r}"
        raise InputError(f"{path}: cannot be read as an image ({what})") from None
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None
    if pixels.ndim == 3:  # a grey image may be stored as RGB; the last of 2 or 4 channels is alpha
        colours = pixels[..., : 1 if pixels.shape[2] == 2 else 3]
        if (colours != colours[..., :1]).any():
            raise InputError(f"{path}: a colour image; give a palette or grey PNG of object ids")
        pixels = colours[..., 0]
    return pixels.astype(
        np.uint8 if pixels.dtype.kind in "bu" and pixels.itemsize == 1 else np.int32
    )
