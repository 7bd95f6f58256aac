"""What people say of whole frames: that they are right, or want a later look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixelkin.annotation.labelling import Labeller
from pixelkin.annotation.store import now
from pixelkin.types import InputError


class Reviewer(Labeller):
    """The part of a session in which frames are reviewed."""

    def accept(self, frames: int | range, *, author: str | None = None) -> None:
        """Say that frames are right as they are shown: nothing that is computed changes them.

        Raises:
            InputError: If there is no such frame, or one shows nothing yet.
        """
        known = "SELECT frame FROM label UNION SELECT frame FROM shown"
        seen = {row["frame"] for row in self._store.rows(known)}
        for frame in self._chosen(frames):
            if frame not in seen:
                raise InputError(f"frame {frame} shows nothing yet: compute it, then accept it")
        self._review(frames, {"state": "reviewed", "author": author, "time": now()})

    def flag(self, frame: int, note: str = "", *, author: str | None = None) -> None:
        """Mark a frame for a later look."""
        row = {"state": "flagged", "note": note, "author": author, "time": now()}
        self._review(frame, row)

    def reopen(self, frames: int | range) -> None:
        """Take back that frames were reviewed or flagged: they take new results again."""
        self._review(frames, None)

    def _review(self, frames: int | range, row: Mapping[str, Any] | None) -> None:
        chosen = self._chosen(frames)
        what = "reopen" if row is None else str(row["state"])
        with self.edit(f"{what} frames {min(chosen)} to {max(chosen)}"):
            for frame in chosen:
                self._put("frame", {"frame": frame}, row)

    def _chosen(self, frames: int | range) -> list[int]:
        chosen = [self._frame(f) for f in (frames if isinstance(frames, range) else [frames])]
        if not chosen:
            raise InputError("no frame is named: a range has its first frame before its end")
        return chosen

    def reviewed(self) -> list[int]:
        """The frames that were accepted."""
        rows = self._store.rows("SELECT frame FROM frame WHERE state='reviewed' ORDER BY frame")
        return [row["frame"] for row in rows]
