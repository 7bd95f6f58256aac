"""Frames of a video file, a folder of images or a glob pattern, read lazily and in one way.

Frames are H x W x 3 uint8 RGB, numbered from 0. Knows nothing about labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError, VideoInfo
from pixelkin.video.images import find_images, left_out
from pixelkin.video.stills import open_images
from pixelkin.video.suffixes import IMAGES

if TYPE_CHECKING:
    from pixelkin.video.container import VideoFile


def open_video(
    source: str | Path | VideoReader,
    *,
    held_bytes: int | None = None,
    check: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> VideoReader:
    """A reader of `source`.

    Args:
        source: A video file (mp4, mov, avi, webm, mkv, ... whatever FFmpeg decodes), a folder of
            images, one image, a stack or animation (TIFF, WebP, PNG), or a glob pattern
            ("frames/*.jpg"). Images are in natural order: frame2 before frame10. A reader is
            returned as it is.
        held_bytes: Decoded frames that reading a video file backwards may hold at once; None for
            256 MiB.
        check: Whether a video file is decoded once, so that its frames are those that FFmpeg plays:
            what is damaged is passed over, and `VideoReader.note` says so. Without it, opening an
            mp4, mov, mkv or webm is quick, and reading stops at what is damaged.
        progress: Called with (frames looked at, of about how many) meanwhile.

    Raises:
        InputError: If there is nothing there, no frames in it, or it is a video file and PyAV is
            not installed.

    Example:
        >>> video = open_video("video.mp4")
        >>> len(video), video.info.width, video.info.height
        (16, 128, 96)
        >>> next(video.frames(10)).shape  # H x W x 3 uint8 RGB
        (96, 128, 3)
    """
    if isinstance(source, VideoReader):
        return source
    path = Path(source).expanduser()
    frames: _Frames
    if path.is_file() and path.suffix.lower() not in IMAGES:
        video = _open_file(path, held_bytes, check=check, progress=progress)
        frames, names, fps, (height, width) = video, None, video.fps, video.size
    elif path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is neither a file nor a folder, but a pipe or a device")
    elif path.exists() or any(c in str(path) for c in "*?["):
        frames, names = open_images(find_images(path), left_out(path))
        fps, (height, width) = None, next(frames.read(range(1))).shape[:2]
    else:
        raise InputError(f"no such file or folder: {source}")
    return VideoReader(frames, VideoInfo(str(source), width, height, len(frames), fps, names))


def _open_file(
    path: Path,
    held_bytes: int | None,
    *,
    check: bool,
    progress: Callable[[int, int], None] | None,
) -> VideoFile:
    """The video file at `path`. Only here is PyAV needed: images and packs are read without it."""
    try:
        from pixelkin.video.container import VideoFile
    except ImportError as error:
        raise InputError(f"{path}: video files need PyAV (pip install av): {error}") from error
    held = {} if held_bytes is None else {"held_bytes": held_bytes}
    return VideoFile(path, **held, check=check, progress=progress)


class VideoReader:
    """The frames of one video; make one with :func:`open_video`.

    Nothing stays open between calls, so a reader can be shared, pickled, and iterated over
    several times at once.

    Attributes:
        info: Size, exact number of frames, frames per second, file stems of images.
    """

    def __init__(self, frames: _Frames, info: VideoInfo) -> None:
        self._frames = frames
        self.info = info

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def names(self) -> tuple[str, ...] | None:
        """File stem of every frame where they are images, else None."""
        return self.info.names

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read: the video, or each image."""
        return self._frames.paths

    @property
    def ranged(self) -> str | None:
        """What the range of values of more than 8 bits was taken for, if that is to be said."""
        return getattr(self._frames, "ranged", None)

    @property
    def note(self) -> str | None:
        """What was decided about its pixels, where the files leave it open."""
        return getattr(self._frames, "note", None)

    def group(self, number: int) -> range:
        """The frames that are decoded on the way to one, and with hardly more work after it.

        Of a video file the group of pictures; of images the frame alone.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of a video of {len(self)} frames")
        group: Callable[[int], range] = getattr(self._frames, "group", lambda n: range(n, n + 1))
        return group(number)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self.frames()

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        if not -len(self) <= number < len(self):
            raise IndexError(f"frame {number} of a video of {len(self)} frames")
        return next(self.frames(number))

    def frames(
        self, start: int | None = None, stop: int | None = None, step: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """The frames `[start:stop:step]`, as in slicing a list, one at a time.

        Memory is bounded whatever the length and the direction: `frames(step=-1)` reads the whole
        video backwards, `frames(40, None, -1)` from frame 40 back to frame 0. A frame is the same
        to the bit however it is reached.

        Raises:
            InputError: If a frame cannot be decoded, or is of another size than the first.
        """
        wanted = range(*slice(start, stop, step).indices(len(self)))
        for number, frame in zip(wanted, self._frames.read(wanted), strict=True):
            if frame.shape[:2] != (self.info.height, self.info.width):
                raise InputError(
                    f"{self.info.path}: frame {self.info.name(number) or number} is "
                    f"{frame.shape[1]}x{frame.shape[0]}, the first one "
                    f"{self.info.width}x{self.info.height} (WxH): all must be of one size"
                )
            yield frame

    def __repr__(self) -> str:
        info = self.info
        return f"VideoReader({info.path!r}, {len(self)} frames of {info.width}x{info.height} (WxH))"


class _Frames(Protocol):
    @property
    def paths(self) -> tuple[Path, ...]: ...
    def __len__(self) -> int: ...
    def read(self, wanted: range) -> Iterator[NDArray[np.uint8]]: ...
