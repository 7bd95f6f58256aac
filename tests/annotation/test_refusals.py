"""What a session refuses from Python, in one clear line and before anything is changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pixelkin.annotation.session import Session
from pixelkin.models.encoder import load_encoder
from pixelkin.types import Annotations, Detail, InputError, Objects


@pytest.fixture
def session(video, tmp_path: Path) -> Session:
    made = Session.create(tmp_path / "a", video.folder, encoder="lab")
    made.add_object("square")
    return made


@pytest.mark.parametrize("value", [0.01, 0.92, np.nan])
def test_probabilities_are_no_mask(session: Session, value: float) -> None:
    mask = np.full(session.size, value)
    with pytest.raises(InputError, match="a mask is true or false"):
        session.label(0, 1, mask)
    assert session.labels(1) == []
    session.label(0, 1, (np.arange(mask.size).reshape(mask.shape) < 50).astype(float))
    assert int((session[0].labels[0].as_map().ids == 1).sum()) == 50


@pytest.mark.parametrize("frame", [99, -1, 2.5, "x", True])
def test_frames_that_are_not_there(session: Session, frame: object) -> None:
    for call in (session.mark_absent, session.mark_occluded):
        with pytest.raises(InputError, match="no frame"):
            call(frame, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("frame", [2.5, "x", True, None])
def test_what_is_no_number_of_a_frame(session: Session, frame: object) -> None:
    for call in (
        session.set_cut,
        session.__getitem__,
        lambda near: next(session.propagate(near=near)),
        lambda near: next(session.prepare(near)),
    ):
        with pytest.raises(InputError, match=r"^no frame .*: give the number of one$"):
            call(frame)  # type: ignore[arg-type]
    assert session.cuts == []


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_frames_may_be_whole_numbers_of_numpy(session: Session, kind: type[np.integer]) -> None:
    session.label(kind(0), kind(1), np.ones(session.size, bool))
    session.set_cut(kind(3))
    session.mark_occluded(kind(5), kind(1))
    session.flag(kind(2), "look")
    table = session.objects
    hidden = {(kind(6), 1): Detail("occluded")}
    session.import_(Annotations(Objects(table), {}, details=hidden))
    assert session.cuts == [3] and list(session.flagged()) == [2]
    assert session.labels(1) == [0, 5, 6]
    assert session[kind(5)].frame == 5 and session[kind(5)].objects[1].state == "occluded"
    assert next(session.prepare(kind(4))) == 4
    with pytest.raises(IndexError):
        session[kind(99)]
    assert session.undo() == "import labels" and session.labels(1) == [0, 5]


def test_states_and_sources_are_those_that_there_are(session: Session) -> None:
    mask = np.ones(session.size, bool)
    with pytest.raises(
        InputError, match=r"^state: 'gone' is not one of present, occluded, absent$"
    ):
        session.label(0, 1, mask, state="gone")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^source: 'me' is not one of drawn, imported, corrected"):
        session.label(0, 1, mask, source="me")  # type: ignore[arg-type]
    assert session.labels(1) == [] and session.undo() == "add square"


def test_a_session_that_is_closed_says_so(session: Session, tmp_path: Path) -> None:
    session.label(0, 1, np.ones(session.size, bool))
    running = session.propagate()
    next(running)
    running.close()
    session.close()
    session.close()
    calls: dict[str, Callable[[], object]] = {
        "len": lambda: len(session),
        "frame": lambda: session[0],
        "cuts": lambda: session.cuts,
        "objects": lambda: session.objects,
        "stale": session.stale,
        "annotations": session.annotations,
        "label": lambda: session.label(1, 1, np.ones((96, 128), bool)),
        "set_cut": lambda: session.set_cut(3),
        "undo": session.undo,
        "propagate": lambda: next(session.propagate()),
        "prepare": lambda: next(session.prepare()),
        "suggest": session.suggest,
        "export": lambda: session.export(tmp_path / "a.npz"),
        "vacuum": session.vacuum,
        "faults": session.faults,
    }
    for name, call in calls.items():
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == f"the session {session.folder} is closed: open it again", name
    assert not (tmp_path / "a.npz").exists()
    with Session.open(session.folder) as again:
        assert again.labels(1) == [0]


def test_a_cut_lies_between_frames(session: Session) -> None:
    for frame in (0, -1, len(session)):
        with pytest.raises(InputError, match=f"no cut at frame {frame}: one lies between 1 and"):
            session.set_cut(frame)
    assert session.cuts == []


def test_where_cuts_lie_is_said_in_names_that_have_other_numbers(video, tmp_path: Path) -> None:
    """Positions are said beside them, as Python takes those."""
    for count, why in (
        (3, "one lies between f12 and f13 (positions 1 to 2, counted from 0)"),
        (1, "the video has one frame"),
    ):
        folder = tmp_path / str(count)
        folder.mkdir()
        for n, file in enumerate(sorted(video.folder.iterdir())[:count]):
            shutil.copy(file, folder / f"f{11 + n}.png")
        with Session.create(tmp_path / f"s{count}", folder, encoder="lab") as session:
            with pytest.raises(InputError, match=f"^{re.escape('no cut at f11: ' + why)}$"):
                session.set_cut(0)
            with pytest.raises(InputError, match=f"^{re.escape('no cut at frame 9: ' + why)}$"):
                session.set_cut(9)


def test_what_is_exported_is_one_of_three(session: Session, tmp_path: Path) -> None:
    session.label(0, 1, np.ones(session.size, bool))
    with pytest.raises(InputError, match="'all': there are labels, predictions, both"):
        session.export(tmp_path / "a.npz", what="all")  # type: ignore[arg-type]


def test_an_encoder_itself_begins_no_session(video, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give its name or its folder"):
        Session.create(tmp_path / "b", video.folder, encoder=load_encoder("lab"))  # type: ignore[arg-type]
    assert not (tmp_path / "b").exists()
