"""Whole frames from a folder of videos, for whatever must be measured at the size of use."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pixelkin.data.index import Source
from pixelkin.data.store import resize, small_size
from pixelkin.video.reader import open_video

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
            frame = open_video(source.path)[int(rng.integers(source.frames))]
        except Exception as error:  # whatever a damaged file does to a decoder
            log.warning("skipped a frame of %s: %s", source.path, error)
            continue
        yield resize(frame, small_size(source.height, source.width, short_side))
