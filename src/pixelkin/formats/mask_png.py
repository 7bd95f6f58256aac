"""Masks as image files: read whatever a labelling tool wrote, write what the benchmarks read.

The rules by which pixels become ids are those of :func:`read_mask`. Files of benchmarks, taken at
their word, are read by `id_png.read_ids` instead.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.files import atomic_write
from pixelkin.formats.frame_names import frame_of
from pixelkin.formats.mask_pixels import VOID, MaskPixels, mask_pixels
from pixelkin.types import (
    Annotations,
    InputError,
    Labels,
    MapKind,
    MaskLabels,
    Objects,
    VideoInfo,
    check_size,
)
from pixelkin.video.images import BROKEN, load_image
from pixelkin.video.palette import mask_colours
from pixelkin.video.suffixes import IMAGES


def read_mask(
    path: str | Path,
    size: tuple[int, int] | None = None,
    *,
    kind: MapKind = "mask",
    allow_empty: bool = False,
    snap: bool = False,
) -> MaskLabels:
    """Read the label map of one frame from an image file.

    How pixels become ids ([D] where formats are silent; background is always 0):

    * Palette image: the indices are the ids, and the palette is kept. Transparent entries are
      background. 255 beside other ids is void and becomes background; alone it is object 1. If
      colour 0 is an object's (another one that is used is black, or transparent), a tool has
      reordered the palette, and the colours count (below).
    * Grey, one level besides 0: object 1 if above 63 (so 0/255 masks), else the id it states.
    * Grey, several levels: the levels are the ids if all are at most 63 (255 beside them is void);
      else they count as colours do. 1-bit images are 0/255; in 16-bit images levels are ids, but
      for 65535, which is as 255.
    * Colours: each colour is an object, numbered from 1 in lexicographic order of (r, g, b);
      black is background. The colours are kept as palette. RGB with r = g = b counts as grey.
    * Alpha: fully transparent is background; partly transparent is an error.

    Smoothed edges would make objects out of mixed colours, so they are an error, whose message
    names the colours that were meant. A colour (almost) without 3 x 3 blocks of its own that lies
    between two colours that have them is a mixture, and a mask with as many mixtures as flat
    colours is smoothed, or with many more thin colours beside flat ones. Grey levels up to 63 and
    the palette of DAVIS are not tested.

    Args:
        path: PNG, or another format that keeps pixels exactly (not JPEG).
        size: (height, width) that the mask must have, that of its frame; None to take any.
        kind: What the ids stand for.
        allow_empty: Accept a mask without any object.
        snap: Give every pixel of a smoothed mask the nearest of the colours that were meant, and
            take what is at least half opaque.

    Returns:
        Labels with ids H x W int32; the objects have the colours of the file, if it has any.

    Raises:
        InputError: If the file is unreadable, of another size, a JPEG, smoothed, a photo, partly
            transparent, or holds no object.
    """
    path = Path(path)
    pixels = read_pixels(path, size, snap=snap)
    if not allow_empty and not pixels.ids.any():
        raise InputError(f"{path} holds no object: every pixel is background (0, black)")
    return labels_of(pixels, kind=kind)


def read_pixels(
    path: Path, size: tuple[int, int] | None = None, *, snap: bool = False
) -> MaskPixels:
    """The ids of a mask and what they come from; see `read_mask`."""
    image = load_image(path)
    if image.format in ("JPEG", "MPO"):
        raise InputError(f"{path} is a JPEG, whose compression blurs ids: save the mask as PNG")
    if size is not None:
        check_size((image.height, image.width), size, str(path))
    result = path.parent.parent / "frames" / f"{path.stem}.json"
    written = path.parent.name == "masks" and result.is_file()  # by `frame_json`
    return mask_pixels(path, image, snap=snap, trusted=written)


def labels_of(pixels: MaskPixels, *, kind: MapKind = "mask") -> MaskLabels:
    """Labels with the ids of a file, and its colours."""
    labels = Labels.from_mask(pixels.ids, kind=kind)
    if pixels.coding == "binary":
        return labels
    table = (replace(o, colour=pixels.colours.get(o.id)) for o in labels.objects)
    return replace(labels, objects=Objects(tuple(table)))


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
    if path.suffix.lower() in IMAGES:
        return True
    try:
        Image.open(path).close()
    except BROKEN:
        return False
    return True


def load(path: Path, video: VideoInfo, *, snap: bool = False) -> Annotations:
    """The mask of the frame that its name means, of frame 0 if it has no number.

    See `frame_names.frame_of` and `read_mask`.
    """
    labels = read_mask(path, video.size, snap=snap)
    return Annotations.of({frame_of(path, video) or 0: labels}, str(path))


def save(path: Path, annotations: Annotations) -> None:
    """Write the map of the one frame that has labels."""
    write_mask(path, annotations.only())
