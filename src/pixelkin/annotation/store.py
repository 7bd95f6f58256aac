"""The file of a session: one SQLite database, and what may be read and written there.

Rows go in and out; what they mean is the session's. What people do goes through `history.Edit`,
which can be undone; votes and shown labels follow from it and are written here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pixelkin.annotation.migrations import Report, migrate
from pixelkin.annotation.schema import APPLICATION, SCHEMA, VERSION
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.locks import Lock
from pixelkin.reading import check_file
from pixelkin.types import InputError

T = TypeVar("T")
FILE = "session.db"
EDITING, RUNNING = "session.lock", "run.lock"
BUSY_SECONDS = 10.0
_OF_THE_FILE = (sqlite3.DatabaseError, sqlite3.OperationalError)  # not of what was asked


class Store:
    """The open file of a session.

    Args:
        folder: The session.
        create: Whether to make the file; it must not be there.
        progress: Told how much of a file of an earlier version is brought up to date.

    Raises:
        InputError: If there is no session, the file is none or damaged, or of a newer version.
    """

    def __init__(
        self, folder: Path, *, create: bool = False, progress: Report = lambda *_: None
    ) -> None:
        self.path = folder / FILE
        if not create and not os.path.lexists(self.path):
            raise InputError(f"{folder} holds no session ({FILE}): pixelkin session new makes one")
        if not create:
            check_file(self.path)
        self._closed = False
        self._writable = os.access(folder, os.W_OK) and (create or os.access(self.path, os.W_OK))
        try:
            self._opened = sqlite3.connect(
                self.path.absolute().as_uri() + ("" if self._writable else self._way()),
                timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True,
            )  # fmt: skip
        except sqlite3.OperationalError as error:
            raise InputError(f"{self.path} cannot be opened: {error}") from error
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA trusted_schema=OFF")
            if create:
                self._connection.executescript(
                    f"BEGIN; PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION};"
                    f"{SCHEMA} COMMIT;"
                )
            self._check(folder, progress)
            # Memory shared between processes, which network drives may lack: then without.
            if self._writable:
                self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.DatabaseError as error:
            self.close()
            raise InputError(f"{self.path} is no session, or damaged: {error}") from error
        except BaseException:
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

    def _check(self, folder: Path, progress: Report) -> None:
        found = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION:
            raise InputError(f"{self.path} is not the file of a session")
        found = self._connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
        ).fetchone()
        if found is not None:  # what would run when the file is read or written
            raise InputError(f"{self.path} holds the {found[0]} {found[1]!r}, which no session has")
        version = self._version()
        if version < 1:
            raise InputError(f"{self.path} is damaged: it says to be of version {version}")
        if version > VERSION:
            raise InputError(
                f"{folder} was made by a newer pixelkin (version {version} of the file, this one "
                f"knows {VERSION}): update pixelkin"
            )
        if version < VERSION:
            self._update(folder, version, progress)

    def _update(self, folder: Path, version: int, progress: Report) -> None:
        """Bring a file of an earlier version up to date; the file as it was stays beside it."""
        if not self._writable:
            raise InputError(
                f"{folder} was made by an earlier pixelkin, and cannot be written to bring it up "
                "to date: copy it to where it can be"
            )
        copy, part = (folder / f"session.v{version}.db{end}" for end in ("", ".part"))
        with Lock(folder / EDITING), Lock(folder / RUNNING):
            if self._version() != version:  # another process was faster
                return
            try:
                part.unlink(missing_ok=True)  # of an update that was killed
                self._connection.execute("VACUUM INTO ?", (str(part),))
                part.replace(copy)
                migrate(self._connection, progress)
            except (OSError, sqlite3.DatabaseError) as error:
                part.unlink(missing_ok=True)
                raise InputError(f"{self.path} cannot be brought up to date: {error}") from error
            with suppress(sqlite3.DatabaseError):  # a full disk: the file is right, and stays large
                self._connection.execute("VACUUM")

    def _version(self) -> int:
        found: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return found

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise InputError(f"the session {self.path.parent} is closed: open it again")
        return self._opened

    def close(self) -> None:
        """Close the file; all that was committed is there. What is asked later is an InputError."""
        self._closed = True
        self._opened.close()

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All of what is written inside, or nothing.

        Args:
            durable: Whether it must outlast a power failure: what people did, not what can be
                computed again.

        Raises:
            InputError: If the disk is full, the file cannot be written, or another transaction is
                not finished.
        """
        run = self._connection.execute
        if self._connection.in_transaction:
            raise InputError(f"{self.path.parent} is being edited: end that edit, then compute")
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
    def savepoint(self) -> Iterator[None]:
        """All of what is written inside a part of a transaction, or nothing."""
        run = self._connection.execute
        run("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                run("ROLLBACK TO part")
            raise
        finally:
            if self._connection.in_transaction:
                run("RELEASE part")

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

    def fact(self, key: str, read: Callable[[str], T]) -> T:
        """What `read` makes of a fact that is kept as JSON; it is given "{}" where there is none.

        Raises:
            InputError: If the fact is damaged.
        """
        text = self.meta(key) or "{}"
        try:
            return read(text)
        except DAMAGES as error:
            raise InputError(f"{self.path} is damaged, its {key!r}: {told(error)}") from error

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
