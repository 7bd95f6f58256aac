"""Video files through PyAV: exact frame numbers, exact seeking, bounded memory.

Frames are numbered in the order of presentation. Numbers come from an index of time stamps made
once, when the file is opened; a seek that does not land on the very frame it was meant for is
tried again from an earlier keyframe, at last from the start, so that a frame's number never
depends on how it was reached. Knows nothing about folders of images or labels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pixelkin.types import InputError
from pixelkin.video.demuxing import decoded, opened, tracks_of
from pixelkin.video.depth import DEEP, span_note, span_of
from pixelkin.video.integrity import missing_bytes
from pixelkin.video.numbering import Progress, index_file
from pixelkin.video.pixels import digest, to_rgb
from pixelkin.video.remarks import remarks

MAX_HELD_BYTES = 256 * 2**20  # decoded frames that reading backwards may hold at once
MIN_SKIP = 16  # frames that a forward seek must save to be worth its reopening


class VideoFile:
    """One video file: how many frames it has, and any of them, by number, in either direction.

    Opening decodes the file once, so that its frames are those that FFmpeg plays; what is damaged
    is passed over, and `note` says so.

    Attributes:
        size: (height, width) of the first frame as it is to be shown; others are scaled to it.
        fps: Frames per second, or None where the container does not say.
        most_held: Frames that reading backwards may hold at once.
        note: What there is to know about its frames, or None.

    Args:
        path: The file.
        held_bytes: Decoded frames that reading backwards may hold at once, at least one.
        check: Whether the file is decoded once. Otherwise only its packets are looked at, where the
            container states presentation times (mp4, mov, mkv, webm); reading then stops at what is
            damaged.
        progress: Called with (frames looked at, of about how many) meanwhile.

    Raises:
        InputError: If the file is not a video, or has no frames.
    """

    def __init__(
        self,
        path: Path,
        held_bytes: int = MAX_HELD_BYTES,
        *,
        check: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.path = path
        try:
            missing = missing_bytes(path)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        cut = f"is cut off: {missing:,} bytes or more are missing" if missing else None
        try:
            with opened(path) as (container, stream):
                taken = _taken(tracks_of(container), stream)
                rate = stream.average_rate or stream.guessed_rate
                self.fps = float(rate) if rate else None
            self._index = index_file(path, check=check, progress=progress)
            self._span = DEEP
            if self._index.highest is not None:
                self._span = span_of(self._index.highest, whole=self._index.whole)
            first = next(self._decode(0), None) if self._index.times else None
            if first is None:
                raise InputError(f"{path} holds no video frame that can be decoded")
        except InputError as error:
            if cut is None:
                raise
            raise InputError(f"{path} {cut}") from error
        self.size = to_rgb(first[1], VideoReformatter()).shape[:2]
        held = sum(plane.buffer_size for plane in first[1].planes)
        self.most_held = max(1, held_bytes // held)
        if cut is not None:
            cut = f"{cut}; {len(self)} frames are there"
        highest, peak = self._index.highest, self._index.peak
        self.ranged = None if highest is None else span_note(self._span, peak)
        self.note = remarks(self._index, self._span, taken, cut)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def __len__(self) -> int:
        return len(self._index.times)

    def group(self, number: int) -> range:
        """The frames from the last keyframe up to `number` until the next one: decoded together."""
        keys = self._index.keys
        place = bisect_right(keys, number)
        return range(keys[place - 1], keys[place] if place < len(keys) else len(self))

    def read(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        """The frames of these numbers in this order, H x W x 3 uint8 RGB.

        Going backwards, every group of pictures is decoded forwards and held, at most `held_bytes`
        of it at a time.
        """
        reformatter = VideoReformatter()
        if wanted.step > 0:
            for frame in self._ascending(wanted):
                yield to_rgb(frame, reformatter, self.size, self._span)
            return
        for part in backward_parts(wanted[::-1], self._index.keys, self.most_held):
            held = list(self._ascending(part))
            while held:
                yield to_rgb(held.pop(), reformatter, self.size, self._span)

    def _ascending(self, wanted: range) -> Iterator[VideoFrame]:
        keys = self._index.keys
        at, key = -1, 0
        frames: Iterator[tuple[int, VideoFrame]] = iter(())
        for number in wanted:
            nearest = bisect_right(keys, number) - 1
            if at < 0 or keys[nearest] > at + MIN_SKIP:
                key, frames = nearest, self._decode(nearest)
            back = 1
            while True:
                at, frame = next((f for f in frames if f[0] >= number), (number, None))
                # What some decoders make of damage differs each time: the last word is the start's.
                exact = frame is not None and (key == 0 or self._is_exact(number, frame))
                if frame is not None and at == number and exact:
                    yield frame
                    break
                if key == 0:
                    raise InputError(
                        f"{self.path}: frame {number} of {len(self)} cannot be decoded; "
                        "the video is cut off or broken"
                    )
                key, back = max(0, key - back), back * 2
                frames = self._decode(key)

    def _is_exact(self, number: int, frame: VideoFrame) -> bool:
        """Whether a frame is as it was when the file was decoded from its start.

        Decoders fill what is damaged with what they have seen before.
        """
        digests = self._index.digests
        return not digests or digest(frame) == digests[number]

    def _decode(self, key: int) -> Iterator[tuple[int, VideoFrame]]:
        """Numbered frames from keyframe `key` (or an earlier one, if a seek fails) to the end."""
        back = 1
        threads = 1 if self._index.digests else None
        while key > 0:
            number = self._index.keys[key]
            time = self._index.times[number]
            with opened(self.path, threads=threads) as (container, stream):
                try:
                    container.seek(time, stream=stream)
                except av.FFmpegError:
                    break  # only its start can be reached
                frames = decoded(container, stream, _pass_over)
                # Frames before the keyframe in time lack their references (open GOP).
                first = next((f for f in frames if f.pts is None or f.pts >= time), None)
                if first is not None and first.pts == time and first.key_frame:
                    yield number, first
                    yield from self._numbered(frames, number + 1)
                    return
            key, back = max(0, key - back), back * 2
        with opened(self.path, threads=threads) as (container, stream):
            yield from self._numbered(decoded(container, stream, _pass_over), 0)

    def _numbered(
        self, frames: Iterator[VideoFrame], number: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Frames with their numbers: by their times, or else by counting from `number`."""
        times = self._index.times
        for frame in frames:
            if self._index.timed and frame.pts is not None:
                number = bisect_left(times, frame.pts)
                if number == len(times) or times[number] != frame.pts:
                    continue  # hidden, or not there when the file was decoded from its start
            yield number, frame
            number += 1


def backward_parts(wanted: range, keys: tuple[int, ...], most: int) -> Iterator[range]:
    """Pieces of ascending frame numbers, to be decoded one after the other: the last one first.

    They begin on keyframes where they can, so that little is decoded twice.

    Args:
        wanted: The numbers.
        keys: Numbers of the keyframes, ascending from 0.
        most: How many numbers a piece may have.
    """
    end = len(wanted)
    while end:
        start = max(0, end - most)
        if start:
            key = bisect_left(keys, wanted[start])
            if key < len(keys) and keys[key] <= wanted[end - 1]:
                start = bisect_left(wanted, keys[key])
        yield wanted[start:end]
        end = start


def _taken(tracks: list[VideoStream], one: VideoStream) -> str | None:
    if len(tracks) == 1:
        return None
    size = f"{one.codec_context.width}x{one.codec_context.height}"
    return f"of {len(tracks)} tracks, number {tracks.index(one) + 1} is taken ({size}, WxH)"


def _pass_over(_: object) -> None:
    """What is lost was counted when the file was opened."""
