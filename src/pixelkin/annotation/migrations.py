"""How files of earlier versions get the tables of this one."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from pixelkin.annotation.footage import Footage
from pixelkin.annotation.layers import Layer
from pixelkin.annotation.schema import VERSION
from pixelkin.annotation.votes import (
    goes_on_with,
    pack_exact,
    pack_point,
    pack_votes,
    unpack_exact,
)
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import Object

Report = Callable[[int, int], None]
"""Told how much is done, and of how much."""


def migrate(file: sqlite3.Connection, progress: Report) -> None:
    """Bring the tables of an earlier version up to date, one version at a time: all or nothing.

    Args:
        file: Nobody else must write it.
        progress: Told of votes.
    """
    while (version := file.execute("PRAGMA user_version").fetchone()[0]) < VERSION:
        file.execute("BEGIN IMMEDIATE")
        _MIGRATIONS[version](file, progress)
        file.execute(f"PRAGMA user_version={version + 1}")
        file.execute("COMMIT")


def _to_version_2(file: sqlite3.Connection, _: Report) -> None:
    """Reviews and flags, and cuts that were found and that were said, no longer in one row each.

    Edits change rows of the new tables, too. A reviewed frame showed what it shows still. Nothing
    was kept of which an expected J could be told (`echo`): passes are dropped, and what was shown
    of them stays in sight, stale, until it is computed again.
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
    file.execute("UPDATE shown SET inputs=''")


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
DELETE FROM pass;
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


def _to_version_3(file: sqlite3.Connection, progress: Report) -> None:
    """Votes in steps; what an accepted label said of its object is kept with it.

    Passes of backgrounds, and of objects that were removed, are dropped: what they decided is
    shown, and is computed again where something else is to be shown.
    """
    for statement in _VERSION_3.split(";"):
        file.execute(statement)
    for number, content in file.execute("SELECT id, changes FROM edit").fetchall():
        changes = json.loads(zlib.decompress(content))
        for table, _, *rows in changes:
            for row in rows:
                if table == "accepted" and row is not None:
                    row["said"] = "occluded" if _was_hidden(row) else None
        content = zlib.compress(json.dumps(changes).encode())
        file.execute("UPDATE edit SET changes=? WHERE id=?", (content, number))
    (total,) = file.execute("SELECT COUNT(*) FROM old_vote").fetchone()
    layers = dict(_layers(file))
    done = 0
    query = "SELECT id, object, keyframe, done FROM pass"
    for found, i, source, count in file.execute(query).fetchall():
        layer = layers[i]
        needed = goes_on_with(layer.protocol, count)
        query = "SELECT frame, soft FROM old_vote WHERE pass=? ORDER BY frame"
        for frame, content in file.execute(query, (found,)):
            soft = unpack_exact(content, layer.sizes.grid)
            new = pack_votes(soft) if layer.is_map else pack_point(layer.decode_point(soft))
            file.execute("INSERT INTO vote VALUES(?,?,?)", (found, frame, new))
            if abs(frame - source) in needed:
                row = (found, frame, pack_exact(soft))
                file.execute("INSERT INTO recent VALUES(?,?,?)", row)
            done += 1
            progress(done, total)
    file.execute(
        "UPDATE pass SET bytes=(SELECT TOTAL(LENGTH(content)) FROM vote WHERE pass=pass.id)"
    )
    file.execute("DROP TABLE old_vote")


_VERSION_3 = """
ALTER TABLE label RENAME TO old_label;
ALTER TABLE shown RENAME TO old_shown;
ALTER TABLE accepted RENAME TO old_accepted;
CREATE TABLE label(
  object INTEGER NOT NULL REFERENCES object(id), frame INTEGER NOT NULL CHECK(frame >= 0),
  state TEXT NOT NULL CHECK(state IN('present','occluded','absent')), rle TEXT, x REAL, y REAL,
  source TEXT NOT NULL CHECK(source IN('drawn','imported','corrected','accepted')),
  author TEXT, time TEXT NOT NULL, PRIMARY KEY(object, frame));
CREATE TABLE shown(
  object INTEGER NOT NULL, frame INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(object, frame));
CREATE TABLE accepted(
  frame INTEGER NOT NULL, object INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  said TEXT, PRIMARY KEY(frame, object));
INSERT INTO label SELECT object, frame, state, rle, x, y, source, author, time FROM old_label;
INSERT INTO shown SELECT object, frame, rle, x, y, confidence, agreement, inputs, visible
  FROM old_shown;
INSERT INTO accepted SELECT frame, object, rle, x, y, confidence, agreement, inputs, visible,
  CASE WHEN inputs='' AND visible=0 AND rle IS NULL AND x IS NULL THEN 'occluded' END
  FROM old_accepted;
DROP TABLE old_label;
DROP TABLE old_shown;
DROP TABLE old_accepted;
CREATE INDEX label_frame ON label(frame);
CREATE INDEX shown_frame ON shown(frame);
CREATE INDEX shown_facts ON shown(object, frame, confidence, agreement, inputs);
DELETE FROM vote WHERE pass IN (SELECT id FROM pass WHERE object NOT IN (SELECT id FROM object));
DELETE FROM echo WHERE pass IN (SELECT id FROM pass WHERE object NOT IN (SELECT id FROM object));
DELETE FROM pass WHERE object NOT IN (SELECT id FROM object);
ALTER TABLE vote RENAME TO old_vote;
CREATE TABLE vote(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  content BLOB NOT NULL, PRIMARY KEY(pass, frame));
CREATE TABLE recent(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  soft BLOB NOT NULL, PRIMARY KEY(pass, frame))
"""


def _to_version_4(file: sqlite3.Connection, _: Report) -> None:
    """Labels know which edit gave them; no label is measured by frames out and back any more.

    Those that are there count as given at once: each is the end of the passes of the others, as
    it was.
    """
    file.execute("ALTER TABLE label ADD COLUMN edit INTEGER NOT NULL DEFAULT 0")
    for name in ("reliability", "cycle"):
        file.execute(f"ALTER TABLE pass DROP COLUMN {name}")
    for number, content in file.execute("SELECT id, changes FROM edit").fetchall():
        changes = json.loads(zlib.decompress(content))
        for table, _key, *rows in changes:
            for row in rows:
                if table == "label" and row is not None:
                    row["edit"] = 0
        content = zlib.compress(json.dumps(changes).encode())
        file.execute("UPDATE edit SET changes=? WHERE id=?", (content, number))


def _was_hidden(row: dict[str, Any]) -> bool:
    """Whether a row of `accepted` came from a label without a place that said so."""
    placed = row["rle"] is not None or row["x"] is not None
    return row["inputs"] == "" and row.get("visible") == 0 and not placed


def _layers(file: sqlite3.Connection) -> Iterator[tuple[int, Layer]]:
    """By object, what it needs to be decoded."""
    meta = dict(file.execute("SELECT key, value FROM meta"))
    size = Footage.from_json(meta["video"]).info.size
    raw = json.loads(meta["protocols"])
    for i, kind in file.execute("SELECT id, kind FROM object"):
        protocol = Protocol(**{**raw[kind], "long_term": tuple(raw[kind]["long_term"])})
        yield i, Layer(kind, (Object(i, kind),), protocol, size)


_MIGRATIONS: dict[int, Callable[[sqlite3.Connection, Report], None]] = {
    1: _to_version_2,
    2: _to_version_3,
    3: _to_version_4,
}
"""By version, what leads from it to the next one."""
