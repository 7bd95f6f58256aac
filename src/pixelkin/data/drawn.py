"""Clips as they are drawn, before any pixel is touched, and two ways to make views of them.

`render_each` makes the views of one clip one at a time, on the CPU; `render_batch` those of a whole
batch at once, on any device. Both see the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.data.augment import View, recolour, warp
from pixelkin.data.batch import ClipBatch, Layer
from pixelkin.data.paste import Outline, cover_of, paste
from pixelkin.data.rendering import Pieces, Prepared, cover, prepare, prepare_pieces, render

T = TypeVar("T")


class DrawnClip(NamedTuple):
    """One clip as it was drawn.

    Attributes:
        frames: H x W x 3 uint8 of each view, or where it begins among frames that are held, see
            `HeldFrames`.
        sizes: (height, width) of each frame.
        views: What was drawn of each view; maps are to pixels of `frames`.
        pastes: Whether clips of its kind give pieces to each other.
        outline: The piece that it gives, if any.
        to_frame: V x 2 x 3 maps to pixels of the frames as they were decoded.
        times: Their numbers in the video.
        frame_size: (height, width) of the frames as they were decoded.
        video: Index of the video.
    """

    frames: list[NDArray[np.uint8]] | list[int]
    sizes: list[tuple[int, int]]
    views: list[View]
    pastes: bool
    outline: Outline | None
    to_frame: NDArray[np.float64]
    times: list[int]
    frame_size: tuple[int, int]
    video: int


class Clip(NamedTuple):
    """One element of a `ClipBatch`, without the batch axis, and the piece it gives to another."""

    views: Tensor
    to_frame: NDArray[np.float64]
    times: list[int]
    frame_size: tuple[int, int]
    video: int
    piece: Tensor | None = None


def render_each(clip: DrawnClip, size: int) -> Clip:
    """The clip's views, one at a time; its frames are not held."""
    frames = cast(list[NDArray[np.uint8]], clip.frames)
    views = torch.empty(len(frames), 3, size, size)
    for i, (frame, view) in enumerate(zip(frames, clip.views, strict=True)):
        views[i] = recolour(warp(frame, view.to_frame, size), view.colour)
    piece = None
    if clip.pastes:
        piece = torch.zeros(len(frames), size, size)
        if clip.outline is not None:
            piece = cover_of(clip.outline, _maps(clip), size)
    return Clip(views, clip.to_frame, clip.times, clip.frame_size, clip.video, piece)


class DrawnBatch(NamedTuple):
    """B clips of V views each, in tensors that are small where frames are held on the device.

    Attributes:
        pixels: All their frames' pixels, or nothing where frames are held.
        views: All their views.
        pieces: Those that they give to each other, if any does.
        pastes: See `DrawnClip`.
        to_frame: B x V x 2 x 3, see `ClipBatch`, as are the following.
        times: B x V.
        frame_size: B x 2.
        videos: B.
    """

    pixels: Tensor
    views: Prepared
    pieces: Pieces | None
    pastes: bool
    to_frame: Tensor
    times: Tensor
    frame_size: Tensor
    videos: Tensor


def collate_drawn(clips: Sequence[DrawnClip], size: int) -> DrawnBatch:
    """Clips of as many views each -> one batch, for `render_batch`."""
    frames: list[Any] = [frame for clip in clips for frame in clip.frames]
    pixels = torch.empty(0, dtype=torch.uint8)
    if not isinstance(frames[0], int):
        pixels = torch.from_numpy(np.concatenate([frame.reshape(-1) for frame in frames]))
        ends = np.cumsum([frame.size // 3 for frame in frames])
        frames = [0, *ends[:-1].tolist()]
    views = [view for clip in clips for view in clip.views]
    sizes = [frame_size for clip in clips for frame_size in clip.sizes]
    pieces = prepare_pieces([c.outline for c in clips], np.stack([_maps(c) for c in clips]))
    return DrawnBatch(
        pixels,
        prepare(views, frames, sizes, size),
        pieces,
        all(c.pastes for c in clips),
        torch.from_numpy(np.stack([c.to_frame for c in clips]).astype(np.float32)),
        torch.tensor([c.times for c in clips]),
        torch.tensor([c.frame_size for c in clips]),
        torch.tensor([c.video for c in clips]),
    )


def render_batch(batch: DrawnBatch, held: Tensor | None = None) -> ClipBatch:
    """The batch's views, on the device where it is.

    Args:
        batch: On the device that computes.
        held: All pixels of the frames that are held there, if they are.
    """
    views = render(batch.pixels if held is None else held, batch.views)
    b, v = batch.times.shape
    views = views.view(b, v, *views.shape[1:])
    pasted = None
    if batch.pastes:
        size = batch.views.size
        pieces = views.new_zeros(b, v, size, size)
        if batch.pieces is not None:
            pieces = cover(batch.pieces, size)
        views, covered = paste(views, pieces, batch.videos)
        pasted = Layer(covered, batch.to_frame.roll(-1, 0), batch.videos.roll(-1, 0))
    return ClipBatch(
        views, batch.to_frame, batch.times, batch.frame_size, batch.videos, pasted=pasted
    )


def moved(x: T, device: torch.device) -> T:
    """A tensor, or a named tuple of such, on a device; what is no tensor stays as it is."""
    if isinstance(x, Tensor):
        return cast(T, x.to(device, non_blocking=True))
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return cast(T, type(x)(*(moved(part, device) for part in x)))
    return x


def _maps(clip: DrawnClip) -> NDArray[np.float64]:
    return np.stack([view.to_frame for view in clip.views])
