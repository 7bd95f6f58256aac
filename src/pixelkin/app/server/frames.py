"""Frames as JPEG, by their exact number: one thread decodes, and reads ahead of what is asked for.

To show one frame of a video file, all since the last keyframe are decoded; so those that are passed
are kept, and reading goes on to the next keyframe. While nobody asks, the video is walked once from
its beginning, until the cache is full.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.app.server.cache import FileCache
from pixelkin.types import InputError
from pixelkin.video.reader import VideoReader

LONG_SIDE = 1280
QUALITY, FULL_QUALITY = 85, 92
BEFORE = 48  # frames before the one that is asked for that are kept on the way to it
AHEAD = 250  # frames that are read after it at most
NEAR = BEFORE  # frames up to which reading on is quicker than seeking; so far it must go on
PAUSE = 0.02  # seconds between frames while nobody asks for one
CACHE_BYTES = 2 * 2**30

Picture = NDArray[np.uint8]


class Frames:
    """The frames of a video as JPEG.

    Args:
        reader: The video.
        folder: Where they are kept.
        limit: Bytes that may be kept.
        walk: Whether to read the whole video while nobody asks for a frame.
    """

    def __init__(
        self, reader: VideoReader, folder: Path, limit: int = CACHE_BYTES, *, walk: bool = True
    ) -> None:
        self._reader, self._cache = reader, FileCache(folder, limit)
        self._scaled = max(reader.info.size) > LONG_SIDE
        self._asked: dict[tuple[int, bool], Future[bytes]] = {}
        self._changed = Condition()
        self._closed = False
        self._ahead: Iterator[tuple[int, Picture | None]] = iter(())
        self._at = self._end = 0
        self._walk = walk
        self._thread = Thread(target=self._work, name="frames", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._reader)

    def get(self, number: int, *, full: bool = False) -> Future[bytes]:
        """The JPEG of a frame, when it is there.

        Args:
            number: Frame number.
            full: In the video's own size; else its long side is at most 1280 pixels.

        Raises:
            IndexError: If there is no such frame.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"no frame {number}: the video has frames 0 to {len(self) - 1}")
        full = full and self._scaled
        kept = None if full else self._cache.get(_name(number))
        if kept is not None:
            done: Future[bytes] = Future()
            done.set_result(kept)
            return done
        with self._changed:
            if self._closed:
                raise InputError("the session is closed")
            asked = self._asked.setdefault((number, full), Future())
            self._changed.notify()
        return asked

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            for asked in self._asked.values():
                asked.cancel()
            self._asked.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        walk = self._whole() if self._walk else iter(())
        while True:
            with self._changed:
                if self._closed:
                    return
                asked = next(reversed(self._asked), None)  # the latest: somebody looks there
            if asked is not None:
                self._answer(*asked)
            elif self._at < self._end:
                try:
                    self._step()
                except InputError:  # damaged: whoever asks for that frame is told
                    self._at = self._end
            elif next(walk, None) is None:
                with self._changed:
                    if not self._asked and not self._closed:
                        self._changed.wait()
            else:
                with self._changed:
                    if not self._asked and not self._closed:
                        self._changed.wait(PAUSE)

    def _answer(self, number: int, full: bool) -> None:
        try:
            if full:
                self._give(number, full, encode(self._reader[number], None, FULL_QUALITY))
                return
            if (kept := self._cache.get(_name(number))) is not None:
                self._give(number, full, kept)
                return
            if not self._at <= number <= self._at + NEAR or self._at >= self._end:
                group = self._reader.group(number)
                self._at = max(group.start, number - BEFORE)
                self._end = min(group.stop, number + AHEAD)
                numbers = range(self._at, self._end)
                self._ahead = zip(numbers, self._reader.frames(self._at, self._end), strict=True)
            self._end = max(self._end, number + 1)
            self._step()
        except Exception as error:  # of the video: told to who asked, and the thread goes on
            self._at = self._end = 0
            self._give(number, full, error)

    def _step(self) -> None:
        """Keep one more frame of those that are read ahead."""
        number, picture = next(self._ahead, (self._end - 1, None))
        self._at = number + 1
        if picture is not None:
            self._keep(number, picture)

    def _keep(self, number: int, picture: Picture) -> None:
        if _name(number) in self._cache and (number, False) not in self._asked:
            return
        content = encode(picture, LONG_SIDE, QUALITY)
        self._cache.put(_name(number), content)
        self._give(number, False, content)

    def _give(self, number: int, full: bool, found: bytes | Exception) -> None:
        with self._changed:
            asked = self._asked.pop((number, full), None)
        if asked is None or not asked.set_running_or_notify_cancel():
            return
        if isinstance(found, bytes):
            asked.set_result(found)
        else:
            asked.set_exception(found)

    def _whole(self) -> Iterator[int]:
        """Reads the video once; keeps a frame at each step, as long as there is room."""
        lacking = (n for n in range(len(self)) if _name(n) not in self._cache)
        first = next(lacking, None)
        if first is None:
            return
        try:
            for number, picture in enumerate(self._reader.frames(first), first):
                if self._cache.full:
                    return
                self._keep(number, picture)
                yield number
        except InputError:  # damaged: whoever asks for that frame is told
            return


def encode(picture: Picture, long_side: int | None, quality: int) -> bytes:
    """A frame as JPEG.

    Args:
        picture: H x W x 3 uint8.
        long_side: In pixels at most; None for its own.
        quality: Of JPEG.
    """
    image = Image.fromarray(picture)
    if long_side is not None and max(image.size) > long_side:
        share = long_side / max(image.size)
        width, height = (max(1, round(side * share)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality, subsampling="4:2:0")
    return written.getvalue()


def _name(number: int) -> str:
    return f"{number:07d}.jpg"
