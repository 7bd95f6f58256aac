"""Which frames a video file has: their times, keyframes, and what is damaged, found by decoding it.

A frame is what FFmpeg decodes, as `ffmpeg -i FILE -fps_mode passthrough` writes it: packets that
cannot be decoded give none. Decoding takes a while for long videos, so that what was found is kept
in the folder of caches (`files.cache_folder`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from pixelkin.files import cache_folder, write_text
from pixelkin.types import InputError
from pixelkin.video.demuxing import decoded, opened
from pixelkin.video.pixels import digest, is_deep, is_whole, levels, size_of

KEPT_FROM = 1.0  # seconds that finding out must take to be worth keeping
TOLD_EVERY = 0.5  # seconds between two words about progress
FORMAT = 2  # of what is kept

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Index:
    """The frames of a file.

    Attributes:
        times: When each is shown, in units of the file.
        keys: Numbers of those that can be decoded by themselves, from 0, ascending.
        lost: For each packet that cannot be decoded, how many frames come before it.
        doubtful: Numbers of frames that FFmpeg says it decoded from damaged data.
        digests: Of the decoded data of each frame, where something is damaged; else none.
        resized: (first number, height, width) of each stretch of frames of another size than the
            one before.
        highest: Greatest value, single pixels aside, where values may be of more than 8 bits in 16;
            else None.
        peak: Greatest value of all.
        whole: Whether such values are integers.
        timed: Whether times are known, and ascend.
    """

    times: tuple[int, ...]
    keys: tuple[int, ...]
    lost: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()
    digests: tuple[int, ...] = ()
    resized: tuple[tuple[int, int, int], ...] = ()
    highest: float | None = None
    peak: float = 0.0
    whole: bool = True
    timed: bool = True

    @property
    def damaged(self) -> bool:
        """Whether packets are lost or doubtful."""
        return bool(self.lost or self.doubtful)


def index_file(path: Path, *, check: bool, progress: Progress | None = None) -> Index:
    """The frames of a file.

    Args:
        path: The file.
        check: Whether it is decoded to the end. Otherwise packets alone are looked at where the
            container states times (mp4, mov, mkv, webm), and damage goes unnoticed.
        progress: Called with (frames decoded, of about how many) meanwhile.

    Raises:
        InputError: If the file is no video.
    """
    with opened(path) as (container, stream):
        stated = _of_packets(container, stream)
    if stated is not None and not check:
        return stated
    if (kept := _read(path)) is not None:
        return kept
    began = time.monotonic()
    found = _of_frames(path, stated, progress, damaged=False)
    if found.damaged:
        found = _of_frames(path, stated, progress, damaged=True)
    if time.monotonic() - began > KEPT_FROM:
        _keep(path, found)
    return found


def _of_packets(container: InputContainer, stream: VideoStream) -> Index | None:
    """The index from packets alone, or None where only decoding tells.

    It is trusted where containers state presentation times (those of AVI are guesses) and each
    packet gives a frame (VP8 has invisible ones), unless the stream begins inside a group of
    pictures, whose first frames no decoder can give, or its values must be measured.
    """
    if not container.format.name.startswith(("mov", "matroska")):
        return None
    context = stream.codec_context
    if context.name.startswith(("vp8", "libvpx")) or (context.format and is_deep(context.format)):
        return None
    packets = []
    with suppress(av.FFmpegError):  # what can be read of a damaged file
        for p in container.demux(stream):
            if p.size:
                packets.append((p.pts, p.is_keyframe, p.is_discard))
    shown = sorted((at, key) for at, key, hidden in packets if at is not None and not hidden)
    times = [at for at, _ in shown]
    distinct = len(set(times)) == sum(not hidden for _, _, hidden in packets)
    first, begins_on_key, _ = packets[0] if packets else (None, False, False)
    if not distinct or first is None or not begins_on_key or (times and times[0] < first):
        return None
    return Index(tuple(times), _keys(key for _, key in shown))


def _of_frames(
    path: Path, stated: Index | None, progress: Progress | None, *, damaged: bool
) -> Index:
    """The index by decoding everything; without usable times, frame 0 is the only way in.

    Of damaged files by one thread, so that every decoding gives the same.
    """
    frames: list[tuple[int | None, bool]] = []
    lost: list[int | None] = []  # their times
    before: list[int] = []  # frames before each
    doubtful, digests, resized = [], [], []
    highest: float | None = None
    peak = 0.0
    whole = True
    size: tuple[int, int] | None = None
    with opened(path, threads=1 if damaged else None) as (container, stream):
        expected = len(stated.times) if stated is not None else _expected(container, stream)
        said = time.monotonic()

        def miss(packet: av.Packet[Any] | None) -> None:
            lost.append(None if packet is None else packet.pts)
            before.append(len(frames))

        for frame in decoded(container, stream, miss):
            number = len(frames)
            frames.append((frame.pts, frame.key_frame))
            if frame.is_corrupt:
                doubtful.append(number)
            if damaged:
                digests.append(digest(frame))
            if size_of(frame) != size:
                if size is not None:
                    resized.append((number, *size_of(frame)))
                size = size_of(frame)
            if is_deep(frame.format):
                usual, greatest = levels(frame)
                highest, peak = max(highest or 0.0, usual), max(peak, greatest)
                whole = whole and is_whole(frame.format)
            if progress is not None and time.monotonic() - said > TOLD_EVERY:
                said = time.monotonic()
                progress(len(frames), max(len(frames), expected))
    times = [-1 if at is None else at for at, _ in frames]
    usable = all(a < b for a, b in pairwise(times)) and all(at is not None for at, _ in frames)
    keys = _keys(key for _, key in frames) if usable else (0,)
    if stated is not None and list(stated.times) == times:
        keys = stated.keys
    if usable and frames:
        at_end = times[-1] + 1
        before = np.searchsorted(times, [at_end if a is None else a for a in lost]).tolist()
    return Index(
        tuple(times),
        keys,
        tuple(sorted(before)),
        tuple(doubtful),
        tuple(digests),
        tuple(resized),
        highest,
        peak,
        whole,
        usable,
    )


def _keys(marks: Iterable[bool]) -> tuple[int, ...]:
    return tuple(sorted({0} | {i for i, key in enumerate(marks) if key}))


def _expected(container: InputContainer, stream: VideoStream) -> int:
    """How many frames a file says to have, or its length and rate do; 0 where neither is known."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return stream.frames or round((container.duration or 0) / 1e6 * rate)


def _read(path: Path) -> Index | None:
    """What was found out about a file before."""
    place, mark = _place(path)
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept.pop("mark") == mark:
            lists = {k: tuple(v) for k, v in kept.items() if isinstance(v, list)}
            lists["resized"] = tuple((n, h, w) for n, h, w in lists["resized"])
            return Index(**kept | lists)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # what is missing or damaged is found anew
    return None


def _keep(path: Path, found: Index) -> None:
    place, mark = _place(path)
    with suppress(OSError, InputError):  # a place that cannot be written to is done without
        write_text(place, json.dumps({"mark": mark, **asdict(found)}))


def _place(path: Path) -> tuple[Path, list[object]]:
    """Where a file's index is kept, and what must be as it was."""
    status = path.stat()
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    mark = [FORMAT, av.__version__, status.st_size, status.st_mtime_ns]
    return cache_folder() / "videos" / f"{name}.json", mark
