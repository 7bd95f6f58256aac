"""From the pixels of an image file to ids of objects: the rules of `mask_png.read_mask`.

Some files state ids, others use colours (or grey levels as if they were colours), which get ids
from 1 on in their order. Which colour is which object is kept, so that several files can be joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.formats.flat_colours import ADVICE, Colours
from pixelkin.types import Colour, InputError
from pixelkin.video.palette import davis_palette

MAX_GREY_ID = 63  # a grey level up to here is an id as it stands
MAX_COLOURS = 255  # more than this is no colour coding
MAX_DEEP = 65535
VOID = 255  # marks "do not care" beside ids 1..254 in PASCAL VOC, DAVIS and YouTube-VOS
OPAQUE = 128  # alpha from which on a pixel belongs to the object, where edges are snapped
PALETTE_TOLERANCE = 8  # levels by which a palette of few colours is off

Coding = Literal["ids", "colours", "binary"]


@dataclass(frozen=True, eq=False)
class MaskPixels:
    """The ids of an image, and what they come from.

    Attributes:
        ids: H x W of integers (or bool), 0 is the background.
        coding: "ids" where the file states them; "colours" where they count its colours, or its
            grey levels; "binary" where there is one level that is no id, such as 255.
        colours: By id, the colours in the file, where it has any: with "ids" those of all entries
            of its palette.
    """

    ids: NDArray[Any]
    coding: Coding
    colours: dict[int, Colour]


def mask_pixels(
    path: Path, image: Image.Image, *, snap: bool = False, trusted: bool = False
) -> MaskPixels:
    """The ids of an image.

    Args:
        path: The file, for messages.
        image: Decoded, in the mode of the file.
        snap: Whether smoothed edges get the nearest of the colours that were meant.
        trusted: Whether the indices of a palette are ids for certain.

    Raises:
        InputError: If its edges are smoothed and not snapped, or it is no mask.
    """
    if image.mode == "P":
        return _from_palette(path, image, snap, trusted)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        return _from_colours(path, _opaque(path, pixels[..., :3], pixels[..., 3], snap), snap)
    if image.mode in ("1", "L"):
        return _from_grey(path, np.asarray(image.convert("L")), snap)
    if image.mode.startswith("I"):
        return _from_deep_grey(path, np.asarray(image).astype(np.int64), snap)
    if image.mode == "F":
        raise InputError(f"{path} holds fractions, not ids: {ADVICE}")
    return _from_colours(path, np.asarray(image.convert("RGB")), snap)


def _from_palette(path: Path, image: Image.Image, snap: bool, trusted: bool) -> MaskPixels:
    index = np.asarray(image)
    palette = davis_palette()
    stated = np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)
    palette[: len(stated)] = stated
    alpha = _alpha_of_entries(image.info.get("transparency"))
    clear = alpha[index] == 0
    used = np.unique(index[~clear])
    has_black = not palette[used].any(axis=1).all()
    reordered = palette[0].any() and (has_black or (clear.any() and 0 in used))
    if reordered or (alpha[used] < 255).any():
        rgb = _opaque(path, palette[index], alpha[index], snap)
        return _from_colours(path, rgb, snap, PALETTE_TOLERANCE)
    ids = _without_void(np.where(clear, 0, index))
    if ids.dtype != bool and not trusted:
        ids = _flat_entries(path, ids, palette, snap)
    return MaskPixels(ids, "ids", {i: _colour(palette[i]) for i in range(1, len(palette))})


def _alpha_of_entries(transparency: int | bytes | None) -> NDArray[np.uint8]:
    """256 alpha values from a tRNS chunk, or from the one transparent entry of a GIF."""
    alpha = np.full(256, 255, np.uint8)
    if isinstance(transparency, bytes):
        alpha[: len(transparency)] = np.frombuffer(transparency, np.uint8)[:256]
    elif transparency is not None:
        alpha[transparency] = 0
    return alpha


def _flat_entries(
    path: Path, ids: NDArray[Any], palette: NDArray[np.uint8], snap: bool
) -> NDArray[Any]:
    """The ids of a palette image; smoothed edges are known by its colours.

    DAVIS's palette, whose colours lie between each other by themselves, is taken at its word; so
    are grey ones that spell the id.
    """
    used, index = np.unique(ids, return_inverse=True)
    shown = used[used > 0]
    ramp = np.repeat(shown[:, None], 3, axis=1)
    if (palette[shown] == davis_palette()[shown]).all() or (
        (palette[shown] == ramp).all() and (shown <= MAX_GREY_ID).all()
    ):
        return ids
    values = np.where(used[:, None] > 0, palette[used], 0).astype(np.int64)
    colours = Colours(values, index.reshape(ids.shape))
    if not colours.are_smoothed(MAX_COLOURS, PALETTE_TOLERANCE, least=3):
        return ids
    if not snap or colours.is_photo:
        raise colours.refusal(path)
    return np.asarray(used[colours.snapped()][colours.index])


def _opaque(
    path: Path, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], snap: bool
) -> NDArray[np.uint8]:
    """H x W x 3, black where transparent."""
    partial = np.count_nonzero((alpha > 0) & (alpha < 255))
    if partial and not snap:
        meant = Colours.of(rgb * (alpha == 255)[..., None]).meant()
        raise InputError(
            f"{path} has {partial} partly transparent pixels, as smoothed (anti-aliased) edges do; "
            f"opaque are {meant or 'none'}. --snap takes what is at least half opaque; or {ADVICE}"
        )
    return rgb * (alpha >= (OPAQUE if snap else 255))[..., None]


def _without_void(ids: NDArray[Any]) -> NDArray[Any]:
    alone = not ((ids > 0) & (ids < VOID)).any()
    return ids == VOID if alone else np.where(ids == VOID, 0, ids)


def _from_grey(path: Path, grey: NDArray[np.uint8], snap: bool) -> MaskPixels:
    levels = np.unique(grey[grey > 0])
    if len(levels) == 1 and levels[0] > MAX_GREY_ID:
        return MaskPixels(grey > 0, "binary", {1: _colour(levels.repeat(3))})
    if (levels[levels != VOID] <= MAX_GREY_ID).all():
        return MaskPixels(_without_void(grey), "ids", {})
    return _numbered(path, Colours.of(grey[..., None]), MAX_GREY_ID, snap)


def _from_deep_grey(path: Path, grey: NDArray[np.int64], snap: bool) -> MaskPixels:
    if grey.min() < 0:
        raise InputError(f"{path} holds the value {grey.min()}: ids must not be negative")
    if grey.max() == MAX_DEEP:
        if not ((grey > 0) & (grey < MAX_DEEP)).any():
            return MaskPixels(grey > 0, "binary", {1: (255, 255, 255)})
        return _numbered(path, Colours.of(grey[..., None]), MAX_COLOURS, snap)
    counted = int(grey.max()) == len(np.unique(grey[grey > 0]))  # 1, 2, 3, ...: ids
    if not counted and grey.max() < MAX_DEEP and len(np.unique(grey)) > MAX_COLOURS:
        colours = Colours.of(grey[..., None])
        if colours.is_photo or colours.are_smoothed(MAX_DEEP):
            raise colours.refusal(path)
    return MaskPixels(grey, "ids", {})


def _from_colours(
    path: Path, rgb: NDArray[np.uint8], snap: bool, tolerance: float = 2
) -> MaskPixels:
    if (rgb == rgb[..., :1]).all():
        return _from_grey(path, rgb[..., 0], snap)
    return _numbered(path, Colours.of(rgb), MAX_COLOURS, snap, tolerance)


def _numbered(
    path: Path, colours: Colours, most: int, snap: bool, tolerance: float = 2
) -> MaskPixels:
    """The colours of objects numbered from 1 in their order."""
    index = colours.index
    if colours.are_smoothed(most, tolerance):
        if not snap or colours.is_photo:
            raise colours.refusal(path)
        index = colours.snapped()[index]
    there = [k for k in np.unique(index) if colours.is_object[k]]
    numbers = np.zeros(len(colours.values), np.int32)
    numbers[there] = np.arange(1, len(there) + 1)
    shown = {int(numbers[k]): _colour(colours.values[k]) for k in there}
    alone = len(there) == 1 and colours.values.shape[1] == 1
    return MaskPixels(numbers[index], "binary" if alone else "colours", shown)


def _colour(value: NDArray[Any]) -> Colour:
    """(r, g, b) of a colour, or of a grey level of 8 or 16 bits."""
    r, g, b = (int(v) for v in (value if len(value) == 3 else np.repeat(value, 3)))
    return (r, g, b) if max(r, g, b) <= 255 else (r >> 8, g >> 8, b >> 8)
