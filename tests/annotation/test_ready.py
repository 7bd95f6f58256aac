"""A run begins at once where it was made ready for, and near where somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from sessions import content, finish

from pixelkin.annotation.features import AROUND, Features
from pixelkin.annotation.layers import DEFAULTS, Layer
from pixelkin.annotation.session import Session
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Object
from pixelkin.video.reader import open_video

New = Callable[..., Session]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each frame that is encoded."""
    found: list[int] = []
    features = Propagator.features
    monkeypatch.setattr(
        Propagator, "features", lambda self, image: found.append(1) or features(self, image)
    )
    return found


def test_what_was_made_ready_is_not_computed_again(new: New, video, encoded: list[int]) -> None:
    session = new()
    assert list(islice(session.prepare(5), 5)) == [5, 4, 6, 3, 7]  # the labels are yet to come
    session.label(5, video.ids[5])
    assert len(list(session.prepare(5))) == len(session)
    assert len(encoded) == len(session)
    finish(session)
    assert len(encoded) == len(session)


def test_a_run_gives_what_it_gives_without(new: New, video) -> None:
    ready, other = new("ready"), new("other")
    for session in (ready, other):
        session.label(5, video.ids[5])
        session.label(9, video.ids[9])
    for _ in ready.prepare(9):
        pass
    assert finish(ready) == finish(other)
    assert content(ready) == content(other)


def test_both_sides_of_a_label_in_turn(new: New, video) -> None:
    session = new()
    session.label(5, video.ids[5])
    frames = [step.frame for step in session.propagate(near=5)]
    found = list(dict.fromkeys(frames))
    assert found[:7] == [5, 6, 4, 7, 3, 8, 2]
    assert sorted(found) == list(range(len(session)))


def test_the_nearest_keyframe_comes_first(new: New, video) -> None:
    session = new()
    for frame in (2, 8):
        session.label(frame, video.ids[frame])
    frames = [step.frame for step in session.propagate(near=9)]
    assert max(frames[:6]) > 8 and frames.index(1) > frames.index(13)


def test_no_more_is_made_ready_than_is_held(video, encoded: list[int]) -> None:
    reader, encoder = open_video(video.folder), load_encoder("lab")
    layer = Layer("mask", (Object(1),), DEFAULTS["mask"], reader.info.size)
    one = Features(reader, encoder).get(layer, 0).nbytes
    encoded.clear()
    assert list(Features(reader, encoder, 8 * one).around(layer, 7)) == [7, 6, 8, 5]
    assert len(encoded) == 4
    assert len(list(Features(reader, encoder).around(layer, 0))) == min(AROUND + 1, len(reader))


def test_another_encoder_is_told(new: New, tmp_path: Path, monkeypatch) -> None:
    session = new()
    monkeypatch.setattr(
        "pixelkin.annotation.session.load_encoder", lambda *_: load_encoder("random")
    )
    with pytest.raises(ValueError, match="the weights lab are others"):
        next(iter(session.prepare(0)))
