"""What several labels show together, against the same sums by hand."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest
import torch.nn.functional as F
from sessions import finish
from torch import from_numpy

from pixelkin.annotation import echoes
from pixelkin.annotation.blend import share_of, weights
from pixelkin.annotation.session import Session
from pixelkin.annotation.votes import unpack_votes


def test_weights_by_hand() -> None:
    found = weights([1, 27, 8], [0.5, 0.9, 0.0], [1.0, 0.07, 0.4])
    parts = [1 / 0.5, (1 / 3) * 0.2 / 0.1, 0.5 / 1]
    assert found == pytest.approx([x / sum(parts) for x in parts])


def test_a_pass_that_had_the_newer_label_wrong_altogether_does_not_count() -> None:
    assert weights([1, 8], [0.1, 0.99], [1.0, 0.0]) == (1, 0)


def test_what_is_sure_altogether_does_not_count_endlessly() -> None:
    sure, unsure = weights([4, 4], [1.0, 0.5], [1.0, 1.0])
    assert math.isclose(sure / unsure, 0.5 / 0.02)


def test_share_is_near_that_of_all_pixels() -> None:
    rng = np.random.default_rng(0)
    for size in (9, 20):
        soft = rng.random((1, 1, size, size)).astype(np.float32)
        votes = F.interpolate(from_numpy(soft), size=(40, 60), mode="bicubic").clamp(0, 1)
        fine = F.interpolate(votes, scale_factor=8, mode="bilinear").numpy()
        assert share_of(votes[0, 0].numpy()) == pytest.approx(fine[fine > 0.5].mean(), abs=0.005)
    assert share_of(np.full((5, 7), 0.5, np.float32)) == 0


def kept(session: Session, source: tuple[int, int], frame: int) -> tuple[np.ndarray, float | None]:
    """What a pass of object 1 says of a frame, on the grid, and what comes back of its label."""
    grid = session.snapshot().layer(1).sizes.grid
    query = (
        "SELECT v.content, e.value FROM pass p JOIN vote v ON v.pass=p.id LEFT JOIN echo e "
        "ON e.pass=p.id AND e.frame=v.frame WHERE object=1 AND keyframe=? AND direction=? "
        "AND v.frame=?"
    )
    with sqlite3.connect(session.folder / "session.db") as file:
        ((content, echo),) = file.execute(query, (*source, frame)).fetchall()
    return unpack_votes(content, grid), echo


def labelled(session: Session, video, frames: list[int], *, together: bool) -> None:
    session.add_object("one", id=1)

    def give() -> None:
        for frame in frames:
            session.label(frame, 1, video.ids[frame] == 1)

    if together:
        with session.edit("all at once"):
            give()
    else:
        give()
    finish(session)


def test_an_older_label_counts_beyond_a_newer_one(new, video) -> None:
    session = new()
    labelled(session, video, [0, 12, 6], together=False)
    sources = [(6, 1), (0, 1), (12, -1)]
    assert session.snapshot().segment(1, 8).pieces[1].sources == tuple(sources)
    layer = session.snapshot().layer(1)
    given = layer.encode(video.ids[6] == 1).numpy()
    there, _ = kept(session, (0, 1), 6)
    passed = float(np.minimum(given, there).sum() / np.maximum(given, there).sum())
    assert 0 < passed < 1
    parts, mixed = [], np.zeros_like(there)
    for (keyframe, _), through, source in zip(sources, [1.0, passed, 1.0], sources, strict=True):
        soft, echo = kept(session, source, 8)
        sure = echoes.confidence(share_of(soft), [echo], (1.0,), None)
        near = abs(8 - keyframe) ** (-1 / 3)
        parts.append(min(1, through / 0.35) * near / max(1 - sure, 0.02))
        mixed += np.float32(parts[-1]) * soft
    ids, _ = layer.decode_map({1: mixed / np.float32(sum(parts))})
    np.testing.assert_array_equal(session[8].labels[0].as_map().ids, ids)
    assert max(parts) < 0.9 * sum(parts)  # several count


def test_labels_of_one_edit_end_each_others_passes(new, video) -> None:
    apart, together = new("apart"), new("together")
    labelled(apart, video, [0, 6, 12], together=False)
    labelled(together, video, [0, 6, 12], together=True)
    assert apart.snapshot().segment(1, 8).pieces[1].sources == ((6, 1), (0, 1), (12, -1))
    assert together.snapshot().segment(1, 8).pieces[1].sources == ((6, 1), (12, -1))


def test_a_label_that_is_corrected_stays_as_old_as_it_was(new, video) -> None:
    session = new()
    labelled(session, video, [0, 6, 12], together=False)
    before = session.snapshot().segment(1, 8).pieces[1].sources
    session.label(0, 1, np.roll(video.ids[0] == 1, 1, axis=0), source="corrected")
    assert session.snapshot().segment(1, 8).pieces[1].sources == before
    session.unlabel(0, 1)
    session.label(0, 1, video.ids[0] == 1)  # now the newest
    assert session.snapshot().segment(1, 8).pieces[1].sources == ((6, 1), (12, -1))
    session.undo()
    session.undo()
    assert session.snapshot().segment(1, 8).pieces[1].sources == before
