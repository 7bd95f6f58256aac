"""Where what is shown comes from: a person, the labels as they are, or those of before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sessions import finish, ids

import pixelkin
from pixelkin.annotation.session import Session
from pixelkin.types import InputError

New = Callable[..., Session]


def test_results_of_labels_that_were_changed_are_stale(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    assert session[5].origin == {1: "none", 2: "none"} and session[5].labels == ()
    finish(session)
    session.label(12, 1, video.ids[12] == 1)
    assert session[0].origin == {1: "label", 2: "label"}
    assert session[5].origin == {1: "stale", 2: "stale"}  # pixels are decided together
    assert {f for _, some in session.missing() for f in some} == set()
    session.undo()
    assert session[5].origin == {1: "result", 2: "result"}
    finish(session)
    assert session[5].origin == {1: "result", 2: "result"}


def test_an_edit_that_failed_leaves_nothing_behind(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    with pytest.raises(InputError, match="frames 0 to 13"), session.edit("both"):
        session.label(12, 1, video.ids[12] == 1)
        assert session[5].origin == {1: "stale", 2: "stale"}
        session.label(99, 1, video.ids[0] == 1)
    assert session[5].origin == {1: "result", 2: "result"}
    session.label(12, 2, video.ids[12] == 2)  # has the number that the failed edit had
    assert session.labels(1) == [0] and session.snapshot().labels[2].keys() == {0, 12}


@pytest.mark.parametrize("format", ["npz", "coco", "cvat"])
def test_exports_say_which_results_are_stale(new: New, video, tmp_path: Path, format: str) -> None:
    session = new()
    session.label(0, video.ids[0])
    for k in range(2):
        point = session.add_object(f"p{k}", kind="keypoint")
        session.label(0, point, video.points[0, k])
    for _ in session.propagate(frames=range(10)):
        pass
    session.label(7, "p0", video.points[7, 0])
    out = tmp_path / {"npz": "a.npz", "coco": "a.json", "cvat": "a.xml"}[format]
    lost = session.export(out, format)
    assert any("older than the labels" in line for line in lost) == (format == "cvat")
    if format == "cvat":
        return
    found = pixelkin.load_annotations(out, session.video.info, format)
    assert sorted(found.frames) == list(range(10))  # nothing is known of the others
    names = {o.name: o.id for o in found.objects}
    old = {(f, i): found.detail(f, i).stale for f in range(10) for i in names.values()}
    assert {f for (f, i), stale in old.items() if stale and i == names["p0"]} == {
        *range(1, 7), 8, 9
    }  # fmt: skip
    assert not any(stale for (_, i), stale in old.items() if i != names["p0"])


def test_frames_that_no_label_reaches_are_not_exported(new: New, video, tmp_path: Path) -> None:
    session = new()
    session.label(2, video.ids[2])
    session.set_cut(6)
    finish(session)
    assert session[7].origin == {1: "none", 2: "none"} and session[7].confidence == {1: 0, 2: 0}
    assert session.stale() == [] == session.missing()
    (kept,) = session.export(tmp_path / "a.npz")
    assert "shot" in kept  # that one begins
    found = pixelkin.load_annotations(tmp_path / "a.npz", session.video.info)
    assert sorted(found.frames) == list(range(6))
    session.mark_absent(6, 1)
    finish(session)
    assert session[7].origin == {1: "result", 2: "none"}  # absent, as somebody said
    assert session[7].objects[1].state == "absent" and session[7].confidence[1] == 1


def test_an_empty_mask_says_that_an_object_is_gone(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(5, 1, np.zeros(session.size, bool))
    session.label(6, 2, np.zeros(session.size), state="occluded")
    session.label(7, 2, np.zeros(session.size), state="absent")
    assert session[5].objects[1].state == "absent" and session[6].objects[2].state == "occluded"
    finish(session)
    assert [bool((ids(session, t) == 1).any()) for t in range(14)] == [t < 5 for t in range(14)]
    plain = new("plain")
    plain.label(0, video.ids[0])
    plain.mark_absent(5, 1)
    plain.label(6, 2, state="occluded")
    plain.mark_absent(7, 2)
    finish(plain)
    for t in range(14):
        np.testing.assert_array_equal(ids(session, t), ids(plain, t))
        assert session[t].objects == plain[t].objects


def test_a_label_that_is_covered_wholly_is_hidden(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(4, 1, video.ids[4] == 1)
    session.label(4, 2, np.ones(session.size, bool))
    assert session[4].objects[1].state == "occluded"
    finish(session)
    session.unlabel(4, 2)
    finish(session)
    assert (ids(session, 5) == 1).any() and not (ids(session, 4) == 1).any()
