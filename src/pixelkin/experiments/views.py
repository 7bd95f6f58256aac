"""Pairs of views whose true correspondences are known, to count what mining finds in them.

Two views of one frame, whose truth follows from the crops; two frames of a synthetic video, whose
truth follows from its motion; two frames of a real clip, where two networks agree: no truth, but
what comes nearest. Knows nothing about mining.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.data.augment import Augmentation, draw, draw_view, recolour, warp
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import Encoder
from pixelkin.objectives.contrast import unit_cells
from pixelkin.ops.geometry import cell_centres, invert, transform

SIZE = 128  # pixels of a view's side
STRIDE = 8
SIDE = SIZE // STRIDE  # cells of a view's side
FRAME = (192, 256)  # (height, width) of synthetic videos, about that of the frames one trains on
# Of synthetic videos: light and noise are twice the default; at that speed one cell in ten has
# left the window of temporal coherence after 32 frames.
LIGHT, NOISE, SPEED = 0.16, 4.0, 0.35

Image = NDArray[np.uint8]

_STILL = Augmentation(brightness=0, contrast=0, saturation=0, hue=0, greyscale=0)
CROPS = {
    "strong": replace(_STILL, scale=(0.35, 1.0), aspect=1.15, shift=0.25, rotation=15),
    "mild": replace(_STILL, scale=(0.7, 1.0), aspect=1.15, shift=0.25, rotation=15),
    "shared": replace(
        _STILL, scale=(0.5, 1.0), aspect=1.15, shift=0.25, rotation=15, crop_jitter=0.15
    ),
}
COLOURS: Mapping[str, dict[str, Any]] = {
    "same": {},
    "slight": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.02},
    "strong": {
        "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "greyscale": 0.1,
    },
}  # fmt: skip


class Pair(NamedTuple):
    """Two frames of one video, and where the points of the first are in the second.

    Attributes:
        frames: Two images, H x W x 3 uint8.
        gap: Frames from the one to the other.
        scene: The video, if it is synthetic.
        start: Number of the first frame in it.
    """

    frames: tuple[Image, Image]
    gap: int
    scene: SyntheticScene | None = None
    start: int = 0


@dataclass(frozen=True, eq=False)
class Views:
    """B pairs of views with their truth; N = SIDE^2 cells each, numbered row by row.

    Attributes:
        views: B x 2 x 3 x SIZE x SIZE float in [0, 1].
        to_frame: B x 2 x 2 x 3 float32, from pixels of the views to pixels of the frames.
        gap: B int64, frames from the first to the second.
        frame_size: B x 2 int64 (height, width) of the frames.
        position: B x N x 2 (x, y): where in the second view, in cells of its grid, a cell of the
            first is.
        partner: B x N bool: it is in sight there, and inside the grid.
        known: B x N bool: whether there is a truth; false only where networks stand in for it.
    """

    views: Tensor
    to_frame: Tensor
    gap: Tensor
    frame_size: Tensor
    position: Tensor
    partner: Tensor
    known: Tensor


def make_views(pairs: Sequence[Pair], crop: str, colour: str, *, seed: int) -> Views:
    """Views of pairs of frames, and the truth; of real frames some time apart, all is unknown.

    Args:
        pairs: The pairs of frames.
        crop: One of `CROPS`.
        colour: One of `COLOURS`.
        seed: Of the views.
    """
    rng = np.random.default_rng((seed, 7))
    how = replace(CROPS[crop], **COLOURS[colour])
    drawn = [_draw(pair.frames, how, rng) for pair in pairs]
    to_frame = torch.from_numpy(np.stack([maps for _, maps in drawn]))
    found = [_truth(pair, maps) for pair, maps in zip(pairs, to_frame, strict=True)]
    position, seen = (torch.stack(x) for x in zip(*found, strict=True))
    known = torch.tensor([p.gap == 0 or p.scene is not None for p in pairs])
    return Views(
        torch.stack([views for views, _ in drawn]),
        to_frame.float(),
        torch.tensor([p.gap for p in pairs]),
        torch.tensor([p.frames[0].shape[:2] for p in pairs]),
        position,
        seen & inside(position),
        known[:, None].expand(seen.shape),
    )


def _draw(
    frames: tuple[Image, Image], how: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.float64]]:
    """2 x 3 x SIZE x SIZE views of two frames, as the clips of a training have, and their maps."""
    centre = (rng.random(), rng.random())
    shape = (frames[0].shape[0], frames[0].shape[1])
    shared = None if how.crop_jitter is None else draw_view(how, shape, SIZE, centre, rng)
    drawn = []
    for frame in frames:
        one = draw(how, (frame.shape[0], frame.shape[1]), SIZE, centre, rng, shared)
        drawn.append((recolour(warp(frame, one.to_frame, SIZE), one.colour), one.to_frame))
    return torch.stack([view for view, _ in drawn]), np.stack([maps for _, maps in drawn])


def _truth(pair: Pair, to_frame: Tensor) -> tuple[Tensor, Tensor]:
    """Of one pair: N x 2 positions in cells of the second view, and N bool: in sight."""
    points = transform(cell_centres(SIDE, SIDE, STRIDE).double(), to_frame[0])
    seen = torch.ones(len(points), dtype=torch.bool)
    if pair.scene is not None and pair.gap:
        tracks = pair.scene.tracks(points.numpy(), pair.start, [pair.start + pair.gap])
        points, seen = (torch.from_numpy(x[0]) for x in tracks)
    return (transform(points, invert(to_frame[1])) / STRIDE).float(), seen


def inside(position: Tensor) -> Tensor:
    """Whether the cell nearest to each position, ... x 2, is one of the grid's."""
    nearest = position.round()
    return ((nearest >= 0) & (nearest < SIDE)).all(-1)


def synthetic_pairs(count: int, gap: int, *, seed: int) -> list[Pair]:
    """Frames of `count` synthetic videos: bodies that turn, bend and hide each other, light, noise.

    Args:
        count: Number of videos.
        gap: Distance of the two frames; 0 takes one frame twice.
        seed: Of the first video.
    """
    found = []
    for i in range(count):
        start = 5 * (i % 8)  # objects first meet some 24 frames after the beginning
        last = start + gap
        scene = SyntheticScene(seed + i, FRAME, last + 1, speed=SPEED, light=LIGHT, noise=NOISE)
        first = scene[start].image
        found.append(Pair((first, scene[last].image if gap else first), gap, scene, start))
    return found


@torch.inference_mode()
def encode(encoder: Encoder, views: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors of the cells of B pairs of views: two of B x N x C."""
    features = torch.cat([encoder(part) for part in torch.split(views.flatten(0, 1), 16)])
    cells = unit_cells(features)
    first, second = cells.view(*views.shape[:2], *cells.shape[1:]).unbind(1)
    return first, second


@torch.inference_mode()
def agreed(views: Views, judges: Sequence[Encoder]) -> Views:
    """Views with a stand-in for the truth: what all judges find there and back, and agree on.

    A cell is known if each judge's best match leads back to it, to within a cell, and all best
    matches lie within a cell of each other; its position is their mean. What is hard to match for
    the judges is left out, so that precision on the rest flatters everyone.

    Args:
        views: The pairs.
        judges: Networks, other than the one that is measured.
    """
    grid = cell_centres(SIDE, SIDE, 1)
    known = torch.ones_like(views.known)
    places = []
    for judge in judges:
        first, second = encode(judge, views.views)
        similarity = first @ second.mT
        there = similarity.argmax(2)
        back = similarity.argmax(1).gather(1, there)
        known &= _near(grid[back], grid)
        places.append(grid[there])
    for place in places[1:]:
        known &= _near(place, places[0])
    position = torch.stack(places).mean(0)
    return replace(views, position=position, partner=known, known=known)


def _near(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().amax(-1) <= 1
