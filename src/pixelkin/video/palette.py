"""Colours of objects: those that a file gave them, else the usual ones of their numbers."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import Objects


def davis_palette() -> NDArray[np.uint8]:
    """The 256 x 3 uint8 colours of PASCAL VOC, which DAVIS and YouTube-VOS use.

    Id bits 0, 1, 2 are the top bits of red, green, blue; bits 3, 4, 5 the next; and so on.

    Example:
        >>> davis_palette()[:3].tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    ids = np.arange(256)[:, None]
    channel = np.arange(3)
    bits = [((ids >> (3 * i + channel)) & 1) << (7 - i) for i in range(3)]
    return np.asarray(sum(bits), dtype=np.uint8)


def mask_colours(objects: Objects) -> NDArray[np.uint8]:
    """256 x 3 uint8 colours by id: DAVIS's, but for objects that have their own."""
    colours = davis_palette()
    for o in objects:
        if o.colour is not None and o.id < len(colours):
            colours[o.id] = o.colour
    return colours


def drawn_colours(objects: Objects) -> NDArray[np.uint8]:
    """256 x 3 uint8 colours by id for drawing over a video.

    As `mask_colours`, but for greys where there are several: those of grey levels, which are told
    apart in a mask and not over a picture.
    """
    colours = mask_colours(objects)
    grey = [o.id for o in objects if o.colour is not None and len({*o.colour}) == 1]
    grey = [i for i in grey if i < len(colours)]
    if len(grey) > 1:
        colours[grey] = davis_palette()[grey]
    return colours


def point_colours(objects: Objects) -> NDArray[np.uint8]:
    """P x 3 uint8: each object's own colour, else vivid ones of which neighbours differ.

    Their hues lie a golden angle apart.
    """
    hues = (np.arange(len(objects)) * 0.618034 + 0.02) % 1
    values = [colorsys.hsv_to_rgb(hue, 0.75 if i % 2 else 0.95, 1.0) for i, hue in enumerate(hues)]
    colours = np.asarray(np.round(255 * np.reshape(values, (-1, 3))), dtype=np.uint8)
    for i, o in enumerate(objects):
        if o.colour is not None:
            colours[i] = o.colour
    return colours
