"""Image files as frames: finding them in their natural order, decoding them to RGB."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pixelkin.types import InputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key under which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)


def find_images(source: Path) -> tuple[Path, ...]:
    """The images of a folder, of a glob pattern, or the one image `source`, in natural order.

    Hidden files are left out, as are files of a folder that are no images by their suffix.

    Raises:
        InputError: If there are none, or two would give outputs of the same name.
    """
    if source.is_dir():
        paths = [p for p in source.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
        wanted = ", ".join(sorted(s[1:] for s in SUFFIXES))
        nothing = f"no images in {source}: give a folder that holds the frames ({wanted})"
    elif source.is_file():
        paths = [source]
    else:
        base = Path(source.anchor)
        paths = [p for p in base.glob(str(source.relative_to(base))) if p.is_file()]
        nothing = f"no file matches {source}"
    paths = sorted((p for p in paths if not p.name.startswith(".")), key=natural_key)
    if not paths:
        raise InputError(nothing)
    by_stem: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{source} also matches {path}, which is not an image")
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise InputError(
                f"{other} and {path} are frames of the same name: choose with a pattern, "
                f"such as '{path.parent / ('*' + path.suffix)}'"
            )
    return tuple(paths)


def load_image(path: Path) -> Image.Image:
    """The image as its file has it (mode, palette), fully decoded.

    Raises:
        InputError: If there is no such file, or it is not a whole image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not an image") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot read the image {path}: {error}") from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as H x W x 3 uint8 RGB.

    Grey is repeated, transparency dropped, 16 bits reduced to 8, EXIF orientation applied.

    Raises:
        InputError: If there is no such file, or it is not a whole image.
    """
    image = ImageOps.exif_transpose(load_image(path))
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip rather than scale
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
