"""What is known of the frames of a session, and how far it is what the labels ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pixelkin.annotation.history import revision
from pixelkin.annotation.plan import ranges
from pixelkin.annotation.reviewing import Reviewer
from pixelkin.annotation.show import contested, missing, stale
from pixelkin.annotation.snapshot import Segment, Snapshot, Video
from pixelkin.annotation.store import Store
from pixelkin.annotation.view import FrameView, annotations_of, view
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.types import Annotations, InputError, Object, frame_number


class Looker(Reviewer):
    """The part of a session that tells what is known; it computes nothing."""

    def __init__(self, folder: Path, store: Store, *, read_only: bool) -> None:
        super().__init__(folder, store, read_only=read_only)
        self._known: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The labels as they are, and what follows from them."""
        with self._store.reading():
            if self._edit is not None:  # which may still be taken back
                return self._read()
            if self._known is None or self._known.revision != revision(self._store):
                self._known = self._read()
        return self._known

    def _read(self) -> Snapshot:
        footage = self.video
        video = Video(footage.info.size, footage.frames, footage.digest)
        digest = self._store.fact("encoder", lambda text: str(json.loads(text).get("digest", "")))
        try:
            return Snapshot(self._store, video, self.protocols, digest)
        except InputError:
            raise
        except DAMAGES as error:  # rows that do not go together
            raise InputError(f"{self._store.path} is damaged: {told(error)}") from error

    def __getitem__(self, frame: int) -> FrameView:
        """What is known of a frame: labels, confidence, and where they come from.

        Raises:
            IndexError: If the video has no such frame, so that a loop over a session ends.
            InputError: If that is no number of a frame.
        """
        frame = frame_number(frame)
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} of a video of {len(self)} frames")
        with self._store.reading():
            return view(self._store, self.snapshot(), self.edges, self.size, frame)

    def stale(self) -> list[tuple[Object, range]]:
        """Frames whose labels would be others if they were computed now, or are not there yet."""
        return self._where(stale)

    def missing(self) -> list[tuple[Object, range]]:
        """Those of `stale` of which nothing was computed yet; the others show an older result."""
        return self._where(missing)

    def unreached(self) -> list[tuple[Object, range]]:
        """Frames that no label reaches: before the first of a shot, say, that nobody labelled."""
        snapshot = self.snapshot()
        known = {i: entry.object for i, entry in snapshot.entries.items()}
        return [
            (known[i], piece.frames)
            for i, pieces in snapshot.pieces.items()
            for piece in pieces
            if piece.unreached
        ]

    def _where(self, chosen: Callable[[Store, Segment], list[int]]) -> list[tuple[Object, range]]:
        found: list[tuple[Object, range]] = []
        with self._store.reading():
            snapshot = self.snapshot()
            known = {i: entry.object for i, entry in snapshot.entries.items()}
            for segment in snapshot.segments:
                for frames in ranges(chosen(self._store, segment)):
                    found += [(known[i], frames) for i in segment.pieces]
        return found

    def contested(self) -> list[int]:
        """Reviewed frames that would be others if they were computed now."""
        with self._store.reading():
            segments = self.snapshot().segments
            return sorted({f for segment in segments for f in contested(self._store, segment)})

    def annotations(self) -> Annotations:
        """Labels and results of all frames that have any, read frame by frame."""
        with self._store.reading():
            snapshot = self.snapshot()
            return annotations_of(self._store, snapshot, self.edges, self.__getitem__)
