"""Edits: what people do to a session, as changes of rows that can be undone and redone.

Nothing is ever taken out of the list but its oldest end: an edit that is undone stays, until a new
one makes it unreachable.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pixelkin.annotation.store import Store, now

KEPT = 1000
_DONE, _UNDONE, _LEFT = 0, 1, 2  # left: undone, and another edit was made then


class Edit:
    """One edit that is being made, inside a transaction of the store.

    Args:
        store: The session's.
        what: In words, for the list.
    """

    def __init__(self, store: Store, what: str) -> None:
        self._store, self._what = store, what
        self._number = int(store.value("SELECT MAX(id) FROM edit") or 0) + 1
        self._changes: list[tuple[str, dict[str, Any], dict[str, Any] | None, Any]] = []

    def put(self, table: str, key: Mapping[str, Any], row: Mapping[str, Any] | None) -> None:
        """Replace or remove a row, and remember what was there."""
        before = self._store.get(table, key)
        if table == "label" and row is not None:  # a label that is replaced stays as old as it was
            row = {**row, "edit": before["edit"] if before else self._number}
        self._store.put(table, key, row)
        after = self._store.get(table, key)
        if before != after:
            self._changes.append((table, dict(key), before, after))

    @contextmanager
    def part(self) -> Iterator[None]:
        """Everything inside or nothing of it, whatever becomes of the rest of the edit."""
        count = len(self._changes)
        try:
            with self._store.savepoint():
                yield
        except BaseException:
            del self._changes[count:]
            raise

    def keep(self) -> bool:
        """Add the edit to the list; False if it changed nothing."""
        if not self._changes:
            return False
        store = self._store
        store.write("UPDATE edit SET undone=? WHERE undone=?", _LEFT, _UNDONE)
        content = zlib.compress(json.dumps(self._changes).encode())
        number = store.write(
            "INSERT INTO edit(what, changes, time) VALUES(?, ?, ?)", self._what, content, now()
        )
        store.write("DELETE FROM edit WHERE id <= ?", number - KEPT)
        revise(store)
        return True


def undo(store: Store) -> str | None:
    """Take back the last edit that is in force; what it was, or None if there is none."""
    found = store.rows("SELECT * FROM edit WHERE undone=? ORDER BY id DESC LIMIT 1", _DONE)
    return _move(store, found[0], back=True) if found else None


def redo(store: Store) -> str | None:
    """Do again what was undone last; what it was, or None if there is none."""
    found = store.rows("SELECT * FROM edit WHERE undone=? ORDER BY id LIMIT 1", _UNDONE)
    return _move(store, found[0], back=False) if found else None


def revision(store: Store) -> int:
    """A number that grows with every edit, undo and redo."""
    return int(store.meta("revision") or 0)


def _move(store: Store, edit: Any, *, back: bool) -> str:
    changes = json.loads(zlib.decompress(edit["changes"]))
    for table, key, before, after in reversed(changes) if back else changes:
        store.put(table, key, before if back else after)
    store.write("UPDATE edit SET undone=? WHERE id=?", _UNDONE if back else _DONE, edit["id"])
    revise(store)
    return str(edit["what"])


def revise(store: Store) -> None:
    """Say that what was planned may not be what is wanted now."""
    store.set_meta("revision", str(revision(store) + 1))
