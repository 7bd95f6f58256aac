"""The tables of a session's file, and how files of earlier versions get them.

What people did is in `object`, `edge`, `label`, `frame` (reviewed, flagged), `accepted` (what
reviewed frames showed) and `cut`, all of which `edit` can undo; what follows from it, or was found,
in `pass`, `vote`, `echo`, `shown` and `found_cut`. Tables without row ids are those of small rows:
votes would take pages of their own there.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import Any

APPLICATION = 1347111246
VERSION = 2
SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE object(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL CHECK(kind IN('mask','parts','keypoints','points')),
  name TEXT, category TEXT, colour TEXT, parent TEXT, position INTEGER NOT NULL,
  locked INTEGER NOT NULL DEFAULT 0, hidden INTEGER NOT NULL DEFAULT 0);
CREATE TABLE edge(
  a INTEGER REFERENCES object(id), b INTEGER REFERENCES object(id), PRIMARY KEY(a, b)
  ) WITHOUT ROWID;
CREATE TABLE label(
  object INTEGER NOT NULL REFERENCES object(id), frame INTEGER NOT NULL CHECK(frame >= 0),
  state TEXT NOT NULL CHECK(state IN('present','occluded','absent')), rle TEXT, x REAL, y REAL,
  source TEXT NOT NULL CHECK(source IN('drawn','imported','corrected','accepted')),
  author TEXT, time TEXT NOT NULL, PRIMARY KEY(object, frame)) WITHOUT ROWID;
CREATE TABLE pass(
  id INTEGER PRIMARY KEY, object INTEGER NOT NULL, keyframe INTEGER NOT NULL,
  direction INTEGER NOT NULL CHECK(direction IN(-1, 1)), inputs TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, reliability REAL, bytes INTEGER NOT NULL DEFAULT 0,
  cycle INTEGER,
  UNIQUE(object, keyframe, direction, inputs));
CREATE TABLE vote(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  soft BLOB NOT NULL, PRIMARY KEY(pass, frame));
CREATE TABLE echo(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  value REAL NOT NULL, PRIMARY KEY(pass, frame)) WITHOUT ROWID;
CREATE TABLE shown(
  object INTEGER NOT NULL, frame INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(object, frame)) WITHOUT ROWID;
CREATE TABLE frame(
  frame INTEGER NOT NULL, state TEXT NOT NULL CHECK(state IN('reviewed','flagged')),
  note TEXT NOT NULL DEFAULT '', author TEXT, time TEXT NOT NULL, PRIMARY KEY(frame, state)
  ) WITHOUT ROWID;
CREATE TABLE accepted(
  frame INTEGER NOT NULL, object INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(frame, object)) WITHOUT ROWID;
CREATE TABLE cut(
  frame INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK(state IN('set','ignored')));
CREATE TABLE found_cut(frame INTEGER PRIMARY KEY);
CREATE TABLE run(
  id INTEGER PRIMARY KEY, started TEXT NOT NULL, ended TEXT, status TEXT NOT NULL,
  pixelkin TEXT NOT NULL, encoder TEXT NOT NULL, machine TEXT NOT NULL);
CREATE TABLE edit(
  id INTEGER PRIMARY KEY, undone INTEGER NOT NULL DEFAULT 0, what TEXT NOT NULL,
  changes BLOB NOT NULL, time TEXT NOT NULL);
CREATE INDEX label_frame ON label(frame);
CREATE INDEX shown_frame ON shown(frame);
"""


def migrate(file: sqlite3.Connection) -> None:
    """Bring the tables of an earlier version up to date, one version at a time: all or nothing."""
    while (version := file.execute("PRAGMA user_version").fetchone()[0]) < VERSION:
        file.execute("BEGIN IMMEDIATE")
        _MIGRATIONS[version](file)
        file.execute(f"PRAGMA user_version={version + 1}")
        file.execute("COMMIT")


def _to_version_2(file: sqlite3.Connection) -> None:
    """Reviews and flags, and cuts that were found and that were said, no longer in one row each.

    Edits change rows of the new tables, too. A reviewed frame showed what it shows still.
    """
    for statement in _VERSION_2.split(";"):
        file.execute(statement)
    for number, content in file.execute("SELECT id, changes FROM edit").fetchall():
        old = json.loads(zlib.decompress(content))
        for table, key, before, after in old:
            if table == "cut" and "found" in (_state(before), _state(after)):
                file.execute("INSERT OR IGNORE INTO found_cut VALUES(?)", (key["frame"],))
        changes = [new for change in old for new in _changes_of_version_2(file, *change)]
        content = zlib.compress(json.dumps(changes).encode())
        file.execute("UPDATE edit SET changes=? WHERE id=?", (content, number))


_VERSION_2 = """
ALTER TABLE pass ADD COLUMN cycle INTEGER;
ALTER TABLE shown ADD COLUMN visible INTEGER;
CREATE TABLE echo(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  value REAL NOT NULL, PRIMARY KEY(pass, frame)) WITHOUT ROWID;
ALTER TABLE vote RENAME TO old_vote;
ALTER TABLE frame RENAME TO old_frame;
ALTER TABLE cut RENAME TO old_cut;
CREATE TABLE frame(
  frame INTEGER NOT NULL, state TEXT NOT NULL CHECK(state IN('reviewed','flagged')),
  note TEXT NOT NULL DEFAULT '', author TEXT, time TEXT NOT NULL, PRIMARY KEY(frame, state)
  ) WITHOUT ROWID;
CREATE TABLE accepted(
  frame INTEGER NOT NULL, object INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(frame, object)) WITHOUT ROWID;
CREATE TABLE cut(
  frame INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK(state IN('set','ignored')));
CREATE TABLE found_cut(frame INTEGER PRIMARY KEY);
CREATE TABLE vote(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  soft BLOB NOT NULL, PRIMARY KEY(pass, frame));
INSERT INTO vote(pass, frame, soft) SELECT pass, frame, soft FROM old_vote;
INSERT INTO frame SELECT frame, state, note, author, time FROM old_frame;
INSERT INTO accepted(frame, object, rle, x, y, confidence, agreement, inputs)
  SELECT frame, object, rle, x, y, confidence, agreement, inputs FROM shown
  WHERE frame IN (SELECT frame FROM old_frame WHERE state='reviewed');
INSERT INTO cut SELECT frame, state FROM old_cut WHERE state<>'found';
INSERT INTO found_cut SELECT frame FROM old_cut WHERE state='found';
DROP TABLE old_vote;
DROP TABLE old_frame;
DROP TABLE old_cut
"""


def _changes_of_version_2(
    file: sqlite3.Connection, table: str, key: dict[str, Any], before: Any, after: Any
) -> Iterator[tuple[str, dict[str, Any], Any, Any]]:
    """What a change of version 1 is by now: changes of rows, each (table, key, before, after)."""
    if table == "cut":
        said = [None if _state(row) == "found" else row for row in (before, after)]
        yield table, key, said[0], said[1]
    elif table == "frame":
        for state in ("reviewed", "flagged"):
            rows = [row if _state(row) == state else None for row in (before, after)]
            if rows != [None, None]:
                yield table, key | {"state": state}, rows[0], rows[1]
        reviewed = [_state(row) == "reviewed" for row in (before, after)]
        if reviewed[0] != reviewed[1]:
            yield from _accepted(file, key["frame"], *reviewed)
    else:
        yield table, key, before, after


def _accepted(
    file: sqlite3.Connection, frame: int, before: bool, after: bool
) -> Iterator[tuple[str, dict[str, Any], Any, Any]]:
    names = ("frame", "object", "rle", "x", "y", "confidence", "agreement", "inputs")
    query = f"SELECT {', '.join(names)} FROM shown WHERE frame=?"
    for values in file.execute(query, (frame,)).fetchall():
        row = dict(zip(names, values, strict=True))
        key = {"frame": frame, "object": row["object"]}
        yield "accepted", key, row if before else None, row if after else None


def _state(row: dict[str, Any] | None) -> str | None:
    return None if row is None else row["state"]


_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_version_2}
"""By version, what leads from it to the next one."""
