"""What comes back of labels is measured as votes are computed, and kept beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sessions import finish

from pixelkin.annotation.session import Session

New = Callable[..., Session]


def test_passes_of_which_nothing_was_measured_go_on_and_are_measured(new: New, video) -> None:
    """Of frames that are computed from now on what comes back is known."""
    session = new()
    session.label(0, video.ids[0])
    for progress in session.propagate():
        if progress.done > 8:
            break
    session.close()
    with sqlite3.connect(session.folder / "session.db") as file:
        file.execute("DELETE FROM echo")
    again = Session.open(session.folder)
    finish(again)
    confidence = [again[t].confidence[1] for t in range(1, 14)]
    assert again.faults() == [] and all(0 < c < 1 for c in confidence)
    with sqlite3.connect(session.folder / "session.db") as file:
        assert file.execute("SELECT COUNT(*) FROM echo").fetchone()[0] > 0
