"""Making a pack of videos: which frames go in, in which order, and what has to stay out."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelkin.checks import check_number
from pixelkin.data.index import Source
from pixelkin.data.packed import GROUP, Codec, Frame, PackWriter, check_codec
from pixelkin.data.sources import open_source
from pixelkin.data.store import resize, small_size
from pixelkin.files import atomic_write
from pixelkin.types import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packed:
    """What `write_pack` has done.

    Attributes:
        path: The file.
        nbytes: Its size.
        videos: Videos of which it has frames.
        frames: All of them.
        left_out: Why, by the name of a video, some or all of its frames are not in it.
    """

    path: Path
    nbytes: int
    videos: int
    frames: int
    left_out: dict[str, str]


def write_pack(
    sources: Sequence[Source],
    path: str | Path,
    *,
    short_side: int = 256,
    limit_mb: float | None = None,
    codec: Codec = "avif",
    quality: int = 50,
    speed: int = 6,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write videos' frames into one file, see `pixelkin.data.packed`; it appears whole or not.

    Many different videos matter more than long ones: the first 48 frames of all videos come first,
    then the next 48 of all that have more, each time in an order that looks random and depends on
    names alone. With a limit, what comes after the file is full stays out; so a video has its
    frames from the first one on, without gaps.

    Args:
        sources: The videos, see `index_videos`.
        path: The file; it is replaced if it is there.
        short_side: Larger frames are reduced to this short side, in pixels.
        limit_mb: Size of the file at most, in MiB (2^20 bytes).
        codec: "avif", or "webp" where the reader's Pillow has no AVIF.
        quality: From 0 to 100, as Pillow has it for the codec.
        speed: Of AVIF's encoder, from 0 (slowest, smallest) to 10.
        progress: Called with (frames looked at, of how many).

    Raises:
        InputError: If the file cannot be written, a setting is out of range, or nothing goes in.
    """
    check_codec(codec, writing=True)
    check_number("short_side", short_side, least=16)
    check_number("quality", quality, least=0, most=100)
    check_number("speed", speed, least=0, most=10)
    if limit_mb is not None:
        check_number("limit_mb", limit_mb, above=0)
    limit = None if limit_mb is None else int(limit_mb * 2**20)
    for name, count in Counter(s.name for s in sources).items():
        if count > 1:
            raise InputError(f"{count} of the videos are called {name}: pack them apart")
    with atomic_write(path) as temporary:
        writer = PackWriter(temporary, codec, quality, speed, limit)
        kept, left_out = _fill(writer, sources, short_side, progress)
        if not kept:
            raise InputError(f"nothing was packed: {next(iter(left_out.values()), 'no videos')}")
        writer.close(left_out, {"short_side": short_side})
    path = Path(path)
    return Packed(path, path.stat().st_size, len(kept), sum(kept.values()), left_out)


def _fill(
    writer: PackWriter,
    sources: Sequence[Source],
    short_side: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, int], dict[str, str]]:
    """Frames written by name of the video, and why others were not."""
    waiting = sorted(sources, key=lambda s: hashlib.sha256(s.name.encode()).digest())
    total, seen = sum(s.frames for s in sources), 0
    kept: dict[str, int] = {}
    left_out: dict[str, str] = {}
    full = False
    while waiting:
        again = []
        for source in waiting:
            start = kept.get(source.name, 0)
            stop = min(source.frames, start + GROUP)
            if not full:
                try:
                    frames = _frames(source, start, stop, short_side)
                    full = not writer.add(source.name, frames)
                except Exception as error:  # whatever a damaged file does to a decoder
                    left_out[source.name] = _told(source, start, str(error) or repr(error))
                    log.warning("left out of the pack: %s: %s", source.name, error)
                    continue
                seen += len(frames)
            if full:
                left_out[source.name] = _told(source, start, "no room within the limit")
                continue
            kept[source.name] = stop
            if stop < source.frames:
                again.append(source)
            if progress is not None:
                progress(seen, total)
        waiting = again
    return kept, left_out


def _frames(source: Source, start: int, stop: int, short_side: int) -> list[Frame]:
    size = small_size(source.height, source.width, short_side)
    return [resize(frame, size) for frame in open_source(source).frames(start, stop)]


def _told(source: Source, start: int, why: str) -> str:
    which = "all" if not start else f"from frame {start} on"
    return f"{which} of its {source.frames} frames: {why}"
