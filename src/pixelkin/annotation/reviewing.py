"""What people say of whole frames: that they are right, or want a later look."""

from __future__ import annotations

from typing import Any

from pixelkin.annotation.labelling import Labeller
from pixelkin.annotation.store import now
from pixelkin.types import InputError


class Reviewer(Labeller):
    """The part of a session in which frames are reviewed."""

    def accept(self, frames: int | range, *, author: str | None = None) -> None:
        """Say that frames are right as they are shown: nothing that is computed changes them.

        What they show is kept with the review, and comes back with it by undo and redo.

        Raises:
            InputError: If there is no such frame, or one shows nothing yet.
        """
        chosen = self._chosen(frames)
        rows = self._as_shown(chosen)
        for frame in chosen:
            if frame not in rows:
                raise InputError(
                    f"{self.spoken([frame])} shows nothing yet: compute it, then accept it"
                )
        with self.edit(f"reviewed {self.spoken(chosen)}"):
            for frame in chosen:
                self._mark(frame, "reviewed", {"author": author, "time": now()})
                for i, row in rows[frame].items():
                    self._put("accepted", {"frame": frame, "object": i}, row)

    def flag(self, frames: int | range, note: str = "", *, author: str | None = None) -> None:
        """Mark frames for a later look. Reviews stay, and so does a note where no new one comes."""
        chosen, known = self._chosen(frames), self.flagged()
        with self.edit(f"flagged {self.spoken(chosen)}"):
            for frame in chosen:
                said = note or known.get(frame, "")
                self._mark(frame, "flagged", {"note": said, "author": author, "time": now()})

    def unflag(self, frames: int | range) -> None:
        """Take back that frames were flagged."""
        chosen = self._chosen(frames)
        with self.edit(f"unflag {self.spoken(chosen)}"):
            for frame in chosen:
                self._mark(frame, "flagged", None)

    def unaccept(self, frames: int | range) -> None:
        """Take back that frames were reviewed: they take new results again. Flags stay."""
        chosen = self._chosen(frames)
        with self.edit(f"unaccept {self.spoken(chosen)}"):
            for frame in chosen:
                self._take_review_back(frame)

    def reopen(self, frames: int | range) -> None:
        """Take back that frames were reviewed or flagged: they take new results again."""
        chosen = self._chosen(frames)
        with self.edit(f"reopen {self.spoken(chosen)}"):
            for frame in chosen:
                self._take_review_back(frame)
                self._mark(frame, "flagged", None)

    def reviewed(self) -> list[int]:
        """The frames that were accepted."""
        rows = self._store.rows("SELECT frame FROM frame WHERE state='reviewed' ORDER BY frame")
        return [row["frame"] for row in rows]

    def flagged(self) -> dict[int, str]:
        """The frames that were flagged, and what was noted of each."""
        query = "SELECT frame, note FROM frame WHERE state='flagged' ORDER BY frame"
        return {row["frame"]: row["note"] for row in self._store.rows(query)}

    def _take_review_back(self, frame: int) -> None:
        self._mark(frame, "reviewed", None)
        for row in self._store.rows("SELECT object FROM accepted WHERE frame=?", frame):
            self._put("accepted", {"frame": frame, "object": row["object"]}, None)

    def _mark(self, frame: int, state: str, row: dict[str, Any] | None) -> None:
        self._put("frame", {"frame": frame, "state": state}, row)

    def _as_shown(self, frames: list[int]) -> dict[int, dict[int, dict[str, Any]]]:
        """By frame and object what is shown of it: its label, what was accepted, or its result."""
        known = {o.id for o in self.objects}
        found: dict[int, dict[int, dict[str, Any]]] = {}
        for columns, table in (
            ("confidence, agreement, inputs, visible, NULL AS said", "shown"),
            ("confidence, agreement, inputs, visible, said", "accepted"),
            (
                "1.0 AS confidence, NULL AS agreement, '' AS inputs, "
                "CASE state WHEN 'occluded' THEN 0 END AS visible, state AS said",
                "label",
            ),
        ):
            query = (
                f"SELECT frame, object, rle, x, y, {columns} FROM {table} WHERE frame BETWEEN ? "
            )
            for row in map(dict, self._store.rows(query + "AND ?", min(frames), max(frames))):
                frame, i = row.pop("frame"), row.pop("object")
                if i in known:
                    found.setdefault(frame, {})[i] = row
        return found
