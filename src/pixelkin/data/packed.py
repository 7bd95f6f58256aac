"""Many videos' frames in one small file, which needs neither PyAV nor FFmpeg to be read.

    pixelkin data pack VIDEOS OUT.pack --short-side 256 --limit-mb 64

A pack is a ZIP archive of groups of frames and of index.json, which says what they are. A group is
up to 48 consecutive frames of a video as one animated AVIF picture, whose frames are predicted from
each other: a fifth of what WebP takes for single frames of the same quality. Where Pillow lacks
AVIF, single frames as WebP are the other choice. Groups are not compressed again, so that each can
be read where it lies; each has a checksum. Knows nothing about trainings.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from pixelkin.checks import check_choice
from pixelkin.reading import parse_json
from pixelkin.types import InputError

FORMAT, VERSION = "pixelkin pack", 1
INDEX = "index.json"
MAX_INDEX = 256 * 2**20  # bytes
GROUP = 48  # frames; a pair of frames 32 apart lies within one
Codec = Literal["avif", "webp"]

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Group:
    """Consecutive frames of one video, as they lie in the file.

    Attributes:
        offset: Byte of the file at which each of its pictures begins, and one more: the end.
        frames: How many there are.
        sha256: Of all its bytes.
    """

    offset: tuple[int, ...]
    frames: int
    sha256: str


@dataclass(frozen=True)
class PackedVideo:
    """One video of a pack.

    Attributes:
        pack: The file.
        name: Of the video, as it was found: its path below the folder that was packed.
        height: Of its frames, in pixels.
        width: As `height`.
        groups: Its frames from the first one on.
    """

    pack: Path
    name: str
    height: int
    width: int
    groups: tuple[Group, ...]

    def __len__(self) -> int:
        return sum(g.frames for g in self.groups)

    @property
    def digest(self) -> str:
        """Another one where any byte of the video is."""
        return hashlib.sha256("".join(g.sha256 for g in self.groups).encode()).hexdigest()

    def __getitem__(self, number: int) -> Frame:
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of a video of {len(self)} frames")
        return next(self.frames(number, number + 1))

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Frames start .. stop - 1, H x W x 3 uint8 RGB.

        Raises:
            InputError: If the file has changed or is damaged.
        """
        starts = [0]
        for g in self.groups:
            starts.append(starts[-1] + g.frames)
        stop = min(stop, starts[-1])
        while start < stop:
            k = bisect_right(starts, start) - 1
            end = min(stop, starts[k + 1])
            yield from self._group(k, range(start - starts[k], end - starts[k]))
            start = end

    def _group(self, k: int, wanted: range) -> Iterator[Frame]:
        group, where = self.groups[k], f"{self.pack}: frames of {self.name}"
        first, size = group.offset[0], group.offset[-1] - group.offset[0]
        try:
            with self.pack.open("rb") as file:
                file.seek(first)
                content = file.read(size)
        except OSError as error:
            raise InputError(f"cannot read {where}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != group.sha256:
            raise InputError(f"{where} are damaged: their checksum is another one")
        pictures = [content[a - first : b - first] for a, b in pairwise(group.offset)]
        try:
            for frame in decode(pictures, wanted):
                if frame.shape != (self.height, self.width, 3):
                    raise ValueError(f"{frame.shape} is another size than the index says")
                yield frame
        except (OSError, EOFError, SyntaxError, ValueError) as error:
            raise InputError(f"{where} cannot be decoded: {error}") from error


def check_codec(codec: str, *, writing: bool = False) -> None:
    """Raise InputError if this Pillow does not know a codec."""
    check_choice("codec", codec, get_args(Codec))
    if not features.check(codec):
        other = ", or --codec webp" if codec == "avif" and writing else ""
        raise InputError(
            f"this Pillow was built without {codec.upper()}: pip install 'pillow>=11.3'{other}"
        )


def encode(frames: Sequence[Frame], codec: Codec, quality: int, speed: int) -> list[bytes]:
    """Frames of one size as the pictures of a group.

    Args:
        frames: Each H x W x 3 uint8 RGB.
        codec: "avif" makes one animated picture of them, "webp" a picture of each.
        quality: From 0 to 100, as Pillow has it.
        speed: Of AVIF's encoder, from 0 (slowest, smallest) to 10.
    """
    images = [Image.fromarray(frame) for frame in frames]
    if codec == "webp":
        return [_saved(i, "WEBP", quality=quality, method=4) for i in images]
    options = {"quality": quality, "speed": speed, "max_threads": 1}
    return [_saved(images[0], "AVIF", save_all=True, append_images=images[1:], **options)]


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(pictures: Sequence[bytes], wanted: range) -> Iterator[Frame]:
    """Some frames of a group's pictures, in ascending order, H x W x 3 uint8 RGB."""
    if len(pictures) > 1:
        for number in wanted:
            with Image.open(io.BytesIO(pictures[number])) as image:
                yield np.array(image.convert("RGB"))
        return
    with Image.open(io.BytesIO(pictures[0])) as image:
        for number in wanted:
            image.seek(number)
            yield np.array(image.convert("RGB"))


class PackWriter:
    """Writes a pack: groups as they come, the index at the end.

    Args:
        path: Where to; the caller sees to it that it appears whole, see `atomic_write`.
        codec: See `encode`.
        quality: See there.
        speed: See there.
        limit: Bytes that the file may have, or None.
    """

    def __init__(
        self, path: Path, codec: Codec, quality: int, speed: int, limit: int | None = None
    ) -> None:
        check_codec(codec, writing=True)
        self.codec, self.quality, self.speed = codec, quality, speed
        self.limit = limit
        self._path = path
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self._videos: dict[str, list[Group]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._overhead = 4096  # of the archive's own tables and of the index

    def add(self, name: str, frames: Sequence[Frame]) -> bool:
        """Append a group of a video's frames; False, and nothing is written, if it has no room."""
        pictures = encode(frames, self.codec, self.quality, self.speed)
        size = sum(map(len, pictures))
        own = 512 + 12 * len(pictures)
        end = self._archive.fp.tell() if self._archive.fp else 0
        if self.limit is not None and end + size + self._overhead + own > self.limit:
            return False
        self._overhead += own
        groups = self._videos.setdefault(name, [])
        number = list(self._videos).index(name)
        info = zipfile.ZipInfo(f"{number:05d}/{len(groups):04d}.{self.codec}")
        self._archive.writestr(info, b"".join(pictures))
        start = info.header_offset + len(info.FileHeader())
        offsets = tuple(start + sum(map(len, pictures[:k])) for k in range(len(pictures) + 1))
        digest = hashlib.sha256(b"".join(pictures)).hexdigest()
        groups.append(Group(offsets, len(frames), digest))
        height, width = frames[0].shape[:2]
        self._sizes[name] = height, width
        return True

    def close(self, left_out: dict[str, str], facts: dict[str, Any]) -> None:
        """Write the index.

        Args:
            left_out: Why, by the name of the video, something is not in the pack.
            facts: Anything else that is worth knowing.
        """
        videos = [
            {
                "name": name,
                "height": self._sizes[name][0],
                "width": self._sizes[name][1],
                "groups": [asdict(g) for g in groups],
            }
            for name, groups in sorted(self._videos.items())
        ]
        index = {
            "format": FORMAT,
            "version": VERSION,
            "codec": self.codec,
            "quality": self.quality,
            **facts,
            "videos": videos,
            "left_out": left_out,
        }
        self._archive.writestr(INDEX, json.dumps(index, separators=(",", ":")))
        self._archive.close()


def is_pack(path: Path) -> bool:
    """Whether a file is an archive with an index of frames."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return INDEX in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def open_pack(path: Path) -> dict[str, PackedVideo]:
    """The videos of a pack by name, in the order of the names.

    Raises:
        InputError: If it is no pack, of a later version, or of a codec that Pillow does not know.
    """
    status = path.stat()
    return _videos_of(path, (status.st_size, status.st_mtime_ns))


@lru_cache(8)
def _videos_of(path: Path, stamp: tuple[int, int]) -> dict[str, PackedVideo]:
    del stamp  # only tells a file that has changed
    index = read_index(path)
    check_codec(index["codec"])
    try:
        found = {}
        for video in index["videos"]:
            groups = tuple(
                Group(tuple(g["offset"]), int(g["frames"]), g["sha256"]) for g in video["groups"]
            )
            size = int(video["height"]), int(video["width"])
            found[video["name"]] = PackedVideo(path, video["name"], *size, groups)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its {INDEX} is damaged: {error!r}") from error
    return found


def _member(archive: zipfile.ZipFile) -> bytes:
    """The index as it is stored, if its size is one that an index can have."""
    if (size := archive.getinfo(INDEX).file_size) > MAX_INDEX:
        raise ValueError(f"its {INDEX} has {size:,} bytes")
    return archive.read(INDEX)


def read_index(path: Path) -> dict[str, Any]:
    """What a pack says about itself.

    Raises:
        InputError: If it is no pack, or one of a later version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index: dict[str, Any] = parse_json(_member(archive), path)
        if index["format"] != FORMAT:
            raise ValueError("it holds something else")
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a pack of frames: {error}") from error
    if index["version"] != VERSION:
        raise InputError(
            f"{path} is a pack of version {index['version']}, this program reads {VERSION}"
        )
    return index
