"""Cuts in sessions: what was found and what people say, and that no label is measured over one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sessions import finish

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
