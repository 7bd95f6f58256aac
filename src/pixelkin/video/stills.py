"""Images as the frames of a video: one a file, or the pages of a stack or an animation.

Grey of more than 8 bits is reduced to 8 by the range that the frames use: cameras store 10, 12 or
14 bits in files of 16, and microscopes fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.types import InputError
from pixelkin.video.depth import DEEP, levels_in, span_note, span_of
from pixelkin.video.images import is_deep, load_image, opened, pages_of, read_image, to_rgb

LOOKED_AT = 200  # frames, evenly spaced, by which the range is found
DARK = 64  # deep colours whose first 8 bits stay below this would make a dark video


def open_images(
    paths: tuple[Path, ...], left_out: tuple[Path, ...] = ()
) -> tuple[Stills | Pages, tuple[str, ...] | None]:
    """The frames in some files, and their names; pages of one file have none.

    Args:
        paths: The files.
        left_out: What lies among them and cannot be read.

    Raises:
        InputError: If a file is no image, or holds deep colours that do not fill their range.
    """
    with opened(paths[0]) as image:
        pages = len(pages_of(image)) if len(paths) == 1 else 1
        deep, deep_colour = is_deep(image), _is_deep_colour(image)
    if pages > 1:
        whole = Pages(paths[0], pages)
        if deep:
            whole = Pages(paths[0], pages, *_range(whole.images(_some(pages))))
        return whole, None
    some = (load_image(paths[i]) for i in _some(len(paths)))
    if deep_colour and max(np.asarray(image).max() for image in some) < DARK:
        raise InputError(
            f"{paths[0].parent}: frames are of 16-bit colour whose values stay below "
            f"{256 * DARK}, a dark video: scale them to 8 bits"
        )
    span, peak = _range(some) if deep else (DEEP, 0.0)
    stills = Stills(paths, span, peak, left_out)
    return stills, tuple(p.stem for p in paths)


@dataclass(frozen=True)
class Stills:
    """Image files as frames.

    Attributes:
        paths: The files.
        span: See `read_image`.
        peak: The greatest value of grey of more than 8 bits.
        left_out: What lies among them and cannot be read.
    """

    paths: tuple[Path, ...]
    span: float = DEEP
    peak: float = 0.0
    left_out: tuple[Path, ...] = ()

    @property
    def ranged(self) -> str | None:
        """What the range of the values was taken for."""
        return span_note(self.span, self.peak)

    @property
    def note(self) -> str | None:
        """What the range of the values was taken for, and what is left out."""
        said = [] if self.ranged is None else [self.ranged]
        if self.left_out:
            first, *more = (path.name for path in self.left_out)
            others = f" and {len(more)} more are" if more else " is"
            said.append(f"{first}{others} left out, as no file is there (a link, a pipe)")
        return "; ".join(said) or None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        """The frames of these numbers."""
        return (read_image(self.paths[number], self.span) for number in wanted)


@dataclass(frozen=True)
class Pages:
    """The pages of one file as frames.

    Attributes:
        path: The file.
        count: How many there are; previews do not count.
        span: See `read_image`.
        peak: The greatest value of grey of more than 8 bits.
    """

    path: Path
    count: int
    span: float = DEEP
    peak: float = 0.0

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @property
    def ranged(self) -> str | None:
        """What the range of the values was taken for."""
        return span_note(self.span, self.peak)

    @property
    def note(self) -> str | None:
        """As `ranged`."""
        return self.ranged

    def __len__(self) -> int:
        return self.count

    def read(self, wanted: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """The frames of these numbers."""
        return (to_rgb(image, self.span, self.path) for image in self.images(wanted))

    def images(self, wanted: Sequence[int]) -> Iterator[Image.Image]:
        """The pages of these numbers, decoded; animations cannot go back, and are opened again."""
        at_once = self.path.suffix.lower() in (".tif", ".tiff") or list(wanted) == sorted(wanted)
        for part in [wanted] if at_once else [[number] for number in wanted]:
            with opened(self.path) as image:
                places = pages_of(image)
                for number in part:
                    image.seek(places[number])
                    yield image.copy()


def _some(count: int) -> list[int]:
    """Evenly spaced numbers below `count`, all of them if they are few."""
    return sorted({math.floor(n * count / LOOKED_AT) for n in range(LOOKED_AT)})


def _range(images: Iterator[Image.Image]) -> tuple[float, float]:
    """Their range, and their greatest value."""
    highest, peak, whole = 0.0, 0.0, True
    for image in images:
        values = np.asarray(image)
        usual, greatest = levels_in(values)
        highest, peak = max(highest, usual), max(peak, greatest)
        whole = whole and values.dtype.kind != "f"
    return span_of(highest, whole=whole), peak


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether an image, not yet decoded, is of 16-bit colours, of which Pillow takes 8 bits."""
    stored = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return image.mode in ("RGB", "RGBA") and any(";16" in args for args in stored)
