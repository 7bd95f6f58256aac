"""Keeping a session's file sound and small."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pixelkin.annotation.store import FILE, Store

KEPT_MB = 500.0
"""MiB of votes that no label asks for any more, kept so that undo computes nothing."""


def faults(store: Store) -> list[str]:
    """What is wrong with a session's file; nothing, if all is well."""
    found = [str(row[0]) for row in store.rows("PRAGMA integrity_check") if row[0] != "ok"]
    found += [f"a row of {row[0]} without its {row[2]}" for row in store.rows("PRAGMA "
              "foreign_key_check")]  # fmt: skip
    short = store.rows(
        "SELECT p.id, p.done, COUNT(v.frame) AS votes FROM pass p LEFT JOIN vote v ON v.pass=p.id "
        "GROUP BY p.id HAVING votes<>p.done"
    )
    found += [f"pass {r['id']} has {r['votes']} votes, not {r['done']}" for r in short]
    unseen = store.rows(
        "SELECT DISTINCT frame FROM accepted WHERE frame NOT IN "
        "(SELECT frame FROM frame WHERE state='reviewed')"
    )
    found += [f"frame {r['frame']} was accepted, but is not reviewed" for r in unseen]
    return found


def trim(store: Store, wanted: Iterable[str], most_mb: float = KEPT_MB) -> int:
    """Drop votes that no label asks for any more, the oldest first; how many passes that were.

    Args:
        store: The session's file.
        wanted: Inputs of the passes that labels ask for.
        most_mb: MiB of others that may stay.
    """
    asked = set(wanted)
    rows = store.rows("SELECT id, inputs, bytes FROM pass ORDER BY id DESC")
    old = [row for row in rows if row["inputs"] not in asked]
    left, gone = most_mb * 2**20, []
    for row in old:
        left -= row["bytes"]
        if left < 0:
            gone.append(row["id"])
    with store.transaction(durable=False):
        store.many("DELETE FROM pass WHERE id=?", ((number,) for number in gone))
    return len(gone)


def vacuum(store: Store) -> None:
    """Give back the room of what was dropped."""
    store.rows("VACUUM")
    store.rows("PRAGMA wal_checkpoint(TRUNCATE)")  # into the file, which gets smaller only then


def remove(folder: Path) -> None:
    """Remove the files of a session that nobody has open, and its folder if it held no others."""
    for path in (folder / FILE, *folder.glob(f"{FILE}-*")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
