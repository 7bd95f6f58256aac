"""The frames of an indexed video, wherever they lie: in a video file, in images, in a pack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pixelkin.data.index import Source
from pixelkin.data.packed import open_pack
from pixelkin.video.reader import open_video


class Frames(Protocol):
    """Frames H x W x 3 uint8 RGB of one video, by number."""

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """One frame."""

    def frames(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        """Frames start .. stop - 1."""


def open_source(source: Source) -> Frames:
    """A reader of an indexed video.

    Raises:
        InputError: If it cannot be opened.
    """
    if source.packed:
        return open_pack(Path(source.path))[source.name]
    return open_video(source.path, skip_broken=True)
