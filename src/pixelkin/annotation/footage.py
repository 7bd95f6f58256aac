"""The video of a session: where it lies, and how it is known again when it was moved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pixelkin.types import InputError, VideoInfo
from pixelkin.video.reader import VideoReader, open_video

Progress = Callable[[int, int], None]
_ENDS = 2**20  # bytes of a file's beginning and end that are looked at


@dataclass(frozen=True)
class Footage:
    """What a session knows of its video.

    Attributes:
        info: Where it lies (an absolute path), its size, names of its frames.
        digest: Of its content: of each file its size, and the first and the last MiB.
    """

    info: VideoInfo
    digest: str

    @classmethod
    def of(cls, video: str | Path, progress: Progress | None = None) -> Footage:
        """Look at a video.

        Args:
            video: See `open_video`.
            progress: As well.

        Raises:
            InputError: If it cannot be read.
        """
        reader = open_video(video, progress=progress)
        info = replace(reader.info, path=str(Path(video).expanduser().absolute()))
        return cls(replace(info, frames=len(reader)), _digest(reader))

    @property
    def frames(self) -> int:
        """Number of its frames."""
        return self.info.frames or 0

    def open(self, progress: Progress | None = None) -> VideoReader:
        """Its frames.

        Args:
            progress: See `open_video`.

        Raises:
            InputError: If it is not where it was, or is another by now.
        """
        try:
            reader = open_video(self.info.path, progress=progress)
        except InputError as error:
            raise InputError(
                f"{error}; where the video was moved: pixelkin session relocate SESSION VIDEO"
            ) from error
        if (len(reader), reader.info.size, _digest(reader)) != (
            self.frames,
            self.info.size,
            self.digest,
        ):
            raise InputError(
                f"{self.info.path} is another video than the session was made with, or has been "
                "changed since: restore it, or make a new session"
            )
        return reader

    def moved(self, video: str | Path) -> Footage:
        """The same video in another place.

        Raises:
            InputError: If another video is there.
        """
        found = Footage.of(video)
        if (found.digest, found.frames) != (self.digest, self.frames):
            raise InputError(f"{video} is another video than the one of the session")
        return found

    def to_json(self) -> str:
        """As text."""
        return json.dumps({"info": asdict(self.info), "digest": self.digest})

    @staticmethod
    @lru_cache(maxsize=4)
    def from_json(text: str) -> Footage:
        """The reverse of `to_json`; asked for again and again, and long for folders of frames."""
        raw: dict[str, Any] = json.loads(text)
        names = raw["info"].pop("names")
        return Footage(
            VideoInfo(**raw["info"], names=None if names is None else tuple(names)), raw["digest"]
        )


def _digest(reader: VideoReader) -> str:
    """Of the content of a video's files, whatever they are called, whenever they were written."""
    found = hashlib.sha256()
    for path in reader.paths:
        size = path.stat().st_size
        found.update(f"{size} ".encode())
        with path.open("rb") as file:
            found.update(file.read(_ENDS))
            file.seek(max(_ENDS, size - _ENDS))
            found.update(file.read())
    return found.hexdigest()[:24]
