"""Image files as frames: finding them in their natural order, decoding them to RGB."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pixelkin.reading import check_file
from pixelkin.types import InputError
from pixelkin.video.depth import DEEP, levels_in, reduced
from pixelkin.video.suffixes import IMAGES

MAX_PIXELS = 2**26  # of a frame: twice as many as 8K has
BROKEN = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, SyntaxError,
    TypeError, ValueError, struct.error, zlib.error, Image.DecompressionBombError,
)  # what Pillow raises where a file is damaged  # fmt: skip
NEW_SUBFILE_TYPE = 254  # tag of TIFF; bit 0 marks a reduced copy of another page


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
        paths = [p for p in _images_in(source) if p.is_file()]
        wanted = ", ".join(sorted(s[1:] for s in IMAGES))
        nothing = f"no images in {source}: give a folder that holds the frames ({wanted})"
    elif source.is_file():
        paths = [source]
    else:
        base, pattern = _rooted(source)
        paths = [p for p in base.glob(pattern) if p.is_file()]
        nothing = f"no file matches {source}"
    paths = sorted((p for p in paths if not p.name.startswith(".")), key=natural_key)
    if not paths:
        raise InputError(nothing)
    by_stem: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in IMAGES:
            raise InputError(f"{source} also matches {path}, which is not an image")
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise InputError(
                f"{other} and {path} are frames of the same name: choose with a pattern, "
                f"such as '{path.parent / ('*' + path.suffix)}'"
            )
    return tuple(paths)


def left_out(source: Path) -> tuple[Path, ...]:
    """What a folder holds under an image's name that is no file: pipes, links that lead nowhere."""
    if not source.is_dir():
        return ()
    found = (p for p in _images_in(source) if not p.is_file() and not p.is_dir())
    return tuple(sorted((p for p in found if not p.name.startswith(".")), key=natural_key))


def _images_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix.lower() in IMAGES)


def _rooted(source: Path) -> tuple[Path, str]:
    """The folders that a pattern begins with and that are there as they are called; the rest."""
    base, parts = Path(source.anchor), source.relative_to(source.anchor).parts
    while len(parts) > 1 and (base / parts[0]).is_dir():
        base, parts = base / parts[0], parts[1:]
    return base, str(Path(*parts))


def load_image(path: Path) -> Image.Image:
    """The image as its file has it (mode, palette), fully decoded.

    Raises:
        InputError: If there is no such file, it is not a whole image, or one of several in a file.
    """
    with opened(path) as image:
        if (pages := len(pages_of(image))) > 1:
            raise InputError(f"{path} holds {pages} pictures: give it by itself, as a video")
        image.load()
        return image


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image, still to be decoded.

    Raises:
        InputError: If there is no such file, or it is not an image; also while it is decoded.
    """
    try:
        check_file(path)
        with Image.open(path) as image:
            check_pixels(path, image.size)
            yield image
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not an image") from error
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"cannot read the image {path}: {error}") from error


def check_pixels(path: str | Path, size: tuple[int, int]) -> None:
    """Check that an image, which is still to be decoded, has no more pixels than frames have.

    Args:
        path: Where it is from, for the message.
        size: (width, height).

    Raises:
        InputError: If it has.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"{path} is a picture of {size[0]}x{size[1]} (WxH): at most {MAX_PIXELS:,} pixels are "
            "read"
        )


def pages_of(image: Image.Image) -> list[int]:
    """Which pages of a file are pictures of a stack or an animation, not previews of the first."""
    count = int(getattr(image, "n_frames", 1))
    if count == 1 or image.format not in ("TIFF", "WEBP", "PNG", "GIF"):
        return [0]
    if image.format != "TIFF":  # an APNG may begin with a picture for programs that know none
        return list(range(1 if image.info.get("default_image") else 0, count))
    found = [page for page in range(count) if page == 0 or not _is_preview(image, page)]
    image.seek(0)
    return found


def _is_preview(image: Image.Image, page: int) -> bool:
    image.seek(page)
    return bool(image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & 1)  # type: ignore[attr-defined]


def read_image(path: Path, span: float = DEEP) -> NDArray[np.uint8]:
    """An image file as H x W x 3 uint8 RGB.

    Grey is repeated, transparency dropped, EXIF orientation applied; grey of more than 8 bits is
    reduced to 8.

    Args:
        path: The file.
        span: Values of such grey are from 0 to below this.

    Raises:
        InputError: If there is no such file, it is not a whole image, or its values reach `span`.
    """
    return to_rgb(load_image(path), span, path)


def to_rgb(image: Image.Image, span: float, path: Path) -> NDArray[np.uint8]:
    """A decoded image as `read_image` gives it."""
    image = ImageOps.exif_transpose(image)
    if not is_deep(image):
        return np.array(image.convert("RGB"))
    values = np.asarray(image)
    if span < DEEP and (values >= span).any():
        highest, peak = levels_in(values)
        if highest >= span and highest > 1:
            raise InputError(
                f"{path} has values up to {peak:g}, other frames stay below {span:g}: scale "
                "all frames to 8 bits in the same way"
            )
    return np.repeat(reduced(values, span)[..., None], 3, axis=2)


def is_deep(image: Image.Image) -> bool:
    """Whether an image is grey of more than 8 bits, which Pillow would clip rather than scale."""
    return image.mode.startswith("I") or image.mode == "F"
