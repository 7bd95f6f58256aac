"""Video files through PyAV: exact frame numbers, exact seeking, bounded memory.

Frames are numbered in the order of presentation. Numbers come from an index of time stamps made
once, when the file is opened; a seek that does not land on the very frame it was meant for is
tried again from an earlier keyframe, at last from the start, so that a frame's number never
depends on how it was reached. Knows nothing about folders of images or labels.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pixelkin.types import InputError
from pixelkin.video.integrity import missing_bytes

MAX_HELD_BYTES = 256 * 2**20  # decoded frames that reading backwards may hold at once
MIN_SKIP = 16  # frames that a forward seek must save to be worth its reopening
# FFmpeg's fast conversion to RGB is darker by 1 and repeats chroma; this one costs 2 ms at 480p.
# SWS_BICUBIC, _ACCURATE_RND, _FULL_CHR_H_INT, _FULL_CHR_H_INP, which older PyAV has no names for.
ACCURATE = 0x4 | 0x40000 | 0x2000 | 0x4000
# Playlists, scripts, streams and devices are no videos: they lead to other files, or to networks.
ELSEWHERE = frozenset(
    (
        "applehttp", "avisynth", "concat", "concatf", "dash", "ffmetadata", "fbdev", "hls",
        "image2", "image2pipe", "imf", "jack", "kmsgrab", "lavfi", "live_flv", "mlv", "oss",
        "pulse", "rtp", "rtsp", "sap", "sdp", "tty", "v4l2", "video4linux2,v4l2", "vapoursynth",
        "webm_dash_manifest", "x11grab", "xcbgrab", "alsa", "dv1394", "iec61883", "openal",
        "sndio", "tedcaptions",
    )
)  # fmt: skip


class VideoFile:
    """One video file: how many frames it has, and any of them, by number, in either direction.

    Opening reads the file once: only its packets where the container states presentation times
    (mp4, mov, mkv, webm), decoding it where it does not (avi, mpg, raw streams, VP8).

    Attributes:
        size: (height, width) of the first frame as it is to be shown.
        fps: Frames per second, or None where the container does not say.
        most_held: Frames that reading backwards may hold at once.

    Args:
        path: The file.
        held_bytes: Decoded frames that reading backwards may hold at once, at least one.

    Raises:
        InputError: If the file is not a video, has no frames, or is cut off.
    """

    def __init__(self, path: Path, held_bytes: int = MAX_HELD_BYTES) -> None:
        self.path = path
        try:
            missing = missing_bytes(path)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        if missing:
            raise InputError(f"{path} is cut off: {missing:,} bytes or more are missing")
        with self._open() as (container, stream):
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate else None
            index = _index_packets(container, stream)
        if index is None:
            with self._open() as (container, stream):
                index = _index_frames(container, stream)
        self._times, self._keys = index
        first = next(self._decode(0), None) if self._times else None
        if first is None:
            raise InputError(f"{path} holds no video frame that can be decoded")
        self.size = _to_rgb(first[1], VideoReformatter()).shape[:2]
        held = sum(plane.buffer_size for plane in first[1].planes)
        self.most_held = max(1, held_bytes // held)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def __len__(self) -> int:
        return len(self._times)

    def group(self, number: int) -> range:
        """The frames from the last keyframe up to `number` until the next one: decoded together."""
        place = bisect_right(self._keys, number)
        end = self._keys[place] if place < len(self._keys) else len(self)
        return range(self._keys[place - 1], end)

    def read(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        """The frames of these numbers in this order, H x W x 3 uint8 RGB.

        Going backwards, every group of pictures is decoded forwards and held, at most `held_bytes`
        of it at a time.
        """
        reformatter = VideoReformatter()
        if wanted.step > 0:
            for frame in self._ascending(wanted):
                yield _to_rgb(frame, reformatter)
            return
        for part in backward_parts(wanted[::-1], self._keys, self.most_held):
            held = list(self._ascending(part))
            while held:
                yield _to_rgb(held.pop(), reformatter)

    def _ascending(self, wanted: range) -> Iterator[VideoFrame]:
        at = -1
        frames: Iterator[tuple[int, VideoFrame]] = iter(())
        for number in wanted:
            key = bisect_right(self._keys, number) - 1
            if at < 0 or self._keys[key] > at + MIN_SKIP:
                frames = self._decode(key)
            for at, frame in frames:
                if at == number:
                    yield frame
                    break
            else:
                raise InputError(
                    f"{self.path}: frame {number} of {len(self)} cannot be decoded; "
                    "the video is cut off or broken"
                )

    def _decode(self, key: int) -> Iterator[tuple[int, VideoFrame]]:
        """Numbered frames from keyframe `key` (or an earlier one, if a seek fails) to the end."""
        back = 1
        while key > 0:
            with self._open() as (container, stream):
                number = self._keys[key]
                time = self._times[number]
                container.seek(time, stream=stream)
                frames = container.decode(stream)
                # Frames before the keyframe in time lack their references (open GOP).
                first = next((f for f in frames if f.pts is None or f.pts >= time), None)
                if first is not None and first.pts == time and first.key_frame:
                    yield number, first
                    yield from enumerate(frames, number + 1)
                    return
            key, back = max(0, key - back), back * 2
        with self._open() as (container, stream):
            yield from enumerate(container.decode(stream))

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        try:
            with av.open(
                str(self.path),
                metadata_errors="replace",  # any title
                container_options={
                    "protocol_whitelist": "file",
                    "format_whitelist": _formats(),
                },
            ) as container:
                pictures = Disposition.attached_pic
                streams = [s for s in container.streams.video if not s.disposition & pictures]
                if not streams or container.format.name == "tty":  # text rendered as video
                    raise InputError(f"{self.path} holds no video")
                # PyAV gives None where FFmpeg has no decoder, whatever its types say.
                decoded = [s for s in streams if cast(object, s.codec_context) is not None]
                if not decoded:
                    raise InputError(
                        f"{self.path}: FFmpeg has no decoder for its video; convert it to H.264"
                    )
                decoded[0].thread_type = "AUTO"
                decoded[0].codec_context.thread_count = min(4, os.cpu_count() or 1)
                yield container, decoded[0]
        except av.FFmpegError as error:
            raise InputError(
                f"{self.path} cannot be read as a video ({error.strerror}); "
                "it is cut off, broken, or not a video"
            ) from error


@cache
def _formats() -> str:
    """The kinds of files that are opened."""
    return ",".join(sorted(name for name in av.formats_available if name not in ELSEWHERE))


def backward_parts(wanted: range, keys: list[int], most: int) -> Iterator[range]:
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


Index = tuple[list[int], list[int]]  # presentation time of every frame; numbers of the keyframes


def _index_packets(container: InputContainer, stream: VideoStream) -> Index | None:
    """The index from packets alone, or None where only decoding tells.

    It is trusted where containers state presentation times (those of AVI are guesses) and each
    packet gives a frame (VP8 has invisible ones), unless the stream begins inside a group of
    pictures, whose first frames no decoder can give.
    """
    if not container.format.name.startswith(("mov", "matroska")):
        return None
    if stream.codec_context.name.startswith(("vp8", "libvpx")):
        return None
    packets = [(p.pts, p.is_keyframe, p.is_discard) for p in container.demux(stream) if p.size]
    shown = sorted((time, key) for time, key, hidden in packets if time is not None and not hidden)
    times = [time for time, _ in shown]
    distinct = len(set(times)) == sum(not hidden for _, _, hidden in packets)
    first, begins_on_key, _ = packets[0] if packets else (None, False, False)
    if not distinct or first is None or not begins_on_key or (times and times[0] < first):
        return None
    return times, sorted({0} | {i for i, (_, key) in enumerate(shown) if key})


def _index_frames(container: InputContainer, stream: VideoStream) -> Index:
    """The index by decoding everything; without usable times, frame 0 is the only way in."""
    frames = [(f.pts, f.key_frame) for f in container.decode(stream)]
    times = [-1 if time is None else time for time, _ in frames]
    if any(a >= b for a, b in pairwise(times)) or any(time is None for time, _ in frames):
        return times, [0]
    return times, sorted({0} | {i for i, (_, key) in enumerate(frames) if key})


def _to_rgb(frame: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """H x W x 3 uint8, turned and mirrored as the stream's display matrix asks."""
    shown = reformatter.reformat(frame, format="rgb24", interpolation=ACCURATE)
    rgb = cast(NDArray[np.uint8], shown.to_ndarray())
    matrix = _display_matrix(frame)
    if matrix is None:
        return rgb
    # Of row vectors: x' = a x + c y, y' = b x + d y. Players know multiples of 90 degrees only.
    a, b, _, c, d = (int(v) for v in matrix[:5])
    turned = abs(b) > abs(a)
    rgb = rgb.swapaxes(0, 1) if turned else rgb
    rgb = rgb[:, ::-1] if (c if turned else a) < 0 else rgb
    rgb = rgb[::-1] if (b if turned else d) < 0 else rgb
    return np.ascontiguousarray(rgb)


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """The 9 numbers of a frame's display matrix; None if it has none.

    PyAV stops at side data of a kind that it has no name for, such as the EXIF of cameras. FFmpeg
    puts the matrix that this EXIF asks for in front of it.
    """
    try:
        found: object = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        known = SideDataContainer.__new__(SideDataContainer)
        with suppress(ValueError):
            known.__init__(frame)  # type: ignore[misc]
        found = next((data for data in known if _is_matrix(data)), None)
    return None if found is None else np.frombuffer(cast(bytes, found), dtype=np.int32)


def _is_matrix(data: SideData) -> bool:
    try:
        return data.type.name == "DISPLAYMATRIX"
    except ValueError:
        return False
