"""Opening a video for a command: a bar where it takes long, and what there is to know of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from pixelkin.app.console import progress_bar, say
from pixelkin.video.reader import VideoReader, open_video


def open_and_tell(video: str) -> VideoReader:
    """A reader of a video; what its files leave open, or what is damaged, is printed.

    Raises:
        InputError: As `open_video`.
    """
    bar: Callable[[int, int], None] | None = None
    with ExitStack() as stack:

        def progress(done: int, total: int) -> None:
            nonlocal bar
            bar = bar or stack.enter_context(progress_bar("reading the video"))
            bar(done, total)

        reader = open_video(video, progress=progress)
    if reader.note is not None:
        say(f"{video}: {reader.note}")
    return reader
