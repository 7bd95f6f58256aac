"""overlay.mp4: the video with its propagated labels drawn over it, from a folder of results."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.background import prefetch
from pixelkin.propagation.results import OVERLAY, ResultsFolder
from pixelkin.types import Prediction
from pixelkin.video.reader import VideoReader, open_video
from pixelkin.video.render import overlay
from pixelkin.video.writer import VideoWriter

DEFAULT_FPS = 24.0  # of folders of frames, which do not say, and where no player keeps up
PLAYABLE = (1.0, 120.0)  # frames per second


def write_overlay(
    video: str | Path | VideoReader,
    folder: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw the results in `folder` over `video`.

    Args:
        video: What was propagated through.
        folder: As `propagate_to_folder` left it.
        progress: Called with (frames done, frames in all).

    Returns:
        Path of overlay.mp4, written atomically into `folder`.
    """
    reader = open_video(video)
    with ResultsFolder(Path(folder)) as results:
        results.lock()
        path = results.file(OVERLAY)
        predictions = results.predictions(reader)
        pictures = itertools.starmap(_draw, zip(reader.frames(), predictions, strict=True))
        with VideoWriter(path, playable_rate(reader), reader.info.size) as writer:
            for done, picture in enumerate(prefetch(pictures), start=1):
                writer.write(picture)
                if progress is not None:
                    progress(done, len(reader))
    return path


def playable_rate(video: VideoReader) -> float:
    """Frames per second of the overlay: the video's, where players show them.

    Recordings of fast events, and files with a wrong rate, state thousands; time-lapses hardly any.
    """
    stated = video.info.fps
    low, high = PLAYABLE
    return stated if stated is not None and low <= stated <= high else DEFAULT_FPS


def _draw(frame: NDArray[np.uint8], shown: Prediction) -> NDArray[np.uint8]:
    return overlay(frame, shown.labels, confidence=shown.confidence)
