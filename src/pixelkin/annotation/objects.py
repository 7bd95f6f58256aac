"""The objects of a session: who they are, how they are listed, and what lines connect them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pixelkin.annotation.editing import Editor
from pixelkin.annotation.layers import layers_of
from pixelkin.annotation.model import Entry, kind_of
from pixelkin.annotation.snapshot import entries
from pixelkin.types import Colour, InputError, Object, whole_number

Who = Object | int | str


class ObjectEditor(Editor):
    """The part of a session in which objects are added, changed and removed."""

    @property
    def entries(self) -> dict[int, Entry]:
        """All objects by id, in their order, with what lists show of them."""
        return entries(self._store)

    @property
    def objects(self) -> tuple[Object, ...]:
        """All objects, in their order."""
        return tuple(e.object for e in self.entries.values())

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
        """Change name, category, colour, parent, position, locked or hidden of an object.

        A position is its place in lists, from 0; those after it make room.
        """
        entry = self.entries[self.object(who).id]
        own = {k: v for k, v in changes.items() if k in ("locked", "hidden")}
        place = changes.pop("position", None)
        others = {k: v for k, v in changes.items() if k not in own}
        if wrong := others.keys() - {"name", "category", "colour", "parent"}:
            raise InputError(f"{min(wrong)} of an object cannot be changed")
        entry = replace(entry, object=replace(entry.object, **others), **own)
        with self.edit(f"change {entry.object.called}"):
            self._write_object(entry)
            if place is not None:
                self._place_object(entry.object.id, _whole(place, "the position of an object"))
        return entry.object

    def _place_object(self, i: int, place: int) -> None:
        order = [entry for entry in self.entries.values() if entry.object.id != i]
        order.insert(max(0, place), self.entries[i])
        for position, entry in enumerate(order):
            if entry.position != position:
                self._write_object(replace(entry, position=position))

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

    def disconnect(self, a: Who, b: Who) -> None:
        """Take back the line between two keypoints.

        Raises:
            InputError: If there is none.
        """
        first, last = self.object(a), self.object(b)
        for pair in ((first.id, last.id), (last.id, first.id)):
            if pair in self.edges:
                with self.edit("disconnect keypoints"):
                    self._put("edge", dict(zip("ab", pair, strict=True)), None)
                return
        raise InputError(f"no line connects {first.called} and {last.called}")

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


def _whole(value: Any, what: str) -> int:
    return whole_number(value, f"{what} is a whole number, not {value!r}")


def _words(colour: Colour) -> str:
    """A colour as it is kept."""
    parts = [_whole(part, "a part of a colour") for part in colour]
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise InputError(f"colour {colour!r} must be (r, g, b), each from 0 to 255")
    return " ".join(map(str, parts))
