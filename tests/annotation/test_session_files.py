"""Sessions on disk and between processes: who may do what, what is refused, what goes out."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sessions import content, finish, ids

import pixelkin
from pixelkin.annotation import snapshot
from pixelkin.annotation.session import Session
from pixelkin.models.encoder import load_encoder, save_encoder
from pixelkin.types import Detail, InputError, Objects

New = Callable[..., Session]


def test_one_edits_the_others_look_on(new: New, video, tmp_path: Path) -> None:
    first = new()
    first.label(0, video.ids[0])
    second = Session.open(tmp_path / "a")
    assert second.read_only and not first.read_only
    with pytest.raises(InputError, match="edited by another"):
        second.label(1, video.ids[1])
    run = first.propagate()
    next(run)
    with pytest.raises(InputError, match="in use by another"):
        next(second.propagate())
    run.close()
    for _ in second.propagate():  # whoever looks on may compute
        pass
    assert first.stale() == []
    first.close()
    second.close()
    third = Session.open(tmp_path / "a")
    assert not third.read_only
    third.close()


def test_labels_may_change_while_another_computes(new: New, video, tmp_path: Path) -> None:
    session, plain = new(), new("plain")
    session.label(0, video.ids[0])
    worker = Session.open(tmp_path / "a", edit=False)
    for progress in worker.propagate():
        if progress.frame == 5 and session.labels(1) == [0]:
            session.label(9, 1, video.ids[9] == 1)
    worker.close()
    plain.label(0, video.ids[0])
    plain.label(9, 1, video.ids[9] == 1)
    finish(plain)
    assert session.stale() == []
    assert content(session)["shown"] == content(plain)["shown"]


def test_a_full_disk_loses_nothing(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    store = session._store
    pages = store.value("PRAGMA page_count")
    store.value(f"PRAGMA max_page_count={pages}")
    noise = np.random.default_rng(0).random(video.ids[0].shape) < 0.5
    with pytest.raises(InputError, match=r"nothing was changed: .*full"):
        session.label(1, 1, noise)
    assert session.labels(1) == [0]
    store.value(f"PRAGMA max_page_count={pages + 1000}")
    session.label(1, 1, noise)
    assert session.labels(1) == [0, 1]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: s.label(99, 1, np.ones((96, 128))), "frames 0 to 13"),
        (lambda s: s.label(0, "cat", np.ones((96, 128))), r"no object 'cat' \(there are: 1, 2"),
        (lambda s: s.label(0, 1, np.ones((5, 5))), "5x5"),
        (lambda s: s.label(0, 1), "a label needs a place"),
        (lambda s: s.add_object(kind="part"), "mask or parts, not both"),
        (lambda s: s.add_object(kind="box"), "no kind 'box'"),
        (lambda s: s.accept(range(10, 20)), "no frame 14"),
        (lambda s: s.relocate("nowhere.mp4"), "no such file"),
        (lambda s: s.label(1.5, 1, np.ones((96, 128))), r"no frame 1\.5"),
        (lambda s: s.unlabel(99, 1), "frames 0 to 13"),
        (lambda s: s.label(0, 1, [[1], [1, 2]]), "a mask is H x W"),
        (lambda s: s.label(0, 1, "mask.png"), "a mask is H x W"),
        (lambda s: s.add_object(colour="red"), "a part of a colour is a whole number"),
        (lambda s: s.add_object(colour=(1, 2)), r"must be \(r, g, b\)"),
        (lambda s: s.change_object(1, colour=(0, 0, 256)), r"must be \(r, g, b\)"),
        (lambda s: s.add_object(id="3"), "id of an object is a whole number"),
        (lambda s: s.connect(1, 2), "1 is no keypoint"),
        (lambda s: s.accept(range(5, 3)), "no frame is named"),
        (lambda s: s.accept(range(4)), "frame 1 shows nothing yet"),
        (lambda s: s.suggest(0), "ask for one at least"),
    ],
)
def test_mistakes_are_told_in_one_line(new: New, video, act, message: str) -> None:
    session = new()
    session.label(0, video.ids[0])
    with pytest.raises(InputError, match=message):
        act(session)
    assert session.labels(1) == [0] and len(session.objects) == 2


def test_numbers_may_be_numpys(new: New, video) -> None:
    session = new()
    for frame in np.flatnonzero([1, 0, 1]):
        session.label(frame, video.ids[frame])
        session.accept(frame)
    session.unlabel(np.int64(2), np.int32(1))
    assert session[np.int64(2)].frame == 2 and session.reviewed() == [0, 2]
    assert session.add_object(id=np.int64(7), colour=np.array([1, 2, 3], np.uint8)).id == 7
    assert session.objects[2].colour == (1, 2, 3)
    session.undo()
    assert len(session.objects) == 2


def test_lines_connect_two_keypoints_once(new: New) -> None:
    session = new()
    a, b = (session.add_object(name, kind="keypoint") for name in "ab")
    session.connect(a, b)
    session.connect(b, a)
    assert session.edges == ((a.id, b.id),)
    with pytest.raises(InputError, match="a cannot be connected with itself"):
        session.connect(a, a)
    session.disconnect(b, a)
    assert session.edges == ()
    session.undo()
    assert session.edges == ((a.id, b.id),)
    session.redo()
    with pytest.raises(InputError, match="no line connects a and b"):
        session.disconnect(a, b)


def test_objects_are_listed_in_the_order_that_people_give(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    a, b = [o.id for o in session.objects]
    c, d = (session.add_object(name).id for name in "cd")
    finish(session)
    order = [a, b, c, d]
    for who, place in ((d, 0), (a, 2), (c, 1), (b, 99), (b, 0)):
        session.change_object(who, position=place)
        order.remove(who)
        order.insert(place, who)
        assert [o.id for o in session.objects] == order
        assert [e.position for e in session.entries.values()] == [0, 1, 2, 3]
    assert session.stale() == []
    for _ in range(5):
        session.undo()
    assert [o.id for o in session.objects] == [a, b, c, d]


def test_undo_is_refused_inside_of_an_edit(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    with session.edit("more"):
        session.label(1, video.ids[1])
        with pytest.raises(InputError, match="finished edits"):
            session.undo()
    assert session.labels(1) == [0, 1]
    assert session.undo() == "more" and session.labels(1) == [0]


def test_locked_objects_are_not_changed(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.change_object(1, locked=True, name="left")
    with pytest.raises(InputError, match="left is locked"):
        session.label(1, 1, video.ids[1] == 1)
    with pytest.raises(InputError, match="left is locked"):
        session.label(0, 2, video.ids[0] > 0)  # would take its pixels
    hidden = {(0, 1): Detail("occluded")}
    with pytest.raises(InputError, match="left is locked"):
        session.import_(pixelkin.Annotations(Objects(session.objects), {}, details=hidden))


def test_other_weights_make_results_stale_and_take_their_place(
    new: New, video, tmp_path: Path
) -> None:
    """As a session that had those weights from the beginning; labels and reviews stay."""
    save_encoder(load_encoder("random"), tmp_path / "own")
    session = new()
    worker = Session.open(tmp_path / "a", edit=False)
    session.label(0, video.ids[0])
    finish(worker)
    session.accept(3)
    before, kept = ids(session, 5), ids(session, 3)
    session.use_weights(tmp_path / "own")
    assert session.weights == str(tmp_path / "own") and session[5].origin[1] == "stale"
    assert session.labels(1) == [0] and np.array_equal(ids(session, 5), before)
    finish(worker)  # which had the features of the former
    assert session.stale() == [] and np.array_equal(ids(session, 3), kept)
    plain = Session.create(tmp_path / "b", video.folder, encoder=tmp_path / "own")
    plain.label(0, video.ids[0])
    finish(plain)
    assert all(np.array_equal(ids(session, t), ids(plain, t)) for t in range(len(plain)) if t != 3)
    worker.close()
    plain.close()


def test_weights_that_changed_are_taken_when_that_is_said(
    video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    save_encoder(load_encoder("random"), folder)
    with Session.create(tmp_path / "s", video.folder, encoder=folder) as session:
        session.label(0, video.ids[0])
        finish(session)
    other = load_encoder("random")
    other.net.conv1.weight.data.mul_(0.5)
    save_encoder(other, folder)
    with Session.open(tmp_path / "s") as session:
        session.label(4, video.ids[4])
        with pytest.raises(InputError, match=r"go on with these: pixelkin session weights .*own"):
            finish(session)
        with monkeypatch.context() as coarse:
            coarse.setattr("pixelkin.annotation.session.fitted", lambda p, _: replace(p, stride=16))
            with pytest.raises(InputError, match=r"has cells of 16 pixels, and .* by cells of 8"):
                session.use_weights(folder)
        session.use_weights(folder)
        assert finish(session) > 0 and session.stale() == []


def test_a_moved_video_is_found_again(new: New, video, tmp_path: Path) -> None:
    session = new()
    session.label(0, video.ids[0])
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sorted(video.folder.iterdir()):
        (copy / path.name).write_bytes(path.read_bytes())
    session.relocate(copy)
    assert session.video.info.path == str(copy)
    finish(session)
    (copy / "005.png").write_bytes((copy / "006.png").read_bytes())
    session.close()
    with Session.open(tmp_path / "a") as again, pytest.raises(InputError, match="another video"):
        next(again.propagate())


def test_other_files_are_refused(tmp_path: Path, video) -> None:
    with pytest.raises(InputError, match="holds no session"):
        Session.open(tmp_path)
    (tmp_path / "session.db").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="no session, or damaged"):
        Session.open(tmp_path)
    (tmp_path / "session.db").unlink()
    with sqlite3.connect(tmp_path / "session.db") as file:
        file.execute("CREATE TABLE a(b)")
    with pytest.raises(InputError, match="not the file of a session"):
        Session.open(tmp_path)
    with Session.create(tmp_path / "new", video.folder, encoder="lab"):
        pass
    with sqlite3.connect(tmp_path / "new" / "session.db") as file:
        file.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match="newer pixelkin"):
        Session.open(tmp_path / "new")
    with pytest.raises(InputError, match="holds a session already"):
        Session.create(tmp_path / "new", video.folder, encoder="lab")


@pytest.mark.parametrize("format", ["npz", "coco", "davis"])
def test_what_is_exported_comes_back(new: New, video, tmp_path: Path, format: str) -> None:
    session, again = new("a"), new("b")
    session.label(0, video.ids[0])
    session.mark_absent(9, 2)
    finish(session)
    out = tmp_path / {"npz": "a.npz", "coco": "a.json", "davis": "a"}[format]
    lost = session.export(out, format)
    assert bool(lost) == (format == "davis")
    found = pixelkin.load_annotations(out, session.video.info, format)
    assert [n for n, _ in found] == list(found.frames) and len(found.frames) >= 9
    for number, labels in found:
        np.testing.assert_array_equal(labels.as_map().ids, ids(session, number))
    if format == "npz":
        assert found.detail(9, 2).state == "absent" and found.detail(9, 2).origin == "given"
        assert found.detail(5, 1).origin == "propagated"
    given = pixelkin.Annotations(
        found.objects, {0: found.frames[0]}, details={(9, 2): Detail("absent")}
    )
    again.import_(given)
    assert again.labels(1) == [0] and again.labels(2) == [0, 9]
    finish(again)
    np.testing.assert_array_equal(ids(again, 11), ids(session, 11))


def test_a_session_that_cannot_be_written_is_looked_at(
    new: New, video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new("a?b #1 %41 ü")  # what an address of a file must not be confused by
    session.label(0, video.ids[0])
    finish(session)
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: session.folder.name not in str(path) and may(path, mode)
    )
    with Session.open(session.folder, edit=False) as seen:  # what is only in the log is seen, too
        assert seen.labels(1) == [0] and seen.stale() == []
    session.close()
    before = {p.name: p.read_bytes() for p in session.folder.iterdir()}
    assert list(before) == ["session.db"]
    with Session.open(session.folder, edit=False) as seen:
        assert seen.labels(1) == [0] and seen.stale() == []
        with pytest.raises(InputError, match="nothing was changed: attempt to write"):
            next(seen.propagate())
        seen.export(tmp_path / "out.npz")
    assert {p.name: p.read_bytes() for p in session.folder.iterdir()} == before


def test_damage_is_told_in_one_line(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    session.close()
    file = session.folder / "session.db"
    whole = file.read_bytes()
    with sqlite3.connect(file) as open_file:  # page of meta stays whole
        query = "SELECT rootpage FROM sqlite_schema WHERE name='meta'"
        page = open_file.execute(query).fetchone()[0] * 4096
    file.write_bytes(whole[:page] + b"\xff" * (len(whole) - page))
    with Session.open(session.folder) as broken:
        for ask in (broken.faults, broken.stale, lambda: broken.accept(0), lambda: broken[0]):
            with pytest.raises(InputError, match=r"cannot be (read|written)"):
                ask()
    for left in session.folder.glob("session.db-*"):
        left.unlink()
    file.write_bytes(whole)
    with sqlite3.connect(file) as open_file:
        open_file.execute("DELETE FROM meta")
    with pytest.raises(InputError, match="never made wholly"):
        Session.open(session.folder)


def test_a_snapshot_is_of_one_moment(
    new: New, video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new()
    session.label(0, video.ids[0])
    reader = Session.open(tmp_path / "a")
    entries = snapshot.entries

    def then_another_is_added(store):
        found = entries(store)
        monkeypatch.setattr(snapshot, "entries", entries)
        session.label(1, session.add_object("late"), video.ids[1] == 1)
        return found

    monkeypatch.setattr(snapshot, "entries", then_another_is_added)
    assert set(reader.snapshot().labels) == {1, 2}
    assert set(reader.snapshot().labels) == {1, 2, 3}
    assert {o.id for o, _ in reader.stale()} == {1, 2, 3}
    reader.close()


def test_an_encoder_is_found_from_anywhere(
    video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(load_encoder("lab"), tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    with Session.create(tmp_path / "a", video.folder, encoder="weights") as session:
        monkeypatch.chdir("/")
        session.label(0, video.ids[0])
        assert finish(session) > 0


def test_nothing_of_removed_objects_is_exported(new: New, video, tmp_path: Path) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    point = session.add_object("point", kind="point")
    session.label(3, point, (5, 5))
    session.remove_object(1)
    session.remove_object(2)
    session.export(tmp_path / "a.npz")
    found = pixelkin.load_annotations(tmp_path / "a.npz", session.video.info)
    assert list(found.frames) == [3] and found.objects.names == ("point",)
    session.undo()
    assert {i for _, i in session.annotations().details} == {2, point.id}
