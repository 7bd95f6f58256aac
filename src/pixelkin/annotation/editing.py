"""Changes of a session, every one of which can be undone; and where new shots begin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelkin.annotation import history
from pixelkin.annotation.footage import Footage
from pixelkin.annotation.snapshot import cuts
from pixelkin.annotation.store import Store
from pixelkin.formats.frame_names import first_apart, numbers_of
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, LabelKind, frame_number


class Editor:
    """The part of a session that people change.

    Args:
        folder: The session.
        store: Its file.
        read_only: Whether nothing may be changed.
    """

    def __init__(self, folder: Path, store: Store, *, read_only: bool) -> None:
        self.folder, self._store, self.read_only = folder, store, read_only
        self._edit: history.Edit | None = None

    @property
    def video(self) -> Footage:
        """The video, and how it is known again."""
        return self._store.fact("video", Footage.from_json)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of its frames in pixels."""
        return self.video.info.size

    def __len__(self) -> int:
        return self.video.frames

    @property
    def protocols(self) -> dict[LabelKind, Protocol]:
        """How labels of each kind are carried."""
        return self._store.fact("protocols", _protocols)

    def _frame(self, frame: int) -> int:
        """A frame number that the video has, as a plain int."""
        number = frame_number(frame)
        if not 0 <= number < len(self):
            raise InputError(f"no frame {number}: the video has frames 0 to {len(self) - 1}")
        return number

    def spoken(self, frames: Sequence[int]) -> str:
        """Frames in words: their numbers, or their names where these have other numbers."""
        info = self.video.info
        numbers, ends = numbers_of(info), (min(frames), max(frames))
        if info.names is not None and any(numbers[f] != f for f in ends):
            return " to ".join(dict.fromkeys(info.names[f] for f in ends))
        return f"frame {ends[0]}" if len(frames) == 1 else "frames {} to {}".format(*ends)

    def _chosen(self, frames: int | range) -> list[int]:
        chosen = [self._frame(f) for f in (frames if isinstance(frames, range) else [frames])]
        if not chosen:
            raise InputError("no frame is named: a range has its first frame before its end")
        return chosen

    @contextmanager
    def edit(self, what: str) -> Iterator[None]:
        """Everything that is changed inside is one edit: all of it or nothing, one undo step.

        Args:
            what: In words, for the list.

        Raises:
            InputError: If another process edits the session.
        """
        self._check_editable()
        if self._edit is not None:
            with self._edit.part():
                yield
            return
        with self._store.transaction(durable=True):
            self._edit = history.Edit(self._store, what)
            try:
                yield
                self._edit.keep()
            finally:
                self._edit = None

    def _check_editable(self) -> None:
        if self.read_only:
            raise InputError(f"{self.folder} is being edited by another process, or was opened to "
                             "look at: it cannot be changed here")  # fmt: skip

    def _put(self, table: str, key: Mapping[str, Any], row: Mapping[str, Any] | None) -> None:
        if self._edit is None:
            raise ValueError("rows are changed inside of an edit")
        self._edit.put(table, key, row)

    @property
    def cuts(self) -> list[int]:
        """Frames with which a new shot begins: no label is carried over them."""
        return cuts(self._store)

    def set_cut(self, frame: int, cut: bool = True) -> None:
        """Say whether a new shot begins with a frame, whatever was found there.

        Raises:
            InputError: If there is no such frame, or it is the first.
        """
        frame = frame_number(frame)
        if not 0 < frame < len(self):
            said = self.spoken([0]) if frame == 0 else f"frame {frame}"
            raise InputError(f"no cut at {said}: {self._room_for_cuts()}")
        with self.edit(f"{'a' if cut else 'no'} cut at {self.spoken([frame])}"):
            self._put("cut", {"frame": frame}, {"state": "set" if cut else "ignored"})

    def _room_for_cuts(self) -> str:
        """Where a cut may be, in words: in names, where these have other numbers than positions."""
        info, last = self.video.info, len(self) - 1
        if last < 1:
            return "the video has one frame"
        if info.names is None or first_apart(info) is None:
            return f"one lies between 1 and {last}"
        ends = f"{info.names[1]} and {info.names[last]}"
        return f"one lies between {ends} (positions 1 to {last}, counted from 0)"

    def undo(self) -> str | None:
        """Take back the last edit; what it was, or None if there is none. Computes nothing."""
        return self._moved(history.undo)

    def redo(self) -> str | None:
        """Do again what was undone; what it was, or None if there is none."""
        return self._moved(history.redo)

    def _moved(self, move: Any) -> str | None:
        self._check_editable()
        if self._edit is not None:
            raise InputError("undo and redo are for finished edits: call them after this one")
        with self._store.transaction(durable=True):
            found: str | None = move(self._store)
        return found


def _protocols(text: str) -> dict[LabelKind, Protocol]:
    raw = json.loads(text)
    return {k: Protocol(**{**p, "long_term": tuple(p["long_term"])}) for k, p in raw.items()}
