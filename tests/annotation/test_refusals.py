"""What a session refuses from Python, in one clear line and before anything is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelkin.annotation.session import Session
from pixelkin.models.encoder import load_encoder
from pixelkin.types import InputError


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


@pytest.mark.parametrize("frame", [99, -1, 2.5, "x"])
def test_frames_that_are_not_there(session: Session, frame: object) -> None:
    for call in (session.mark_absent, session.mark_occluded):
        with pytest.raises(InputError, match="no frame"):
            call(frame, 1)  # type: ignore[arg-type]


def test_a_cut_lies_between_frames(session: Session) -> None:
    for frame in (0, -1, len(session)):
        with pytest.raises(InputError, match=f"no cut at frame {frame}: one lies between 1 and"):
            session.set_cut(frame)
    assert session.cuts == []


def test_what_is_exported_is_one_of_three(session: Session, tmp_path: Path) -> None:
    session.label(0, 1, np.ones(session.size, bool))
    with pytest.raises(InputError, match="'all': there are labels, predictions, both"):
        session.export(tmp_path / "a.npz", what="all")  # type: ignore[arg-type]


def test_an_encoder_itself_begins_no_session(video, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give its name or its folder"):
        Session.create(tmp_path / "b", video.folder, encoder=load_encoder("lab"))  # type: ignore[arg-type]
    assert not (tmp_path / "b").exists()
