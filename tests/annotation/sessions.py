"""What tests of sessions do again and again."""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.session import Session


def finish(session: Session) -> int:
    """Compute what is missing; how many frames of passes that were."""
    last = 0
    for progress in session.propagate():
        last = progress.done
    return last


def content(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """All that is computed of a session, as it is kept, in an order of its own."""
    with sqlite3.connect(session.folder / "session.db") as file:
        shown = file.execute("SELECT * FROM shown ORDER BY object, frame").fetchall()
        votes = file.execute(
            "SELECT p.object, p.keyframe, p.direction, p.inputs, v.frame, v.content FROM vote v "
            "JOIN pass p ON p.id=v.pass ORDER BY 1, 2, 3, 4, 5"
        ).fetchall()
    return {"shown": shown, "votes": votes}


def ids(session: Session, frame: int) -> NDArray[np.int32]:
    """The map that is shown of a frame."""
    return session[frame].labels[0].as_map().ids
