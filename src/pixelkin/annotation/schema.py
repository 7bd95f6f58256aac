"""The tables of a session's file.

What people did is in `object`, `edge`, `label`, `frame` (reviewed, flagged), `accepted` (what
reviewed frames showed) and `cut`, all of which `edit` can undo; what follows from it, or was found,
in `pass`, `vote` (see votes.py), `recent` (exact votes of the frames with which a pass goes on),
`echo`, `shown` and `found_cut`. Tables without row ids are those of small rows: votes and masks
would take pages of their own there. What is asked of all results at once is in an index.
"""

from __future__ import annotations

APPLICATION = 1347111246
VERSION = 4
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
  author TEXT, time TEXT NOT NULL, edit INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(object, frame));
CREATE TABLE pass(
  id INTEGER PRIMARY KEY, object INTEGER NOT NULL, keyframe INTEGER NOT NULL,
  direction INTEGER NOT NULL CHECK(direction IN(-1, 1)), inputs TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE(object, keyframe, direction, inputs));
CREATE TABLE vote(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  content BLOB NOT NULL, PRIMARY KEY(pass, frame));
CREATE TABLE recent(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  soft BLOB NOT NULL, PRIMARY KEY(pass, frame));
CREATE TABLE echo(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  value REAL NOT NULL, PRIMARY KEY(pass, frame)) WITHOUT ROWID;
CREATE TABLE shown(
  object INTEGER NOT NULL, frame INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(object, frame));
CREATE TABLE frame(
  frame INTEGER NOT NULL, state TEXT NOT NULL CHECK(state IN('reviewed','flagged')),
  note TEXT NOT NULL DEFAULT '', author TEXT, time TEXT NOT NULL, PRIMARY KEY(frame, state)
  ) WITHOUT ROWID;
CREATE TABLE accepted(
  frame INTEGER NOT NULL, object INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  said TEXT, PRIMARY KEY(frame, object));
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
CREATE INDEX shown_facts ON shown(object, frame, confidence, agreement, inputs);
"""
