"""What people do to a session: objects and labels, every change of which can be undone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from operator import index
from pathlib import Path
from typing import Any

from pixelkin.annotation import history
from pixelkin.annotation.footage import Footage
from pixelkin.annotation.layers import layers_of
from pixelkin.annotation.model import Entry, kind_of
from pixelkin.annotation.snapshot import cuts, entries
from pixelkin.annotation.store import Store
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import (
    Colour,
    InputError,
    LabelKind,
    Object,
)

Who = Object | int | str


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

    @property
    def entries(self) -> dict[int, Entry]:
        """All objects by id, in their order, with what lists show of them."""
        return entries(self._store)

    @property
    def objects(self) -> tuple[Object, ...]:
        """All objects, in their order."""
        return tuple(e.object for e in self.entries.values())

    def _frame(self, frame: int) -> int:
        """A frame number that the video has, as a plain int."""
        try:
            number = index(frame)
        except TypeError:
            raise InputError(f"no frame {frame!r}: give the number of one") from None
        if not 0 <= number < len(self):
            raise InputError(f"no frame {number}: the video has frames 0 to {len(self) - 1}")
        return number

    def _chosen(self, frames: int | range) -> list[int]:
        chosen = [self._frame(f) for f in (frames if isinstance(frames, range) else [frames])]
        if not chosen:
            raise InputError("no frame is named: a range has its first frame before its end")
        return chosen

    def object(self, who: Who) -> Object:
        """An object by itself, its id or its name.

        Raises:
            InputError: If there is none, or several have the name.
        """
        known = self.objects
        wanted = who.id if isinstance(who, Object) else who
        found = [o for o in known if wanted in (o.id, o.name)]
        if len(found) != 1:
            names = ", ".join(o.called for o in known) or "none"
            what = f"several objects are called {wanted!r}" if found else f"no object {wanted!r}"
            raise InputError(f"{what} (there are: {names})")
        return found[0]

    def called(self, word: str) -> Object:
        """An object by its name, or, where none has it, by its id in digits.

        Raises:
            InputError: If there is none, or several have the name.
        """
        digits = word.isdecimal() and not any(o.name == word for o in self.objects)
        return self.object(int(word) if digits else word)

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

    def add_object(
        self,
        name: str | None = None,
        *,
        kind: str = "mask",
        id: int | None = None,
        category: str | None = None,
        colour: Colour | None = None,
        parent: str | None = None,
    ) -> Object:
        """Add an object that is to be followed.

        Args:
            name: What people call it.
            kind: mask, part, keypoint or point.
            id: Its number; the next free one if None. Numbers of objects that are gone are not
                given again.
            category: What it is.
            colour: (r, g, b); None for the usual one of its id.
            parent: Name of the body that it belongs to.

        Raises:
            InputError: If the id is taken, the colour is none, or a kind does not go with those
                that are there.
        """
        with self.edit(f"add {name or 'an object'}"):
            highest = self._highest
            number = highest + 1 if id is None else _whole(id, "the id of an object")
            new = Object(number, kind_of(kind), name, category, colour, parent)
            if number in {o.id for o in self.objects}:
                raise InputError(f"there is an object {number} already")
            layers_of([*self.objects, new], self.size, self.protocols)
            self._write_object(Entry(new, len(self.objects)))
            self._store.set_meta("highest", str(max(highest, number)))
        return new

    @property
    def _highest(self) -> int:
        """The highest id that any object has had."""
        return max([int(self._store.meta("highest") or 0), *(o.id for o in self.objects)])

    def change_object(self, who: Who, **changes: Any) -> Object:
        """Change name, category, colour, parent, position, locked or hidden of an object."""
        entry = self.entries[self.object(who).id]
        own = {k: v for k, v in changes.items() if k in ("position", "locked", "hidden")}
        others = {k: v for k, v in changes.items() if k not in own}
        if wrong := others.keys() - {"name", "category", "colour", "parent"}:
            raise InputError(f"{min(wrong)} of an object cannot be changed")
        entry = replace(entry, object=replace(entry.object, **others), **own)
        with self.edit(f"change {entry.object.called}"):
            self._write_object(entry)
        return entry.object

    def remove_object(self, who: Who) -> None:
        """Remove an object with its labels."""
        gone = self.object(who)
        with self.edit(f"remove {gone.called}"):
            self._unlocked(gone)
            for row in self._store.rows("SELECT frame FROM label WHERE object=?", gone.id):
                self._put("label", {"object": gone.id, "frame": row["frame"]}, None)
            for row in self._store.rows("SELECT a, b FROM edge WHERE ? IN (a, b)", gone.id):
                self._put("edge", dict(row), None)
            self._put("object", {"id": gone.id}, None)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of keypoints that a line connects: the skeleton."""
        return tuple((row["a"], row["b"]) for row in self._store.rows("SELECT a, b FROM edge"))

    def connect(self, a: Who, b: Who) -> None:
        """Draw a line between two keypoints: an edge of the skeleton.

        Raises:
            InputError: If they are not two keypoints or points.
        """
        first, last = self.object(a), self.object(b)
        for one in (first, last):
            if one.is_map:
                raise InputError(f"{one.called} is no keypoint: lines connect keypoints")
        if first.id == last.id:
            raise InputError(f"{first.called} cannot be connected with itself")
        if (last.id, first.id) in self.edges:
            return
        with self.edit("connect keypoints"):
            self._put("edge", {"a": first.id, "b": last.id}, {})

    def _unlocked(self, one: Object) -> None:
        if self.entries[one.id].locked:
            raise InputError(f"{one.called} is locked: unlock it to change its labels")

    def _write_object(self, entry: Entry) -> None:
        o = entry.object
        colour = None if o.colour is None else _words(o.colour)
        row: dict[str, Any] = {
            "kind": o.kind,
            "name": o.name,
            "category": o.category,
            "colour": colour,
            "parent": o.parent,
            "position": entry.position,
            "locked": int(entry.locked),
            "hidden": int(entry.hidden),
        }
        self._put("object", {"id": o.id}, row)

    @property
    def cuts(self) -> list[int]:
        """Frames with which a new shot begins: no label is carried over them."""
        return cuts(self._store)

    def set_cut(self, frame: int, cut: bool = True) -> None:
        """Say whether a new shot begins with a frame, whatever was found there."""
        if not 0 < frame < len(self):
            raise InputError(f"no cut at frame {frame}: one lies between 1 and {len(self) - 1}")
        with self.edit(f"{'a' if cut else 'no'} cut at frame {frame}"):
            self._put("cut", {"frame": frame}, {"state": "set" if cut else "ignored"})

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


def spoken(frames: list[int]) -> str:
    """Frames in words."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    return f"frames {min(frames)} to {max(frames)}"


def _protocols(text: str) -> dict[LabelKind, Protocol]:
    raw = json.loads(text)
    return {k: Protocol(**{**p, "long_term": tuple(p["long_term"])}) for k, p in raw.items()}


def _whole(value: Any, what: str) -> int:
    try:
        return index(value)
    except TypeError:
        raise InputError(f"{what} is a whole number, not {value!r}") from None


def _words(colour: Colour) -> str:
    """A colour as it is kept."""
    parts = [_whole(part, "a part of a colour") for part in colour]
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise InputError(f"colour {colour!r} must be (r, g, b), each from 0 to 255")
    return " ".join(map(str, parts))
