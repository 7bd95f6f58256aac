"""overlay.mp4: the video with its propagated labels drawn over it, as they come or from files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from pixelkin.background import prefetch
from pixelkin.propagation.results import OVERLAY, ResultsFolder
from pixelkin.types import Prediction
from pixelkin.video.reader import VideoReader
from pixelkin.video.render import overlay
from pixelkin.video.writer import VideoWriter

DEFAULT_FPS = 24.0  # of folders of frames, which do not say, and where no player keeps up
PLAYABLE = (1.0, 120.0)  # frames per second


@contextmanager
def drawing(reader: VideoReader, results: ResultsFolder) -> Iterator[Callable[[Prediction], None]]:
    """Draw the predictions of a run while they come, from frame 0 on.

    The video appears when the `with` block ends well.

    Args:
        reader: What is propagated through.
        results: The run's folder; its file is added with the first frame.

    Yields:
        What draws the next frame; once that has failed, it does nothing any more.
    """
    frames, failed = reader.frames(), False
    video: VideoWriter | None = None
    with ExitStack() as stack:

        def add(prediction: Prediction) -> None:
            nonlocal video, failed
            if failed:
                return
            failed = True
            video = video or stack.enter_context(_writer(reader, results))
            video.write(_draw(next(frames), prediction))
            failed = False

        yield add


def draw_stored(
    reader: VideoReader, results: ResultsFolder, progress: Callable[[int], None]
) -> None:
    """Draw a finished run from its files.

    Args:
        reader: What was propagated through.
        results: The run's folder, locked.
        progress: Called with the number of frames that are drawn.
    """
    pictures = itertools.starmap(
        _draw, zip(reader.frames(), results.predictions(reader), strict=True)
    )
    with _writer(reader, results) as writer:
        for done, picture in enumerate(prefetch(pictures), start=1):
            writer.write(picture)
            progress(done)


def playable_rate(video: VideoReader) -> float:
    """Frames per second of the overlay: the video's, where players show them.

    Recordings of fast events, and files with a wrong rate, state thousands; time-lapses hardly any.
    """
    stated = video.info.fps
    low, high = PLAYABLE
    return stated if stated is not None and low <= stated <= high else DEFAULT_FPS


def _writer(reader: VideoReader, results: ResultsFolder) -> VideoWriter:
    return VideoWriter(results.file(OVERLAY), playable_rate(reader), reader.info.size)


def _draw(frame: NDArray[np.uint8], shown: Prediction) -> NDArray[np.uint8]:
    return overlay(frame, shown.labels, confidence=shown.confidence)
