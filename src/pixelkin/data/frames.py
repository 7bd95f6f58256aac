"""Whole frames from a folder of videos, for whatever must be measured at the size of use."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pixelkin.data.index import Source
from pixelkin.data.sources import open_source
from pixelkin.data.store import resize, small_size

log = logging.getLogger(__name__)


def sample_frames(
    sources: Sequence[Source], count: int, *, short_side: int = 480, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Whole frames, not augmented, of different videos as far as there are enough.

    Args:
        sources: The index of videos.
        count: Number of frames; fewer come if some cannot be read.
        short_side: Larger frames are reduced to this short side, in pixels.
        seed: Of the choice.

    Yields:
        H x W x 3 uint8 RGB, each of its own size.
    """
    rng = np.random.default_rng((seed, 3))
    order = rng.permutation(len(sources))
    for i in range(count):
        source = sources[int(order[i % len(order)])]
        try:
            frame = open_source(source)[int(rng.integers(source.frames))]
        except Exception as error:  # whatever a damaged file does to a decoder
            log.warning("skipped a frame of %s: %s", source.path, error)
            continue
        yield resize(frame, small_size(source.height, source.width, short_side))


def sample_pairs(
    sources: Sequence[Source], count: int, *, gap: int = 16, short_side: int = 240, seed: int = 0
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], int]]:
    """Pairs of whole frames of one video, for looking at what a network matches.

    Args:
        sources: The index of videos; those of a single frame are left out.
        count: Number of pairs; fewer come if there are fewer videos.
        gap: Distance of the frames in time, less in shorter videos.
        short_side: Larger frames are reduced to this short side, in pixels.
        seed: Of the choice.

    Yields:
        (H x W x 3 uint8 RGB, the same gap frames later, gap).
    """
    rng = np.random.default_rng((seed, 5))
    moving = [s for s in sources if s.frames > 1]
    for i in rng.permutation(len(moving))[:count]:
        source = moving[int(i)]
        size = small_size(source.height, source.width, short_side)
        distance = min(gap, source.frames - 1)
        first = int(rng.integers(source.frames - distance))
        try:
            video = open_source(source)
            pair = resize(video[first], size), resize(video[first + distance], size)
        except Exception as error:  # whatever a damaged file does to a decoder
            log.warning("skipped a pair of %s: %s", source.path, error)
            continue
        yield *pair, distance
