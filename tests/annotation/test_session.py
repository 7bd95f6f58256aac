"""Sessions: labels, what follows from them, and what is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sessions import content, finish, ids

import pixelkin
from pixelkin.annotation.session import Session
from pixelkin.annotation.suggest import spread
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import InputError, Labels

New = Callable[..., Session]


def test_one_keyframe_gives_what_propagate_gives(new: New, video) -> None:
    for keyframe in (0, 5):
        session = new(f"from{keyframe}")
        session.label(keyframe, video.ids[keyframe])
        finish(session)
        labels = {keyframe: Labels.from_mask(video.ids[keyframe])}
        for found in pixelkin.propagate(video.folder, labels, encoder="lab"):
            view = session[found.index]
            np.testing.assert_array_equal(view.labels[0].as_map().ids, found.ids)
            assert list(view.confidence.values()) == pytest.approx(found.confidence.tolist())
        assert (ids(session, 9) == 1).sum() > 100  # something was carried


def test_an_object_alone_is_what_it_is_among_others(new: New, video) -> None:
    both, alone = new("both"), new("alone")
    both.label(4, video.ids[4])
    alone.add_object("second", id=2)
    alone.label(4, 2, video.ids[4] == 2)
    for session in (both, alone):
        session.label(9, 2, video.ids[9] == 2)
        finish(session)
    votes = [v for v in content(both)["votes"] if v[0] == 2]
    assert votes == [v for v in content(alone)["votes"] if v[0] == 2]
    assert len(votes) == 10 + 5 + 5 + 5  # 4 to 13, 4 to 0, 9 to 13, 9 to 5


def test_a_correction_computes_what_lies_between_its_neighbours(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(12, 1, video.ids[12] == 1)
    finish(session)
    before, others = content(session), [ids(session, t) == 2 for t in range(14)]
    session.label(6, 1, video.ids[6] == 1, source="corrected")
    stale = session.stale()
    assert {o.id for o, _ in stale} == {1, 2}
    assert {f for _, frames in stale for f in frames} == set(range(1, 12))
    assert finish(session) == 2 * 6  # 6 to 11 and 6 to 1
    assert session.stale() == []
    after = content(session)
    assert set(before["votes"]) < set(after["votes"])
    for row in before["shown"]:
        if row[1] in (0, 12, 13):
            assert row in after["shown"]
    for t, other in enumerate(others):  # but for pixels that both claim
        assert ((ids(session, t) == 2) != other).mean() <= (0.01 if 0 < t < 12 else 0)
    np.testing.assert_array_equal(ids(session, 6) == 1, video.ids[6] == 1)
    assert session[6].origin == {1: "label", 2: "result"}


def test_undo_computes_nothing_and_gives_back_what_was(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    before = content(session)["shown"]
    wrong = np.zeros_like(video.ids[6], bool)
    wrong[:20, :20] = True
    session.label(6, 1, wrong)
    finish(session)
    after = content(session)["shown"]
    assert after != before
    assert session.undo() == "label frame 6"
    assert finish(session) == 0 and content(session)["shown"] == before
    assert session.redo() == "label frame 6"
    assert finish(session) == 0 and content(session)["shown"] == after
    assert session.redo() is None


def test_edits_after_an_undo_make_what_was_undone_unreachable(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(3, 1, video.ids[3] == 1)
    session.undo()
    session.label(5, 1, video.ids[5] == 1)
    assert session.redo() is None
    assert session.labels(1) == [0, 5]
    assert [session.undo() for _ in range(3)] == ["label frame 5", "label frame 0", None]
    assert session.objects == ()


def test_several_changes_may_be_one_edit(new: New, video) -> None:
    session = new()
    with session.edit("both"):
        session.label(0, video.ids[0])
        session.label(3, video.ids[3])
    assert session.undo() == "both" and session.objects == ()
    with pytest.raises(InputError, match="lies outside"), session.edit("half"):
        nose = session.add_object("nose", kind="keypoint")
        session.label(0, nose, (500, 2))
    assert session.objects == ()  # all of it or nothing


def test_a_run_that_was_stopped_goes_on_to_the_bit(new: New, video, tmp_path: Path) -> None:
    whole, halted = new("whole"), new("halted")
    for session in (whole, halted):
        session.label(7, video.ids[7])
        point = session.add_object("centre", kind="point")
        session.label(7, point, video.points[7, 0])
    finish(whole)
    total = 0
    while True:  # three frames at a time, each by a session that knows nothing of the others
        halted.close()
        halted = Session.open(tmp_path / "halted")
        run = halted.propagate()
        steps = [p for _, p in zip(range(3), run, strict=False)]
        run.close()
        if not steps:
            break
        total += steps[-1].done
    assert content(halted) == content(whole)
    halted.close()


def test_frames_that_are_wanted_alone(new: New, video) -> None:
    part, whole = new("part"), new("whole")
    for session in (part, whole):
        session.label(2, video.ids[2])
        session.label(11, 1, video.ids[11] == 1)
    finish(whole)
    for progress in part.propagate(frames=range(4, 6)):
        assert progress.frame >= 2
    stale = {f for _, frames in part.stale() for f in frames}
    assert {4, 5}.isdisjoint(stale) and {0, 12} <= stale
    np.testing.assert_array_equal(ids(part, 5), ids(whole, 5))
    finish(part)
    assert content(part)["shown"] == content(whole)["shown"]


def test_absent_and_hidden_objects(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.mark_absent(5, 1)
    session.label(9, 1, video.ids[9] == 1)
    session.label(3, 2, state="occluded")
    finish(session)
    shown = [bool((ids(session, t) == 1).any()) for t in range(14)]
    assert shown == [t < 5 or t >= 9 for t in range(14)]
    assert session[6].objects[1].state == "absent" and session[6].confidence[1] == 1
    assert session[3].objects[2].state == "occluded" and not (ids(session, 3) == 2).any()
    assert (ids(session, 4) == 2).any()  # hidden in one frame, it is followed past it


def test_reviewed_frames_stay_and_are_contested(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    kept = {t: ids(session, t).copy() for t in (4, 5)}
    session.accept(range(4, 6))
    corner = np.zeros_like(video.ids[8], bool)
    corner[:20, :20] = True
    session.label(8, 1, corner)
    finish(session)
    for t, before in kept.items():
        np.testing.assert_array_equal(ids(session, t), before)
        assert session[t].origin == {1: "reviewed", 2: "reviewed"}
    assert session.contested() == [4, 5] and session.stale() == []
    session.reopen(5)
    assert session.contested() == [4]
    assert finish(session) == 0
    assert (ids(session, 5) != kept[5]).any()


def test_masks_and_keypoints_share_their_features(new: New, video, monkeypatch) -> None:
    session = new()
    session.label(0, video.ids[0])
    for k in range(2):
        point = session.add_object(f"p{k}", kind="keypoint", parent="body")
        session.label(0, point, video.points[0, k])
    session.connect("p0", "p1")
    encoded = []
    features = Propagator.features
    monkeypatch.setattr(
        Propagator, "features", lambda self, image: encoded.append(1) or features(self, image)
    )
    finish(session)
    assert len(encoded) == 14
    masks, points = session[10].labels
    assert masks.kind == "mask" and points.objects.skeleton == ((3, 4),)
    away = np.linalg.norm(points.as_points().points - video.points[10], axis=1)
    assert (away < 30).all()  # colours are a poor guide
    annotations = session.annotations()
    assert list(annotations.frames) == list(range(14))
    assert annotations.detail(0, 3).origin == "given"
    assert annotations.detail(10, 3).origin == "propagated"


def test_the_newest_label_of_a_pixel_counts(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    grown = video.ids[0] > 0
    session.label(0, 2, grown)
    finish(session)
    np.testing.assert_array_equal(ids(session, 0) == 2, grown)
    session.undo()
    finish(session)
    np.testing.assert_array_equal(ids(session, 0), video.ids[0])


def test_the_suggestions_are_doubtful_frames_apart(new: New, video) -> None:
    """Each is the least confident one, closeness to what was looked at counted in."""
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    found = session.suggest(5)
    assert len(found) == 5 == len({c.frame for c in found})
    sure = {(t, i): session[t].confidence[i] for t in range(3, 14) for i in (1, 2)}
    looked = [0]
    for check in found:
        left = {
            (t, i): value + 0.2 * np.exp(-min(abs(t - seen) for seen in looked) / 3)
            for (t, i), value in sure.items()
            if t not in looked
        }
        assert min(left, key=left.__getitem__) == (check.frame, check.object)
        assert check.confidence == sure[check.frame, check.object]
        looked.append(check.frame)
    session.accept(found[0].frame)
    assert found[0].frame not in {c.frame for c in session.suggest(5)}


def test_of_frames_alike_in_confidence_those_far_apart_come_first() -> None:
    frames = np.arange(1, 41)
    order = spread(np.full(40, 0.5), frames, frames, 3, 4)
    assert frames[order].tolist() == [40, 20, 10]
    assert frames[spread(np.arange(40.0), frames, frames, 1, 4)].tolist() == [4]
    sure = np.full(40, 0.9)
    sure[9:12] = 0.1  # three bad ones side by side: all three, before any good one
    assert sorted(frames[spread(sure, frames, np.full(40, np.inf), 3, 4)].tolist()) == [10, 11, 12]


def test_nothing_is_carried_over_a_cut_unless_somebody_says_so(video, tmp_path: Path) -> None:
    folder = tmp_path / "two_shots"
    folder.mkdir()
    paths = sorted(video.folder.iterdir())
    rng = np.random.default_rng(9)
    other = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    for t, path in enumerate(paths):
        image = Image.open(path) if t < 6 else Image.fromarray(other).resize((128, 96))
        image.save(folder / path.name)
    with Session.create(tmp_path / "s", folder) as session:
        session.label(2, video.ids[2])
        finish(session)
        assert session.cuts == [6] and session.stale() == []
        assert all((ids(session, t) > 0).any() for t in range(6))
        for t in range(6, 14):
            assert session[t].labels == () and session[t].confidence == {1: 0, 2: 0}
            assert session[t].origin == {1: "none", 2: "none"}
        assert {(o.id, frames) for o, frames in session.unreached()} == {
            (1, range(6, 14)), (2, range(6, 14))
        }  # fmt: skip
        assert list(session.annotations().frames) == list(range(6))
        session.set_cut(6, False)
        assert finish(session) > 0 and session.cuts == []
        assert session[8].confidence[1] > 0 and session.stale() == []
        session.undo()
        assert session.cuts == [6] and finish(session) == 0
        assert session[8].labels == ()
        with pytest.raises(InputError, match="lies between 1 and 13"):
            session.set_cut(0)


def test_the_ground_is_carried_only_as_long_as_all_that_it_was_left_by(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.mark_absent(6, 2)
    snapshot = session.snapshot()
    grounds = {t: snapshot.segment(1, t).ground for t in range(14)}
    # What object 2 had is nobody's from frame 6 on, so the ground of frame 0 would leave a hole.
    assert grounds == {
        0: None,
        **dict.fromkeys(range(1, 6), (0, 1)),
        **dict.fromkeys(range(6, 14)),
    }
    finish(session)
    alone = new("alone")
    alone.label(0, 1 * (video.ids[0] == 1))
    finish(alone)
    for t in range(6, 14):  # as if there never had been another, but for the steps of votes
        assert (ids(session, t) != ids(alone, t)).mean() < 0.001


def test_a_part_of_an_edit_is_done_wholly_or_not_at_all(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.change_object(2, locked=True)
    before = session[0].labels[0].as_map().ids.copy()
    with session.edit("what can be done"):
        session.label(3, 1, video.ids[3] == 1)
        with pytest.raises(InputError, match="2 is locked"):  # it would lose pixels
            session.label(0, 1, np.ones(session.size, bool))
        with pytest.raises(InputError, match="is being edited: end that edit, then compute"):
            next(session.propagate())
    assert session.labels(1) == [0, 3] and session.faults() == []
    np.testing.assert_array_equal(session[0].labels[0].as_map().ids, before)
    assert session.undo() == "what can be done" and session.labels(1) == [0]
    assert session.redo() == "what can be done" and session.labels(1) == [0, 3]
    np.testing.assert_array_equal(session[0].labels[0].as_map().ids, before)
