"""Masks as image files: read whatever a labelling tool wrote, write what the benchmarks read.

The rules by which pixels become ids are those of :func:`read_mask`. Files of benchmarks, taken at
their word, are read by `id_png.read_ids` instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.files import atomic_write
from pixelkin.types import (
    Annotations,
    InputError,
    Labels,
    MapKind,
    MaskLabels,
    VideoInfo,
    check_size,
)
from pixelkin.video.images import SUFFIXES, load_image
from pixelkin.video.palette import davis_palette, mask_colours

MAX_GREY_ID = 63  # a grey level up to here is an id as it stands
MAX_COLOURS = 255  # more than this is no colour coding
MIN_BLOCKS = 0.05  # share of a colour's pixels that centre a 3 x 3 block of it in a flat area
VOID = 255  # marks "do not care" beside ids 1..254 in PASCAL VOC, DAVIS and YouTube-VOS
ADVICE = "draw and resize with nearest-neighbour, and save each object in one colour as PNG"


def read_mask(
    path: str | Path,
    size: tuple[int, int] | None = None,
    *,
    kind: MapKind = "mask",
    allow_empty: bool = False,
) -> MaskLabels:
    """Read the label map of one frame from an image file.

    How pixels become ids ([D] where formats are silent; background is always 0):

    * Palette image: the indices are the ids, and the palette is kept. 255 beside other ids is
      void and becomes background; alone it is object 1. If colour 0 is not black but another
      used colour is, a tool has reordered the palette, and the colours count (below).
    * Grey, one level besides 0: object 1 if above 63 (so 0/255 masks), else the id it states.
    * Grey, several levels: the levels are the ids if all are at most 63 (255 beside them is void),
      or if they are flat areas, in the sense below. 1-bit images are 0/255; in 16-bit images
      levels are ids too, and 0/65535 is binary.
    * Colours: each colour is an object, numbered from 1 in lexicographic order of (r, g, b);
      black is background. The colours are kept as palette. RGB with r = g = b counts as grey.
    * Alpha: fully transparent is background; partly transparent is an error.

    Smoothed edges would make objects out of mixed colours, so they are an error: a colour (almost)
    without 3 x 3 blocks of its own that lies between two colours that have them is a mixture, and
    a mask with as many mixtures as flat colours is smoothed. The ids of palette images and grey
    levels up to 63 are not tested.

    Args:
        path: PNG, or another format that keeps pixels exactly (not JPEG).
        size: (height, width) that the mask must have, that of its frame; None to take any.
        kind: What the ids stand for.
        allow_empty: Accept a mask without any object.

    Returns:
        Labels with ids H x W int32; the objects have the colours of the file, if it has any.

    Raises:
        InputError: If the file is unreadable, of another size, a JPEG, smoothed, a photo, partly
            transparent, or holds no object.
    """
    path = Path(path)
    image = load_image(path)
    if image.format in ("JPEG", "MPO"):
        raise InputError(f"{path} is a JPEG, whose compression blurs ids: save the mask as PNG")
    if size is not None:
        check_size((image.height, image.width), size, str(path))
    ids, palette = _to_ids(path, image)
    if not allow_empty and not ids.any():
        raise InputError(f"{path} holds no object: every pixel is background (0, black)")
    return Labels.from_mask(ids, kind=kind, palette=palette)


def write_mask(path: str | Path, labels: Labels, palette: NDArray[np.uint8] | None = None) -> None:
    """Write a label map as palette PNG (DAVIS, YouTube-VOS), atomically.

    Ids above 254 do not fit (255 is void): then all go to a 16-bit grey PNG. :func:`read_mask`
    gives the same ids back.

    Args:
        path: Ends in .png; replaced if it exists.
        labels: Of kind mask or parts.
        palette: N x 3 uint8 colours by id; those of the labels' objects if None. The background
            is always written black.

    Raises:
        InputError: If an id is above 65534, or the name does not end in .png.
        ValueError: If the labels are points.
    """
    ids = labels.as_map().ids
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"cannot write the mask {path}: its name must end in .png")
    highest = int(ids.max(initial=0))
    if highest >= 65535:
        raise InputError(f"cannot write {path}: object id {highest} is above 65534")
    if highest >= VOID:
        image = Image.fromarray(ids.astype(np.uint16))
    else:
        image = Image.fromarray(ids.astype(np.uint8))
        colours = mask_colours(labels.objects)
        if palette is not None:
            colours[1 : len(palette)] = palette[1:256]
        image.putpalette(colours.tobytes())
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG")


def sniff(path: Path) -> bool:
    """Whether the file is an image, by its name or by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        Image.open(path).close()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def load(path: Path, video: VideoInfo) -> Annotations:
    """The mask of the frame that has the file's name, else of frame 0; see `read_mask`.

    In a folder of results, that of the frame whose result it is.
    """
    number = video.number(path.stem)
    result = path.parent.parent / "frames" / f"{path.stem}.json"
    if number is None and result.is_file() and path.stem.isdecimal():
        number = int(path.stem)
    return Annotations.of({number or 0: read_mask(path)}, str(path))


def save(path: Path, annotations: Annotations) -> None:
    """Write the map of the one frame that has labels."""
    write_mask(path, annotations.only())


def _to_ids(path: Path, image: Image.Image) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    if image.mode == "P":
        index = np.asarray(image)
        palette = davis_palette()
        stated = np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)
        palette[: len(stated)] = stated
        has_black = not palette[np.unique(index)].any(axis=1).all()
        if has_black and palette[0].any():
            return _from_colours(path, palette[index])
        return _without_void(index), palette
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        alpha = pixels[..., 3:]
        if partial := np.count_nonzero((alpha > 0) & (alpha < 255)):
            raise InputError(f"{path} has {partial} partly transparent pixels: {ADVICE}")
        return _from_colours(path, pixels[..., :3] * (alpha > 0))
    if image.mode in ("1", "L"):
        return _from_grey(path, np.asarray(image.convert("L"))), None
    if image.mode.startswith("I"):
        return _from_deep_grey(path, np.asarray(image).astype(np.int64)), None
    if image.mode == "F":
        raise InputError(f"{path} holds fractions, not ids: {ADVICE}")
    return _from_colours(path, np.asarray(image.convert("RGB")))


def _without_void(ids: NDArray[Any]) -> NDArray[Any]:
    alone = not ((ids > 0) & (ids < VOID)).any()
    return ids == VOID if alone else np.where(ids == VOID, 0, ids)


def _from_grey(path: Path, grey: NDArray[np.uint8]) -> NDArray[Any]:
    levels = np.unique(grey[grey > 0])
    if len(levels) == 1 and levels[0] > MAX_GREY_ID:
        return grey > 0
    if (levels[levels != VOID] <= MAX_GREY_ID).all():
        return _without_void(grey)
    _check_flat(path, grey[..., None], MAX_GREY_ID, "grey levels")
    return grey


def _from_deep_grey(path: Path, grey: NDArray[np.int64]) -> NDArray[Any]:
    if grey.min() < 0:
        raise InputError(f"{path} holds the value {grey.min()}: ids must not be negative")
    if grey.max() == 65535:
        if not ((grey > 0) & (grey < 65535)).any():
            return grey > 0
        _check_flat(path, grey[..., None], MAX_COLOURS, "grey levels")
    return grey


def _from_colours(
    path: Path, rgb: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    if (rgb == rgb[..., :1]).all():
        return _from_grey(path, rgb[..., 0]), None
    colours, ids = _check_flat(path, rgb, MAX_COLOURS, "colours")
    if colours[0].any():  # no background
        colours, ids = np.insert(colours, 0, 0, axis=0), ids + 1
    return ids, colours.astype(np.uint8)


def _check_flat(
    path: Path, pixels: NDArray[Any], most: int, what: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The K x C colours of H x W x C pixels in lexicographic order, and the H x W index of each.

    Raises:
        InputError: If the colours are not those of a mask: smoothed edges, or a photo.
    """
    colours, index = _count_colours(pixels)
    inside = _uniform_blocks(index)
    is_object = colours.any(axis=1)
    area = np.bincount(index.ravel())
    flat = np.bincount(index[1:-1, 1:-1][inside], minlength=len(area)) > MIN_BLOCKS * area
    flat[np.argmax(area * is_object)] = True  # all may be thin
    objects, flat_objects = int(is_object.sum()), int((flat & is_object).sum())
    if objects <= most and _count_mixtures(colours, flat) < flat_objects:
        return colours, index
    if inside.size and inside.mean() < 0.5:
        raise InputError(f"{path} looks like a photo, not a mask ({objects} {what}): {ADVICE}")
    raise InputError(
        f"{path} has smoothed (anti-aliased) edges, {objects} {what} of which {flat_objects} fill "
        f"areas: {ADVICE}"
    )


def _count_colours(pixels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shifts = 16 * np.arange(pixels.shape[-1], dtype=np.int64)[::-1]
    codes = (pixels.astype(np.int64) << shifts).sum(axis=-1)
    unique, index = np.unique(codes, return_inverse=True)
    return (unique[:, None] >> shifts) & 0xFFFF, index.reshape(codes.shape)


def _uniform_blocks(index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(H - 2) x (W - 2): whether the 3 x 3 block around each inner pixel is of one colour."""
    h, w = (max(0, n - 2) for n in index.shape)
    centre = index[1:-1, 1:-1]
    shifted = [index[y : y + h, x : x + w] == centre for y in range(3) for x in range(3)]
    return np.asarray(np.logical_and.reduce(shifted), dtype=np.bool_)


def _count_mixtures(colours: NDArray[np.int64], flat: NDArray[np.bool_]) -> int:
    """How many of the K x C colours lie on a line between two of the flat ones (or black)."""
    ends = np.vstack([np.zeros((1, colours.shape[1])), colours[flat & colours.any(axis=1)]])
    others = colours[~flat & colours.any(axis=1)].astype(float)
    mixed = np.zeros(len(others), dtype=bool)
    for i, end in enumerate(ends[:-1]):
        lines = ends[i + 1 :] - end  # B x C
        offsets = others - end  # M x C
        along = offsets @ lines.T / (lines**2).sum(axis=1)  # M x B
        off = np.abs(offsets[:, None] - along[..., None] * lines).max(axis=-1)
        mixed |= ((off <= 2) & (along > 0) & (along < 1)).any(axis=1)  # 2: rounding
    return int(mixed.sum())
