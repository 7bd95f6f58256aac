"""A session while it is open: who may use it, its frames, its processes, and what has changed."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

import numpy as np

from pixelkin.annotation.session import Session
from pixelkin.app.server import seen
from pixelkin.app.server.events import Hub
from pixelkin.app.server.frames import CACHE_BYTES, Frames
from pixelkin.app.server.jobs import Crew, Job
from pixelkin.app.server.models import Label, NewJob, Review
from pixelkin.formats.label_files import LabelFile, load_label_files
from pixelkin.formats.registry import recognise
from pixelkin.ops import rle
from pixelkin.types import InputError, Objects

UNPACKED = 4 * 2**30  # bytes that an archive of labels may unpack to
FILES = 100_000  # files that it may hold

T = TypeVar("T")


class Outdated(Exception):
    """An edit of something that was changed meanwhile."""


class Opened:
    """An open session. May be used by several threads.

    Args:
        folder: The session.
        hub: Who is told of changes.
        cache_bytes: That frames may take.
        device: What computes; None: what the session was made with.
        progress: Told how many frames were looked at, where the video must be read once.
    """

    def __init__(
        self,
        folder: Path,
        hub: Hub,
        cache_bytes: int = CACHE_BYTES,
        device: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder, self._hub = folder, hub
        self.session = Session.open(folder)
        try:
            video = self.session.video
            reader = video.open(progress)
            self._borrowed = tempfile.TemporaryDirectory() if self.session.read_only else None
            cache = Path(self._borrowed.name) if self._borrowed else folder / "cache" / "frames"
            _keep_only(cache, video.digest)
            self.frames = Frames(reader, cache / video.digest, cache_bytes)
        except BaseException:
            self.session.close()
            raise
        self._lock, self._closed = RLock(), False
        self._numbers = count(1)
        self._known: dict[Any, Any] = {}
        self.crews = {
            kind: Crew(folder, hub, self._results, device) for kind in ("propagate", "export")
        }

    def close(self) -> None:
        """End what runs, and close the session."""
        for crew in self.crews.values():
            crew.close()
        self.frames.close()
        with self._lock:
            self._closed = True
            self.session.close()
        if self._borrowed is not None:
            self._borrowed.cleanup()

    def look(self, what: Callable[..., T], *given: Any, keep: bool = False) -> T:
        """Something of the session, by a function of it.

        Args:
            what: The function.
            given: Its further arguments.
            keep: Whether the same may be given again until something changes.
        """
        with self._held():
            key = what.__name__, given
            if keep and key in self._known:
                found: T = self._known[key]
                return found
            made = what(self.session, *given)
            if keep:
                self._known[key] = made
            return made

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise InputError("this session was closed, as another one was opened")
            yield

    def _results(self) -> None:
        """Results have come, or edits: what was kept of the session is known no more."""
        with self._lock:
            self._known.clear()

    @contextmanager
    def edit(self, base: int | None) -> Iterator[Session]:
        """The session to change, if nobody has changed it since.

        Args:
            base: Revision of what the change is based on; None for the latest.

        Raises:
            Outdated: If it has another by now.
        """
        with self._held():
            now = self.session.snapshot().revision
            if base is not None and base != now:
                raise Outdated(
                    f"this was changed meanwhile (revision {now}, not {base}): look again"
                )
            try:
                yield self.session
            finally:
                self._known.clear()
                revision = self.session.snapshot().revision
                if revision != now:
                    self._hub.tell("revision", revision=revision)

    @property
    def revision(self) -> int:
        """A number that grows with every edit."""
        with self._held():
            return self.session.snapshot().revision

    def label(self, frame: int, i: int, label: Label) -> None:
        """Say where an object is; see `Session.label`."""
        with self.edit(label.base_revision) as session:
            one = session.object(i)
            place: Any = None
            if label.counts is not None:
                try:
                    place = rle.decode({"size": session.size, "counts": label.counts})
                except ValueError as error:
                    raise InputError(f"the mask of {one.called}: {error}") from error
            elif label.x is not None and label.y is not None:
                place = np.array([label.x, label.y])
            elif label.state == "occluded":
                place = _place_of_label(session, frame, i)
            session.label(frame, one, place, state=label.state, source=label.source)

    def review(self, review: Review) -> None:
        """Say that frames are right, want a look, or neither."""
        if review.last < review.first:
            raise InputError(
                f"frames {review.first} to {review.last}: the last is before the first"
            )
        frames = range(review.first, review.last + 1)
        with self.edit(review.base_revision) as session:
            if review.last >= len(session):
                raise InputError(f"no frame {review.last}: the last one is {len(session) - 1}")
            if review.state == "reviewed":
                session.accept(frames)
            elif review.state == "none":
                session.reopen(frames)
            elif review.state == "unreviewed":
                session.unaccept(frames)
            elif review.state == "unflagged":
                session.unflag(frames)
            else:
                with session.edit(f"flag {session.spoken(frames)}"):
                    if review.note is not None:
                        session.unflag(frames)
                    session.flag(frames, review.note or "")

    def start(self, order: NewJob) -> Job:
        """Begin a job.

        Raises:
            InputError: If one of its kind is running, or it asks for frames that are not there.
        """
        if (order.first is None) != (order.last is None):
            raise InputError("give the first and the last frame, or neither")
        if order.first is not None and order.last is not None and order.first > order.last:
            raise InputError(f"frames {order.first} to {order.last}: the last is before the first")
        if max(order.last or 0, order.near) >= len(self.frames):
            raise InputError(f"the video has frames 0 to {len(self.frames) - 1}")
        job = Job(next(self._numbers), order.kind)
        details = order.model_dump(exclude={"kind"}) | {"stem": self.folder.stem}
        self.crews[order.kind].start(job, details)
        return job

    def seen(self, frame: int) -> None:
        """Somebody looks at a frame: a job there is made ready for."""
        self.crews["propagate"].look(frame)

    def jobs(self) -> list[Job]:
        """The last job of each kind."""
        return [crew.job for crew in self.crews.values() if crew.job is not None]

    def cancel(self, number: int) -> bool:
        """Stop a job; whether there is such a one."""
        for crew in self.crews.values():
            if crew.job is not None and crew.job.id == number:
                crew.cancel()
                return True
        return False

    def take(self, path: Path, frame: int | None, base: int) -> list[int]:
        """Import labels of a file, or of an archive of a folder; the frames that they label."""
        with tempfile.TemporaryDirectory() as folder:
            if path.suffix == ".zip":
                path = unpacked(path, Path(folder) / path.stem)
            with self.edit(base) as session:
                if recognise(path).one_frame:
                    known = Objects(tuple(o for o in session.objects if o.kind == "mask"))
                    files = [LabelFile(path, frame)]
                    found = load_label_files(files, session.video.info, objects=known)
                    return session.import_(found.annotations)
                return session.import_(path)

    def export(self, name: str) -> Path | None:
        """A file that was exported."""
        folder = (self.folder / "exports").resolve()
        path = (folder / name).resolve()
        return path if path.parent == folder and path.is_file() else None


def unpacked(archive: Path, into: Path) -> Path:
    """The folder in a zip archive; where it holds one folder only, that one.

    Raises:
        InputError: If it is no archive, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(archive) as files:
            members = files.infolist()
            if sum(m.file_size for m in members) > UNPACKED or len(members) > FILES:
                raise InputError(f"{archive.name} unpacks to too much: import it in parts")
            files.extractall(into)  # never outside of it, whatever names say
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
        raise InputError(f"{archive.name} cannot be unpacked: {error}") from error
    inside = list(into.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else into


def _place_of_label(session: Session, frame: int, i: int) -> Any:
    """Where a label says that an object is; None without one."""
    if not 0 <= frame < len(session):
        raise InputError(f"no frame {frame}: the video has frames 0 to {len(session) - 1}")
    shown = session[frame]
    if shown.objects[i].origin != "label":
        return None
    for place in (one.get(i) for one in map(seen.places, shown.labels)):
        if place is not None:
            return place
    return None


def _keep_only(cache: Path, digest: str) -> None:
    """Drop frames of another video, which the session had before."""
    if cache.is_dir():
        for folder in cache.iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name != digest:
                shutil.rmtree(folder, ignore_errors=True)
