"""Pieces of one clip pasted onto another: two layers, each with a known geometry of its own.

Frames seen twice teach nothing about what moves before what. A piece of another video that lies on
a view, and elsewhere on the next view, does: cells of the two layers must differ although they are
neighbours, and cells next to an edge must stay themselves although what is beyond it changes. Knows
nothing about files or networks; all randomness comes from the generator given.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WAVES = np.arange(2, 7)  # of the outline, per turn
SOFT = 1.5  # pixels over which the outline fades


class Outline(NamedTuple):
    """A region of the first view: a stretched circle with waves.

    Attributes:
        radius: Its mean radius in pixels.
        centre: (x, y) in pixels.
        turn: Of the axes along which it is stretched, radians.
        stretch: By so much along the one, and by its inverse along the other.
        height: Of each of `WAVES`, as a share of the radius.
        phase: Of each, radians.
    """

    radius: float
    centre: NDArray[np.float64]
    turn: float
    stretch: float
    height: NDArray[np.float64]
    phase: NDArray[np.float64]


def draw_outline(size: int, radius: tuple[float, float], rng: np.random.Generator) -> Outline:
    """A random region.

    Args:
        size: Side S of the square views in pixels.
        radius: Range of the region's mean radius in the first view, as a share of S.
        rng: Source of the randomness.
    """
    mean = size * math.exp(rng.uniform(*np.log(radius)))
    centre = size * rng.uniform(0.15, 0.85, size=2)
    turn, stretch = rng.uniform(0, math.pi), math.exp(rng.uniform(-1, 1) * math.log(1.8))
    height = 0.35 * rng.uniform(-1, 1, size=len(WAVES)) / np.sqrt(WAVES - 1)
    phase = rng.uniform(0, 2 * math.pi, size=len(WAVES))
    return Outline(mean, centre, turn, stretch, height, phase)


def cover_of(outline: Outline, to_frame: NDArray[np.float64], size: int) -> Tensor:
    """How much of each pixel a region covers, as the views of one frame see it.

    Args:
        outline: The region in the first view.
        to_frame: V x 2 x 3 maps from pixels of the views to pixels of the frame they share.
        size: Side S of the square views in pixels.

    Returns:
        V x S x S float in [0, 1].
    """
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2)
    frame = pixels @ to_frame[:, :, :2].transpose(0, 2, 1) + to_frame[:, None, :, 2]
    first = (frame - to_frame[0, :, 2]) @ np.linalg.inv(to_frame[0, :, :2]).T - outline.centre
    cos, sin = math.cos(outline.turn), math.sin(outline.turn)
    x, y = np.moveaxis(first @ np.array([[cos, -sin], [sin, cos]]), -1, 0)
    x, y = x * outline.stretch, y / outline.stretch
    waves = np.cos(np.arctan2(y, x)[..., None] * WAVES + outline.phase) @ outline.height
    inside = (outline.radius * np.maximum(1 + waves, 0.3) - np.hypot(x, y)) / SOFT + 0.5
    return torch.from_numpy(inside.clip(0, 1).reshape(-1, size, size)).float()


def paste(views: Tensor, pieces: Tensor, videos: Tensor) -> tuple[Tensor, Tensor]:
    """Lay onto every clip the piece of the next one; onto the last, that of the first.

    Args:
        views: B x V x 3 x S x S.
        pieces: B x V x S x S, the region of each clip that is given away, see `cover_of`.
        videos: B int64; a clip gets no piece of its own video.

    Returns:
        (views B x V x 3 x S x S, cover B x V x S x S: how much the piece covers of each pixel).
    """
    cover = pieces.roll(-1, 0) * (videos != videos.roll(-1, 0))[:, None, None, None]
    return torch.lerp(views, views.roll(-1, 0), cover[:, :, None]), cover
