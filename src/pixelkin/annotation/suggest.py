"""Which frames ask for a look: where a pass is unsure, or where two disagree."""

from __future__ import annotations

from collections.abc import Iterable

from pixelkin.annotation.model import Check
from pixelkin.annotation.store import Store


def suggest(store: Store, count: int, apart: int, objects: Iterable[int]) -> list[Check]:
    """The most doubtful frames that nobody has labelled (nor those around) or reviewed.

    Args:
        store: The session's file.
        count: How many at most.
        apart: Least distance in frames of two of them, and to the next label of the object.
        objects: Whose.

    Returns:
        The worst first.
    """
    ids = list(objects)
    rows = store.rows(
        "SELECT s.object, s.frame, s.confidence, s.agreement FROM shown s "
        "LEFT JOIN frame f ON f.frame=s.frame AND f.state='reviewed' "
        f"WHERE f.frame IS NULL AND s.object IN ({','.join('?' * len(ids))}) "
        "AND NOT EXISTS(SELECT 1 FROM label l WHERE l.object=s.object "
        "AND l.frame BETWEEN s.frame - ? AND s.frame + ?) "
        "ORDER BY MIN(s.confidence, COALESCE(s.agreement, 1)), s.frame, s.object LIMIT ?",
        *ids, apart - 1, apart - 1, count * (2 * apart + 1) * max(1, len(ids)),
    )  # fmt: skip
    found: list[Check] = []
    for row in rows:
        if len(found) == count:
            break
        if all(abs(row["frame"] - check.frame) >= apart for check in found):
            split = row["agreement"] is not None and row["agreement"] < row["confidence"]
            why = "passes from both sides disagree" if split else "low confidence"
            found.append(Check(row["frame"], row["object"], row["confidence"], why))
    return found
