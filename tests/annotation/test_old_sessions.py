"""Sessions of earlier versions: version1.zip and version2.zip were made by those of the file.

The first has 8 frames, two objects, and these edits: both labelled in frame 0; 1 and 2 accepted; 6
accepted; 3 flagged; no cut at 5, where one was found; 4 flagged, then accepted; 1 labelled in 3; a
cut at 6; two that were undone; 6 reopened. The second has 8 frames, two masks and a keypoint, all
computed from frame 0, then with labels of object 1 in frame 4 and of object 2, hidden without a
place, in frame 6, which is accepted. `shown.npz` is what those versions showed of them.
"""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sessions import finish, ids

from pixelkin.annotation import migrations, store
from pixelkin.annotation.session import Session
from pixelkin.app.cli import main
from pixelkin.locks import Lock
from pixelkin.types import InputError


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with a session of version 1, its video, and what was shown."""
    with zipfile.ZipFile(Path(__file__).with_name("version1.zip")) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """The same of version 2."""
    with zipfile.ZipFile(Path(__file__).with_name("version2.zip")) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def content(folder: Path, name: str = "session.db") -> list[str]:
    with sqlite3.connect(folder / name) as file:
        return list(file.iterdump())


def test_it_opens_and_shows_what_it_showed(old: Path) -> None:
    before = content(old / "session")
    with np.load(old / "shown.npz") as shown, Session.open(old / "session") as session:
        for t in range(8):
            np.testing.assert_array_equal(ids(session, t), shown[str(t)])
        assert session.reviewed() == [1, 2, 4] == session.contested()
        assert session.flagged() == {3: "look here"} and session.cuts == [6]
        assert session[1].origin == {1: "reviewed", 2: "reviewed"} and session.faults() == []
    assert content(old / "session", "session.v1.db") == before  # kept as it was


def test_it_can_be_computed_and_edited(old: Path) -> None:
    with np.load(old / "shown.npz") as shown, Session.open(old / "session") as session:
        session.relocate(old / "video")
        assert session[3].origin == session[5].origin | {1: "label"} == {1: "label", 2: "stale"}
        assert session.missing() == [] and finish(session) == 3 + 3 + 3 + 6
        assert session.stale() == []
        with sqlite3.connect(old / "session/session.db") as file:  # of which J can be told
            assert file.execute("SELECT COUNT(*) FROM echo").fetchone()[0] == 3 + 3 + 3 + 6
        for t in (1, 2, 4):
            np.testing.assert_array_equal(ids(session, t), shown[str(t)])
        session.accept(6)
        assert session.reviewed() == [1, 2, 4, 6]


def test_its_edits_can_be_undone_to_the_first(old: Path) -> None:
    with Session.open(old / "session") as session:
        assert session.undo() == "reopen frames 6 to 6" and session.reviewed() == [1, 2, 4, 6]
        assert session.undo() == "a cut at frame 6" and session.cuts == []
        assert session.undo() == "label frame 3" and session.labels(1) == [0]
        assert session.undo() == "reviewed frames 4 to 4" and session.reviewed() == [1, 2, 6]
        assert session.flagged() == {3: "look here", 4: "was reviewed"}
        assert session.undo() == "flagged frames 4 to 4" and session.flagged().keys() == {3}
        assert session.undo() == "no cut at frame 5" and session.cuts == [5]  # found, not said
        assert [session.undo() for _ in range(6)] == [
            "flagged frames 3 to 3", "reviewed frames 6 to 6", "reviewed frames 1 to 2",
            "label frame 0", "objects", None,
        ]  # fmt: skip
        assert session.objects == () and session.reviewed() == [] and session.flagged() == {}
        while session.redo() is not None:
            pass
        assert session.reviewed() == [1, 2, 4] and session.flagged() == {3: "look here"}
        assert session.cuts == [6] and session.labels(1) == [0, 3]
        assert session[1].origin == {1: "reviewed", 2: "reviewed"}


def test_an_update_that_was_killed_is_done_again(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = content(old / "session")
    monkeypatch.setattr(migrations.zlib, "compress", killed)
    with pytest.raises(KeyboardInterrupt):
        Session.open(old / "session")
    monkeypatch.undo()
    (old / "session" / "session.v1.db.part").write_bytes(b"half of a copy")
    assert content(old / "session") == before
    with Session.open(old / "session") as session:
        assert session.reviewed() == [1, 2, 4]
    assert content(old / "session", "session.v1.db") == before
    assert not list((old / "session").glob("*.part"))


def test_it_is_refused_while_it_is_in_use_or_cannot_be_written(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(old / "session")
    for name in (store.EDITING, store.RUNNING):  # by an earlier pixelkin, say
        with (
            Lock(old / "session" / name),
            pytest.raises(InputError, match="in use by another pixelkin"),
        ):
            Session.open(old / "session")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="made by an earlier pixelkin, and cannot be written"):
        Session.open(old / "session")
    assert content(old / "session") == before


def test_old_and_new_files_have_the_same_tables(old: Path, video) -> None:
    def tables(folder: Path) -> dict[str, list[tuple[str, int]]]:
        with sqlite3.connect(folder / "session.db") as file:
            names = [r[0] for r in file.execute("SELECT name FROM sqlite_schema")]
            columns = {n: file.execute(f"PRAGMA table_info({n})").fetchall() for n in names}
        return {n: sorted((c[1], c[5]) for c in rows) for n, rows in columns.items()}

    Session.open(old / "session").close()
    Session.create(old / "new", video.folder, encoder="lab").close()
    assert tables(old / "session") == tables(old / "new")


BLENDED = (1, 2, 3)  # between two labels; which weighs how much is no longer as in version 3


def test_one_of_version_2_shows_what_it_showed_and_computes_nothing(second: Path) -> None:
    told = []
    with (
        np.load(second / "shown.npz") as shown,
        Session.open(second / "session", progress=lambda *done: told.append(done)) as session,
    ):
        session.relocate(second / "video")
        assert {f for _, frames in session.stale() for f in frames} == {*BLENDED}
        assert session.faults() == [] and finish(session) == 0 and session.stale() == []
        for t in range(8):
            if t in BLENDED:
                assert (ids(session, t) != shown[f"map{t}"]).mean() < 0.01
                continue
            np.testing.assert_array_equal(ids(session, t), shown[f"map{t}"])
            np.testing.assert_array_equal(
                session[t].labels[1].as_points().points, shown[f"point{t}"]
            )
            assert list(session[t].confidence.values()) == shown[f"sure{t}"].tolist()
        assert session[6].objects[2].state == "occluded"
    assert told == [(n + 1, len(told)) for n in range(len(told))] and len(told) == 8 + 4 + 4 + 8 + 8
    assert (second / "session/session.db").stat().st_size < (
        second / "session/session.v2.db"
    ).stat().st_size * 1.3


def test_labels_of_version_2_can_be_undone_and_corrected(second: Path) -> None:
    with np.load(second / "shown.npz") as shown, Session.open(second / "session") as session:
        session.relocate(second / "video")
        while session.undo() != "label frame 4":
            pass
        finish(session)
        for t in range(8):
            np.testing.assert_array_equal(ids(session, t), shown[f"first{t}"])
        while session.redo() is not None:
            pass
        assert finish(session) == 0
        for t in range(8):  # 7: computed anew, in steps
            least = 0.01 if t in BLENDED else 0.001
            assert (ids(session, t) != shown[f"map{t}"]).mean() < least
        assert session[6].objects[2].state == "occluded" and session.reviewed() == [6]
        session.label(2, 3, (30.0, 20.0))
        assert finish(session) == 6 + 2


def test_the_commands_show_that_one_is_brought_up_to_date(
    second: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["session", "check", str(second / "session")]
    assert main(words) == 0
    told = capfd.readouterr().err
    assert "session: bringing it up to date: 32/32 frames of passes" in told.replace("\n", "")
    assert main(words) == 0 and "up to date" not in capfd.readouterr().err
