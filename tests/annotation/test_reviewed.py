"""Reviewed frames: what they show stays, whatever is done or computed around them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sessions import finish, ids

from pixelkin.annotation.session import Session

New = Callable[..., Session]


def test_an_object_that_is_added_takes_no_pixel_of_a_reviewed_frame(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    session.accept(5)
    before = ids(session, 5).copy()
    third = session.add_object("third")
    mask = np.zeros(session.size, bool)
    mask[12:36, 20:70] = True  # covers object 1
    session.label(4, third, mask)
    finish(session)
    after = ids(session, 5)
    np.testing.assert_array_equal(after[before > 0], before[before > 0])
    assert (after == third.id).any()  # and it is not missing there
    assert session.contested() == [5] and session.stale() == []
    session.reopen(5)
    finish(session)
    assert (ids(session, 5)[before > 0] != before[before > 0]).any()


def test_a_frame_that_is_accepted_while_it_is_computed_stays(
    new: New, video, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    before = ids(session, 5).copy()
    mask = np.zeros(session.size, bool)
    mask[:20, :20] = True
    session.label(4, 1, mask)
    own = session._display._map

    def accept_then_map(snapshot, segment, frame):
        if frame == 5 and not session.reviewed():
            session.accept(5)
        return own(snapshot, segment, frame)

    monkeypatch.setattr(session._display, "_map", accept_then_map)
    finish(session)
    assert session.reviewed() == [5]
    np.testing.assert_array_equal(ids(session, 5), before)


def test_a_label_is_not_contested_by_what_it_replaced(new: New, video) -> None:
    session = new()
    session.label(0, 1 * (video.ids[0] == 1))
    finish(session)
    session.label(6, 1, video.ids[6] == 1)
    session.accept(6)
    finish(session)
    assert session.contested() == []
