"""What is dropped, what is named first, and how videos and positions are told apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sessions import content, finish

from pixelkin.annotation import history
from pixelkin.annotation.blend import blend_points
from pixelkin.annotation.footage import Footage
from pixelkin.annotation.session import Session

New = Callable[..., Session]


def test_votes_that_no_label_asks_for_are_dropped(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    finish(session)
    asked = content(session)["votes"]
    session.label(6, 1, video.ids[6] == 1)
    finish(session)
    session.undo()
    shown = content(session)["shown"]
    noise = np.random.default_rng(0).random(session.size) < 0.5
    for frame in range(14):
        session.label(frame, 1, noise)
    for _ in range(14):
        session.undo()
    before = session.bytes
    session.vacuum()
    assert content(session)["votes"] == asked and content(session)["shown"] == shown
    assert session.bytes < before - 10 * 4096  # at once, not when the session is closed


def test_the_oldest_edits_are_forgotten(new: New, video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 3)
    session = new()
    for frame in range(5):
        session.label(frame, video.ids[frame])
    undone = [session.undo() for _ in range(4)]
    assert undone == ["label frame 4", "label frame 3", "label frame 2", None]


def test_passes_that_disagree_are_named_before_low_confidence(new: New, video) -> None:
    session = new()
    session.label(0, video.ids[0])
    session.label(13, 1, video.ids[13] == 1)
    finish(session)
    store = session._store
    with store.transaction(durable=False):
        store.write("UPDATE shown SET confidence=0.9, agreement=NULL")
        store.write("UPDATE shown SET agreement=0.1 WHERE object=1 AND frame=7")
        store.write("UPDATE shown SET confidence=0.2 WHERE object=2 AND frame=4")
    first, second = session.suggest(2)
    assert (first.frame, first.object, first.why) == (7, 1, "passes from both sides disagree")
    assert (second.frame, second.object, second.why) == (4, 2, "low confidence")


def test_labels_of_different_things_are_named_as_such(new: New, video) -> None:
    """What the display itself writes: where passes disagree, no more than that is expected."""
    session = new()
    session.label(0, 1 * (video.ids[0] == 1))
    session.label(13, 1, video.ids[13] == 2)
    finish(session)
    assert session.suggest(1)[0].why == "passes from both sides disagree"


def test_a_video_that_differs_in_its_end_is_another(video, tmp_path: Path) -> None:
    digests = set()
    for name, end in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        picture = next(iter(sorted(video.folder.iterdir()))).read_bytes()
        (tmp_path / name / "0.png").write_bytes(picture + bytes(3 * 2**20) + end)
        digests.add(Footage.of(tmp_path / name).digest)
    assert len(digests) == 2


def test_positions_that_are_apart_are_in_doubt() -> None:
    x, y, confidence, alike = blend_points((0, 0, 0.8), (8, 0, 0.4), 0.75, 8)
    assert (x, y) == (2, 0)
    np.testing.assert_allclose(alike, math.exp(-0.5))
    np.testing.assert_allclose(confidence, 0.7 * math.exp(-0.5))
    assert blend_points((math.nan, 0, 0), (8, 1, 0.4), 0.75, 8) == (8, 1, 0.4, 0.0)
