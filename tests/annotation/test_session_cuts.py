"""Cuts in sessions: what was found and what people say, and that no label is measured over one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sessions import finish

from pixelkin.annotation.plan import Source, within_shot
from pixelkin.annotation.session import Session

New = Callable[..., Session]
CUT = 6


@pytest.fixture
def session(video, tmp_path: Path):
    """About a video whose second shot, from frame 6 on, is another still picture."""
    folder = tmp_path / "two_shots"
    folder.mkdir()
    other = np.random.default_rng(9).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    for t, path in enumerate(sorted(video.folder.iterdir())):
        image = Image.open(path) if t < CUT else Image.fromarray(other).resize((128, 96))
        image.save(folder / path.name)
    with Session.create(tmp_path / "s", folder) as made:
        yield made


def test_a_cut_that_was_denied_before_it_was_seen_is_found_after_undo(session, video) -> None:
    session.label(2, video.ids[2])
    session.set_cut(CUT, False)
    finish(session)
    assert session.cuts == [] and session[8].origin == {1: "result", 2: "result"}
    session.undo()
    assert session.cuts == [CUT] and session.stale()
    finish(session)
    assert session.cuts == [CUT] and session[8].origin == {1: "none", 2: "none"}
    session.set_cut(CUT, False)
    session.set_cut(3)
    assert session.cuts == [3]
    session.undo()
    session.undo()
    assert session.cuts == [CUT]


def errors(session: Session) -> dict[tuple[int, int], float]:
    """By keyframe and direction, the error that was measured of object 1's labels."""
    query = "SELECT keyframe, direction, reliability FROM pass WHERE object=1"
    with sqlite3.connect(session.folder / "session.db") as file:
        rows = file.execute(f"{query} AND reliability IS NOT NULL").fetchall()
    return {(keyframe, direction): error for keyframe, direction, error in rows}


def test_no_label_is_measured_over_a_cut(session, video, tmp_path: Path) -> None:
    session.label(2, 1 * (video.ids[2] == 1))
    session.label(4, 1, video.ids[4] == 1)
    session.mark_absent(5, 1)  # no pass goes where the cut is
    finish(session)
    assert session.cuts == [CUT]
    short = tmp_path / "short"
    short.mkdir()
    for path in sorted(session.video.open().paths)[:CUT]:
        (short / path.name).write_bytes(path.read_bytes())
    with Session.create(tmp_path / "t", short) as alone:  # the first shot is all that there is
        alone.label(2, 1 * (video.ids[2] == 1))
        alone.label(4, 1, video.ids[4] == 1)
        alone.mark_absent(5, 1)
        finish(alone)
        assert errors(session) == errors(alone) and len(errors(alone)) == 2
        np.testing.assert_array_equal(
            session[3].labels[0].as_map().ids, alone[3].labels[0].as_map().ids
        )
    before = errors(session)
    session.set_cut(CUT, False)
    assert {f for _, frames in session.stale() for f in frames} == {3}
    finish(session)
    assert errors(session)[2, 1] != before[2, 1] and errors(session)[4, -1] == before[4, -1]


def test_a_shot_without_a_label_is_named_first_and_said_to_be_empty(session, video) -> None:
    session.label(2, 1 * (video.ids[2] == 1))
    finish(session)
    first = session.suggest(1)[0]
    assert first.frame >= CUT and first.confidence == 0 and first.why == "nothing of it is found"


def test_both_directions_see_the_same_cuts(new: New, video, monkeypatch) -> None:
    session = new()

    def look(before: torch.Tensor, after: torch.Tensor) -> bool:
        pairs.append((before.numpy().tobytes(), after.numpy().tobytes()))
        return False

    pairs: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("pixelkin.annotation.compute.is_cut", look)
    session.label(3, 1 * (video.ids[3] == 1))
    finish(session)
    assert len(set(pairs)) == len(pairs) == 13
    order = dict(pairs)
    assert len(order.keys() - order.values()) == 1  # one chain: each frame before the next


@pytest.mark.parametrize(
    ("source", "cuts", "frames"),
    [
        (Source(2, 1), [], 11),
        (Source(2, -1), [], 2),
        (Source(2, 1), [2, 6], 3),
        (Source(5, 1), [6], 0),
        (Source(6, -1), [6], 0),
        (Source(8, -1), [3, 6], 2),
        (Source(13, 1), [3], 0),
    ],
)
def test_how_far_a_shot_goes(source: Source, cuts: list[int], frames: int) -> None:
    assert within_shot(source, 14, cuts) == frames
