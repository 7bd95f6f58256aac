"""Sessions on disk and between processes: who may do what, what is refused, what goes out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sessions import content, finish, ids

import pixelkin
from pixelkin.annotation.session import Session
from pixelkin.types import Detail, InputError

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
    ],
)
def test_mistakes_are_told_in_one_line(new: New, video, act, message: str) -> None:
    session = new()
    session.label(0, video.ids[0])
    with pytest.raises(InputError, match=message):
        act(session)
    assert session.labels(1) == [0]


def test_locked_objects_are_not_changed(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.change_object(1, locked=True, name="left")
    with pytest.raises(InputError, match="left is locked"):
        session.label(1, 1, video.ids[1] == 1)
    with pytest.raises(InputError, match="left is locked"):
        session.label(0, 2, video.ids[0] > 0)  # would take its pixels


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
