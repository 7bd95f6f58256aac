"""The file of a session: one SQLite database, and what may be read and written there.

Rows go in and out; what they mean is the session's. What people do goes through `history.Edit`,
which can be undone; votes and shown labels follow from it and are written here.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError

FILE = "session.db"
APPLICATION = 1347111246
VERSION = 2
ECHO = """CREATE TABLE echo(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  value REAL NOT NULL, PRIMARY KEY(pass, frame)) WITHOUT ROWID"""
MIGRATIONS: dict[int, str] = {1: f"{ECHO}; ALTER TABLE shown ADD COLUMN visible INTEGER"}
"""By version, the SQL that leads from it to the next one."""
BUSY_SECONDS = 10.0
_OF_THE_FILE = (sqlite3.DatabaseError, sqlite3.OperationalError)  # not of what was asked
_SCHEMA = """
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
  UNIQUE(object, keyframe, direction, inputs));
CREATE TABLE vote(
  pass INTEGER NOT NULL REFERENCES pass(id) ON DELETE CASCADE, frame INTEGER NOT NULL,
  soft BLOB NOT NULL, PRIMARY KEY(pass, frame)) WITHOUT ROWID;
CREATE TABLE shown(
  object INTEGER NOT NULL, frame INTEGER NOT NULL, rle TEXT, x REAL, y REAL,
  confidence REAL NOT NULL, agreement REAL, inputs TEXT NOT NULL, visible INTEGER,
  PRIMARY KEY(object, frame)) WITHOUT ROWID;
CREATE TABLE frame(
  frame INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK(state IN('reviewed','flagged')),
  note TEXT NOT NULL DEFAULT '', author TEXT, time TEXT NOT NULL);
CREATE TABLE cut(
  frame INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK(state IN('found','set','ignored')));
CREATE TABLE run(
  id INTEGER PRIMARY KEY, started TEXT NOT NULL, ended TEXT, status TEXT NOT NULL,
  pixelkin TEXT NOT NULL, encoder TEXT NOT NULL, machine TEXT NOT NULL);
CREATE TABLE edit(
  id INTEGER PRIMARY KEY, undone INTEGER NOT NULL DEFAULT 0, what TEXT NOT NULL,
  changes BLOB NOT NULL, time TEXT NOT NULL);
CREATE INDEX label_frame ON label(frame);
CREATE INDEX shown_frame ON shown(frame);
"""


class Store:
    """The open file of a session.

    Args:
        folder: The session.
        create: Whether to make the file; it must not be there.

    Raises:
        InputError: If there is no session, the file is none or damaged, or of a newer version.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / FILE
        if not create and not self.path.is_file():
            raise InputError(f"{folder} holds no session ({FILE}): pixelkin session new makes one")
        writable = os.access(folder, os.W_OK) and (create or os.access(self.path, os.W_OK))
        try:
            self._connection = sqlite3.connect(
                self.path.absolute().as_uri() + ("" if writable else self._way()),
                timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True,
            )  # fmt: skip
        except sqlite3.OperationalError as error:
            raise InputError(f"{self.path} cannot be opened: {error}") from error
        try:
            self._connection.row_factory = sqlite3.Row
            if create:
                self._connection.executescript(
                    f"BEGIN; PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION};"
                    f"{_SCHEMA} {ECHO}; COMMIT;"
                )
            self._check(folder)
            # Memory shared between processes, which network drives may lack: then without.
            if writable:
                self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.DatabaseError as error:
            self.close()
            raise InputError(f"{self.path} is no session, or damaged: {error}") from error
        except InputError:
            self.close()
            raise

    def _way(self) -> str:
        """How to open a file that cannot be written, such as on a read-only medium."""
        log = self._log
        # With a log, as it is: what is in it counts. Without, as nobody writes.
        return "?mode=ro" if log.exists() and log.stat().st_size else "?immutable=1"

    @property
    def _log(self) -> Path:
        return self.path.with_name(f"{FILE}-wal")

    def _check(self, folder: Path) -> None:
        one = self._connection.execute
        if one("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise InputError(f"{self.path} is not the file of a session")
        version = one("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise InputError(
                f"{folder} was made by a newer pixelkin (version {version} of the file, this one "
                f"knows {VERSION}): update pixelkin"
            )
        while version < VERSION:
            one("VACUUM INTO ?", (str(folder / f"session.v{version}.db"),))
            script = f"BEGIN; {MIGRATIONS[version]}; PRAGMA user_version={version + 1}; COMMIT;"
            self._connection.executescript(script)
            version += 1

    def close(self) -> None:
        """Close the file; all that was committed is there."""
        self._connection.close()

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All of what is written inside, or nothing.

        Args:
            durable: Whether it must outlast a power failure: what people did, not what can be
                computed again.

        Raises:
            InputError: If the disk is full, or the file cannot be written.
        """
        run = self._connection.execute
        try:
            run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            run("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    run("ROLLBACK")
                raise
            run("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._connection.in_transaction:
                run("ROLLBACK")
            if type(error) not in _OF_THE_FILE:
                raise
            raise InputError(f"{self.path} cannot be written, nothing was changed: {error}") from (
                error
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside is of one moment, whatever others write meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.DatabaseError):  # of a damaged file, which was told already
                self._connection.execute("ROLLBACK")  # nothing was written

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query.

        Raises:
            InputError: If the file is damaged, or cannot be read.
        """
        try:
            found: list[sqlite3.Row] = self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            if type(error) not in _OF_THE_FILE:
                raise
            raise InputError(f"{self.path} cannot be read: {error}") from error
        return found

    def value(self, query: str, *values: object) -> Any:
        """The first value of the first row of a query, or None."""
        found = self.rows(query, *values)
        return found[0][0] if found else None

    def write(self, query: str, *values: object) -> int:
        """Run a statement; the id of the row that it inserted."""
        return self._connection.execute(query, values).lastrowid or 0

    def get(self, table: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row of a key, or None."""
        where = " AND ".join(f"{name}=?" for name in key)
        found = self.rows(f"SELECT * FROM {table} WHERE {where}", *key.values())
        return dict(found[0]) if found else None

    def put(self, table: str, key: Mapping[str, Any], row: Mapping[str, Any] | None) -> None:
        """Replace the row of a key, or remove it."""
        where = " AND ".join(f"{name}=?" for name in key)
        if row is None:
            self.write(f"DELETE FROM {table} WHERE {where}", *key.values())
            return
        columns = list({**key, **row}.items())
        names = ", ".join(name for name, _ in columns)
        marks = ", ".join("?" for _ in columns)
        updated = ", ".join(f"{n}=excluded.{n}" for n, _ in columns)
        self.write(
            f"INSERT INTO {table}({names}) VALUES({marks}) ON CONFLICT({', '.join(key)}) "
            f"DO UPDATE SET {updated}",
            *(value for _, value in columns),
        )

    def many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run a statement for each row."""
        self._connection.executemany(query, rows)

    def meta(self, key: str) -> str | None:
        """A fact of the session."""
        found: str | None = self.value("SELECT value FROM meta WHERE key=?", key)
        return found

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact of the session."""
        self.put("meta", {"key": key}, {"value": value})

    @property
    def bytes(self) -> int:
        """Size of the file, with what waits to be written into it."""
        files = (self.path, self._log)
        return sum(f.stat().st_size for f in files if f.exists())


def now() -> str:
    """The time, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def pack_soft(soft: NDArray[np.float32]) -> bytes:
    """Soft labels h x w float32 as bytes, without loss.

    Most are 0, or all alike; bytes of one significance are put together, which zlib likes.
    """
    planes = np.ascontiguousarray(soft, dtype="<f4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(planes.tobytes(), 6)


def unpack_soft(content: bytes, grid: tuple[int, int]) -> NDArray[np.float32]:
    """The reverse of `pack_soft`."""
    planes = np.frombuffer(zlib.decompress(content), np.uint8).reshape(4, -1)
    soft: NDArray[np.float32] = np.ascontiguousarray(planes.T).view("<f4").reshape(grid)
    return soft
