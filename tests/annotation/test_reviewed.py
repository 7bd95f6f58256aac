"""Reviewed frames: what they show stays, whatever is done or computed around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sessions import finish, ids

import pixelkin
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


def test_a_review_comes_back_with_what_was_seen(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    seen = ids(session, 5).copy()
    corner = np.zeros(session.size, bool)
    corner[:20, :20] = True
    session.label(4, 1, corner)
    session.accept(5)  # what it shows is stale already, and right all the same
    assert session.undo() == "reviewed frame 5"
    finish(session)
    assert (ids(session, 5) != seen).any()
    assert session.redo() == "reviewed frame 5"
    np.testing.assert_array_equal(ids(session, 5), seen)
    assert session.contested() == [5]
    finish(session)
    np.testing.assert_array_equal(ids(session, 5), seen)
    session.reopen(5)
    finish(session)
    assert (ids(session, 5) != seen).any()


def test_a_flag_takes_no_review_away(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    session.accept(5)
    session.flag(5, "the tail?")
    session.flag(6)
    assert session.reviewed() == [5] and session.flagged() == {5: "the tail?", 6: ""}
    session.accept(6)
    assert session.reviewed() == [5, 6] and session.flagged().keys() == {5, 6}
    session.unflag(range(5, 7))
    assert session.reviewed() == [5, 6] and session.flagged() == {}
    session.undo()
    session.unaccept(5)
    assert session.reviewed() == [6] and session.flagged() == {5: "the tail?", 6: ""}
    assert session[5].origin == {1: "result", 2: "result"}
    assert session.undo() == "unaccept frame 5" and session.reviewed() == [5, 6]
    session.reopen(5)
    assert session.reviewed() == [6] and session.flagged() == {6: ""}


def test_an_object_that_nobody_saw_in_a_reviewed_frame_is_a_result(new: New, video) -> None:
    session = new()
    session.label(0, 1 * (video.ids[0] == 1))
    finish(session)
    session.accept(5)
    second = session.add_object()
    session.label(4, second, ids(session, 5) > 0)  # where the other one will be
    finish(session)
    assert session[5].origin == {1: "reviewed", 2: "result"}
    covered = (ids(session, 5) == 2).any()
    assert session[5].objects[2].state == ("present" if covered else "absent")
    details = session.annotations().details
    assert details[5, 2].state == session[5].objects[2].state
    assert details[5, 1].origin == "propagated" and not details[5, 1].stale


def test_a_label_that_is_removed_from_a_reviewed_frame_leaves_what_was_seen(
    new: New, video
) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(6, 1, video.ids[6] == 1)
    finish(session)
    before = ids(session, 6).copy()
    session.accept(6)
    session.unlabel(6, 1)
    finish(session)
    np.testing.assert_array_equal(ids(session, 6), before)
    assert session[6].origin == {1: "reviewed", 2: "reviewed"} and session.contested() == [6]


def test_what_is_hidden_stays_hidden_when_it_is_accepted(new: New, video, tmp_path: Path) -> None:
    session = new()
    session.label(0, video.ids[0])
    point = session.add_object("nose", kind="keypoint")
    session.label(0, point, (20.0, 20.0))
    for i in (2, point):
        session.label(6, i, state="occluded")
    finish(session)
    session.accept(range(5, 8))
    for i in (2, point):
        session.unlabel(6, i)
    session.close()
    again = Session.open(session.folder)
    assert again[6].origin[2] == "reviewed" == again[6].origin[point.id]
    for i in (2, point.id):
        assert again[6].objects[i].state == "occluded"
        assert again.annotations().details[6, i].state == "occluded"
    assert [again[t].objects[2].state for t in (5, 7)] == ["present", "present"]
    again.export(tmp_path / "out.npz")
    back = pixelkin.load_annotations(tmp_path / "out.npz", again.video.info)
    for i in (2, point.id):
        assert back.details[6, i].state == "occluded"
    assert again.undo() and again.undo() and again[6].origin[2] == "label"
    assert again.undo() == "reviewed frames 5 to 7" and again.redo()
    again.accept(6)  # what was accepted is taken as it is
    assert again[6].objects[2].state == "occluded"
    again.close()
