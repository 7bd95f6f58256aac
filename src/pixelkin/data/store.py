"""Decoded frames at a small size, kept on disk: decoded once, then as cheap as a memory copy.

One memory-mapped .npy file of raw frames a segment, written when the segment is first asked for
and renamed into place, so that any number of workers may share a folder. Which segments are kept
within the byte budget is settled beforehand, from their sizes alone: nothing needs counting or
locking, and frames are the same whether they come from the store or from the video.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pixelkin.data.index import Source
from pixelkin.data.sources import open_source
from pixelkin.files import atomic_write
from pixelkin.types import InputError

_STALE_SECONDS = 3600
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segment:
    """Frames start..stop - 1 of one video; the unit that is decoded and kept.

    Attributes:
        video: Index of the video in the folder's index.
        start: First frame.
        stop: One past the last frame.
    """

    video: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split(sources: Sequence[Source], length: int) -> list[Segment]:
    """Cut videos into segments of about equal length, none longer than `length` frames."""
    segments = []
    for video, source in enumerate(sources):
        parts = -(-source.frames // length)
        bounds = [source.frames * i // parts for i in range(parts + 1)]
        segments += [Segment(video, a, b) for a, b in pairwise(bounds)]
    return segments


def small_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) with the short side at most `short_side`, proportions kept."""
    shrink = min(1.0, short_side / min(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def resize(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """H x W x 3 uint8 -> h x w x 3 uint8 anti-aliased; the frame itself if of that size."""
    if frame.shape[:2] == size:
        return frame
    image = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    small = F.interpolate(image, size, mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).contiguous().numpy()


class FrameStore:
    """Reads frames of segments at a small size, through files in a folder.

    Args:
        folder: Where the files go; made if missing. None keeps nothing.
        sources: The index of videos.
        segments: All segments that may be asked for.
        short_side: Longest allowed short side of a frame, in pixels.
        budget: Bytes that the folder may hold. Files of other segments (earlier runs) are removed,
            oldest first, as far as they stand in the way.
    """

    def __init__(
        self,
        folder: Path | None,
        sources: Sequence[Source],
        segments: Sequence[Segment],
        *,
        short_side: int,
        budget: int,
    ) -> None:
        self.folder = folder
        self.sources = sources
        self.short_side = short_side
        self._kept: dict[Segment, Path] = {}
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("frames are not kept: %s", error)
            return
        # By name, which is a hash: a sample of all videos if they do not all fit.
        left = budget
        for path, segment in sorted((folder / self._name(s), s) for s in segments):
            height, width = self.size(segment.video)
            need = len(segment) * height * width * 3 + 128
            if need <= left:
                self._kept[segment] = path
                left -= need
        _make_room(folder, set(self._kept.values()), left)

    @property
    def kept(self) -> int:
        """Number of segments that fit into the budget."""
        return len(self._kept)

    def size(self, video: int) -> tuple[int, int]:
        """(height, width) of the frames that `read` gives for a video."""
        source = self.sources[video]
        return small_size(source.height, source.width, self.short_side)

    def read(self, segment: Segment, times: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Frames h x w x 3 uint8 of a segment, by their number in the video.

        Raises:
            InputError: If the video does not decode.
        """
        path = self._kept.get(segment)
        if path is not None:
            whole = self._kept_frames(path, segment)
            if whole is None:
                whole = self._decode_whole(segment)
                self._keep(path, whole)
            return [np.array(whole[t - segment.start]) for t in times]
        frames: dict[int, NDArray[np.uint8]] = {}
        for t, frame in self._decode(segment.video, min(times), max(times) + 1):
            if t in times:
                frames[t] = resize(frame, self.size(segment.video))
        return [frames[t] for t in times]

    def whole(self, segment: Segment) -> NDArray[np.uint8]:
        """All frames of a segment, T x h x w x 3 uint8; what is not kept yet is not kept now.

        Raises:
            InputError: If the video does not decode.
        """
        path = self._kept.get(segment)
        kept = None if path is None else self._kept_frames(path, segment)
        return self._decode_whole(segment) if kept is None else kept

    def _shape(self, segment: Segment) -> tuple[int, ...]:
        return (len(segment), *self.size(segment.video), 3)

    def _kept_frames(self, path: Path, segment: Segment) -> NDArray[np.uint8] | None:
        """A memory map of the segment's file; None if it is not there yet, or damaged."""
        try:
            whole: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        fits = whole.shape == self._shape(segment) and whole.dtype == np.uint8
        return whole if fits else None

    def _decode_whole(self, segment: Segment) -> NDArray[np.uint8]:
        whole = np.empty(self._shape(segment), np.uint8)
        for t, frame in self._decode(segment.video, segment.start, segment.stop):
            whole[t - segment.start] = resize(frame, self.size(segment.video))
        return whole

    def _keep(self, path: Path, whole: NDArray[np.uint8]) -> None:
        try:
            with atomic_write(path) as temporary:
                np.save(temporary, whole, allow_pickle=False)
        except (OSError, InputError) as error:  # a full disk costs speed, not the run
            log.warning("frames are not kept: %s", error)

    def _decode(self, video: int, start: int, stop: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        return enumerate(open_source(self.sources[video]).frames(start, stop), start)

    def _name(self, segment: Segment) -> str:
        source = self.sources[segment.video]
        height, width = self.size(segment.video)
        key = (source.path, source.stamp, segment.start, segment.stop, height, width)
        return hashlib.sha256(repr(key).encode()).hexdigest()[:24] + ".npy"


def _make_room(folder: Path, kept: set[Path], free: int) -> None:
    """Remove other segments' files, oldest first, beyond `free` bytes of them.

    Also the hidden files that killed writers left behind.
    """
    now = time.time()
    others = []
    for path in folder.glob("*.npy"):
        with contextlib.suppress(OSError):  # another process may be tidying up, too
            stat = path.stat()
            if path.name.startswith("."):
                if now - stat.st_mtime > _STALE_SECONDS:
                    path.unlink()
            elif path not in kept:
                others.append((stat.st_mtime, stat.st_size, path))
    for _, size, path in sorted(others, reverse=True):
        free -= size
        if free < 0:
            with contextlib.suppress(OSError):
                path.unlink()
