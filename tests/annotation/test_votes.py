"""What is kept of passes: small, and still the results of `propagate` and of runs never stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sessions import content, finish, ids

import pixelkin
from pixelkin.annotation.session import Session
from pixelkin.annotation.votes import (
    pack_decided,
    pack_exact,
    pack_point,
    pack_votes,
    rounded,
    unpack_decided,
    unpack_exact,
    unpack_point,
    unpack_votes,
)
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import Labels

New = Callable[..., Session]
GRID = 60, 107


@pytest.fixture
def soft() -> NDArray[np.float32]:
    """Votes of an object with a soft outline, and traces of it elsewhere."""
    rng = np.random.default_rng(0)
    votes = np.zeros(GRID, np.float32)
    votes[20:40, 30:60] = 1 - 1e-7 * rng.random((20, 30)).astype(np.float32)
    edge = np.abs(votes - np.roll(votes, 2, 1)) > 0.5
    votes[edge] = rng.random(edge.sum()).astype(np.float32)
    traces = rng.random(GRID) < 0.2
    votes[traces & (votes == 0)] = 1e-6
    return votes


def test_exact_votes_come_back_and_votes_nearly_and_small(soft: NDArray[np.float32]) -> None:
    assert unpack_exact(pack_exact(soft), GRID).tobytes() == soft.tobytes()
    for votes in (soft, soft * np.float32(0.01), np.zeros(GRID, np.float32)):
        content = pack_votes(votes)
        assert np.abs(unpack_votes(content, GRID) - votes).max() <= votes.max() / 509
        assert pack_votes(unpack_votes(content, GRID)) == content  # what is rounded stays
        np.testing.assert_array_equal(rounded(votes), unpack_votes(content, GRID))
    assert len(pack_votes(soft)) < 900 < soft.nbytes / 20


def test_points_and_maps_come_back_as_they_were() -> None:
    for point in ((0.1, 31.5, 1 / 3), (np.nan, np.nan, 0.0)):
        np.testing.assert_array_equal(unpack_point(pack_point(point)), point)
    decided = {3: ("2000 90 10", float(np.float32(0.1))), 1: (None, 0.0)}
    assert unpack_decided(pack_decided(decided)) == decided


def test_one_keyframe_gives_what_propagate_gives_whatever_was_labelled_before(
    new: New, video
) -> None:
    """Objects are added at a keyframe, or lose another label, when their passes are there."""
    expected = {
        p.index: p
        for p in pixelkin.propagate(video.folder, Labels.from_mask(video.ids[0]), encoder="lab")
    }

    def check(session: Session) -> None:
        finish(session)
        for t, found in expected.items():
            np.testing.assert_array_equal(ids(session, t), found.ids)
            assert list(session[t].confidence.values()) == found.confidence.tolist()

    later = new("one object after the other")
    later.label(0, 1 * (video.ids[0] == 1))
    finish(later)
    later.label(0, 2 * (video.ids[0] == 2))
    check(later)
    between = new("never alone before")
    between.label(0, video.ids[0])
    between.label(8, 1, video.ids[8] == 1)
    finish(between)
    assert between.undo() == "label frame 8"
    check(between)
    stopped = new("stopped on the way")
    stopped.label(0, 1 * (video.ids[0] == 1))
    finish(stopped)
    stopped.label(0, 2 * (video.ids[0] == 2))
    for _ in islice(stopped.propagate(), 5):
        pass
    check(stopped)
    removed = new("one removed")
    removed.label(0, np.where(video.ids[0] > 0, video.ids[0], 3 * (video.ids[9] > 0)))
    finish(removed)
    removed.remove_object(3)
    check(removed)


@pytest.fixture
def short(video, tmp_path: Path) -> Iterator[Callable[[str], Session]]:
    """Makes sessions whose memory goes three frames back, so that votes grow old."""
    protocol = replace(Protocol.named("davis"), context=3, long_term=(0, 1))
    made = []

    def make(name: str) -> Session:
        protocols = {"mask": protocol}
        made.append(
            Session.create(tmp_path / name, video.folder, encoder="lab", protocols=protocols)
        )
        return made[-1]

    yield make
    for session in made:
        session.close()


def test_a_pass_goes_on_from_few_exact_votes_to_the_bit(
    short: Callable[[str], Session], video
) -> None:
    whole, parts = short("whole"), short("parts")
    for session in (whole, parts):
        session.label(0, video.ids[0])
    finish(whole)
    for until in (3, 4, 9, 14):
        for _ in parts.propagate(frames=range(until)):
            pass
    assert content(whole) == content(parts)
    with sqlite3.connect(parts.folder / "session.db") as file:
        query = "SELECT p.object, r.frame FROM recent r JOIN pass p ON p.id=r.pass ORDER BY 1, 2"
        kept = file.execute(query).fetchall()
    assert kept == [(i, t) for i in (-1, 1, 2) for t in (0, 1, 2, 11, 12, 13)]


def test_what_is_shown_comes_of_the_votes_in_the_file(new: New, video) -> None:
    """Whether they were computed just now, or earlier."""
    at_once, late = new("at once"), new("late")
    at_once.label(0, 1 * (video.ids[0] == 1))
    at_once.label(12, 1, video.ids[12] == 1)
    finish(at_once)
    late.label(0, 1 * (video.ids[0] == 1))
    finish(late)
    late.label(12, 1, video.ids[12] == 1)
    finish(late)
    for t in range(14):
        np.testing.assert_array_equal(ids(at_once, t), ids(late, t))
        assert at_once[t].confidence == late[t].confidence
