"""What may be opened: videos and sessions below one folder, and a clip that is made for a trial."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from pixelkin.annotation.session import Session
from pixelkin.annotation.store import FILE
from pixelkin.app.server.events import Hub
from pixelkin.app.server.frames import CACHE_BYTES
from pixelkin.app.server.opened import Opened
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import Runtime
from pixelkin.types import InputError
from pixelkin.video.suffixes import IMAGES, VIDEOS
from pixelkin.video.writer import VideoWriter

LISTED = VIDEOS | {".tif", ".tiff"}  # stacks; other images are frames
MOST = 2000  # entries of a folder that are listed
DEMO = "pixelkin-demo"
DEMO_FRAMES, DEMO_FPS = 60, 15.0


class Desk:
    """The session that is open, if one is.

    Args:
        root: Nothing outside of this folder is listed, or opened when a page asks for it.
        weights: Encoder of new sessions.
        runtime: What computes their features.
        device: On what; None: what a session was made with.
        cache_bytes: That frames may take.
        ready: Whether the process that computes is started when a session is opened, rather than
            with its first job.
    """

    def __init__(
        self,
        root: Path,
        *,
        weights: str = "default",
        runtime: Runtime = "torch",
        device: str | None = None,
        cache_bytes: int = CACHE_BYTES,
        ready: bool = True,
    ) -> None:
        self.root, self.hub = root.resolve(), Hub()
        self._encoder, self._cache_bytes, self._ready = (weights, runtime), cache_bytes, ready
        self._device = device
        self._opened: Opened | None = None
        self._lock = RLock()

    @property
    def opened(self) -> Opened:
        """The open session.

        Raises:
            InputError: If none is open.
        """
        if self._opened is None:
            raise InputError("no session is open: open a video or a session")
        return self._opened

    @property
    def empty(self) -> bool:
        """Whether no session is open."""
        return self._opened is None

    def open(self, path: Path) -> Opened:
        """Open a session, or a video: its session lies beside it, and is made where it is missing.

        Raises:
            InputError: If it is neither.
        """
        with self._lock, self._reading() as told:
            folder = path if is_session(path) else session_of(path)
            if not (folder / FILE).is_file():
                weights, runtime = self._encoder
                Session.create(
                    folder,
                    path,
                    encoder=weights,
                    runtime=runtime,
                    device=self._device or "auto",
                    progress=told,
                ).close()
            if self._opened is not None and self._opened.folder.resolve() == folder.resolve():
                return self._opened
            opened = Opened(folder, self.hub, self._cache_bytes, self._device, told)
            self.close()
            self._opened = opened
            if self._ready and not opened.session.read_only:
                opened.crews["propagate"].prepare()
        self.hub.tell("opened")
        return opened

    @contextmanager
    def _reading(self) -> Iterator[Callable[[int, int], None]]:
        """A function (done, total) that tells all pages how many frames of a video are read."""
        began, any_told = time.monotonic(), False

        def tell(done: int, total: int) -> None:
            nonlocal any_told
            any_told = True
            left = (time.monotonic() - began) / done * (total - done)
            self.hub.tell("reading", done=done, total=total, seconds_left=round(left, 1))

        try:
            yield tell
        finally:
            if any_told:
                self.hub.tell("read")

    def open_below(self, word: str) -> Opened:
        """Open what a page names, which must lie below the root.

        Raises:
            InputError: If it does not, or cannot be opened.
        """
        return self.open(self._below(word))

    def open_demo(self) -> Opened:
        """Open a clip of moving things, which is made below the root where it is missing."""
        folder = self.root / DEMO
        video = folder / "clip.mp4"
        if not video.exists():
            folder.mkdir(exist_ok=True)
            part = folder / "making.mp4"
            scene = SyntheticScene(seed=0, frames=DEMO_FRAMES)
            with VideoWriter(part, DEMO_FPS, scene.size) as writer:
                for frame in scene:
                    writer.write(frame.image)
            part.replace(video)
        return self.open(video)

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()

    def files(self, word: str) -> dict[str, Any]:
        """What a folder below the root holds: folders, videos, sessions."""
        folder = self._below(word)
        if not folder.is_dir():
            raise InputError(f"{word} is no folder")
        entries, images = [], 0
        with os.scandir(folder) as found:
            for entry in sorted(found, key=lambda e: e.name.casefold()):
                path = folder / entry.name
                if entry.name.startswith(".") or not path.resolve().is_relative_to(self.root):
                    continue
                suffix = path.suffix.lower()
                if path.is_dir():
                    kind = "session" if (path / FILE).is_file() else "folder"
                elif suffix in LISTED:
                    kind = "video"
                else:
                    images += suffix in IMAGES
                    continue
                entries.append({"name": entry.name, "kind": kind, "path": self._word(path)})
        return {
            "path": self._word(folder),
            "parent": None if folder == self.root else self._word(folder.parent),
            "entries": entries[:MOST],
            "left_out": max(0, len(entries) - MOST),
            "images": images,
        }

    def _below(self, word: str) -> Path:
        if "\0" in word:
            raise InputError("a name holds a zero byte")
        try:
            path = (self.root / word).resolve()
        except (OSError, RuntimeError) as error:
            raise InputError(f"{word}: {error}") from error
        if not path.is_relative_to(self.root):
            raise InputError(f"{word} is not below {self.root}: start pixelkin app with --root")
        if not path.exists():
            raise InputError(f"no such file or folder: {word}")
        return path

    def _word(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def is_session(path: Path) -> bool:
    """Whether a path is a session."""
    return (path / FILE).is_file()


def session_of(video: Path) -> Path:
    """Where the session of a video lies: beside it."""
    return video.with_name(f"{video.stem if video.is_file() else video.name}.pixelkin")
