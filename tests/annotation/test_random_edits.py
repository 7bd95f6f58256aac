"""Anything, in any order: undo and redo are exact, reviews stay, and only the labels decide."""

from __future__ import annotations

import random
import sqlite3
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import content, finish

from pixelkin.annotation.session import Session
from pixelkin.types import InputError, MaskLabels

TABLES = ("object", "label", "frame", "accepted", "cut")
ACTS = ("label", "label", "absent", "hidden", "unlabel", "add", "add point", "remove", "accept")
ACTS += ("flag", "reopen", "cut", "undo", "undo", "redo", "run", "stop")


def said(session: Session) -> dict[str, list[Any]]:
    """All that people said, as it is kept."""
    with sqlite3.connect(session.folder / "session.db") as file:
        return {
            table: file.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        }


def shown(session: Session) -> dict[tuple[int, int], tuple[object, ...]]:
    known = {o.id for o in session.objects}
    return {(r[0], r[1]): r for r in content(session)["shown"] if r[0] in known}


def seen(session: Session, frame: int) -> dict[int, object]:
    """Where the objects are that somebody labelled, or saw and accepted, in a frame."""
    view = session[frame]
    places = {}
    for labels in view.labels:
        for k, i in enumerate(labels.objects.ids):
            is_map = isinstance(labels, MaskLabels)
            place = labels.ids == i if is_map else labels.as_points().points[k]
            if view.origin[i] in ("label", "reviewed"):
                places[i] = place.tobytes()
    return places


def act(session: Session, what: str, rng: random.Random) -> None:
    frame = rng.randrange(len(session))
    one = rng.choice(session.objects or [None])
    if what == "add":
        session.add_object()
    elif what == "add point":
        session.add_object(kind="point")
    elif what == "accept":
        session.accept(frame)
    elif what == "flag":
        session.flag(frame, "look")
    elif what == "reopen":
        session.reopen(frame)
    elif what == "cut":
        session.set_cut(max(1, frame), rng.random() < 0.5)
    elif what == "stop":
        run = session.propagate(near=frame)
        list(islice(run, rng.randrange(6)))
        run.close()
    elif one is None:
        return
    elif what == "label" and not one.is_map:
        session.label(frame, one, (rng.randrange(128), rng.randrange(96)))
    elif what == "label":
        mask = np.zeros(session.size, bool)
        x, y, side = rng.randrange(100), rng.randrange(70), rng.choice((0, 12, 30))
        mask[y : y + side, x : x + side] = True
        session.label(frame, one, mask)
    elif what == "absent":
        session.mark_absent(frame, one)
    elif what == "hidden":
        session.label(frame, one, state="occluded")
    elif what == "unlabel":
        session.unlabel(frame, one)
    elif what == "remove":
        session.remove_object(one)


@pytest.mark.parametrize("seed", range(4))
def test_random_edits(video, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    session = Session.create(tmp_path / "a", video.folder, encoder="lab")
    states, at = [said(session)], 0
    for what in ("add", "label", "run", *rng.choices(ACTS, k=60)):
        before = said(session)
        if what in ("undo", "redo"):
            if getattr(session, what)() is not None:
                at += 1 if what == "redo" else -1
                assert said(session) == states[at]
        elif what == "run":
            kept = {f: seen(session, f) for f in session.reviewed()}
            finish(session)
            assert session.stale() == [] and session.faults() == [] and said(session) == before
            for f, before in kept.items():
                assert seen(session, f).items() >= before.items()
        else:
            with suppress(InputError):
                act(session, what, rng)
            if said(session) != before:
                states, at = [*states[: at + 1], said(session)], at + 1
    session.reopen(range(len(session)))
    finish(session)
    plain = Session.create(tmp_path / "b", video.folder, encoder="lab")
    plain.close()
    with sqlite3.connect(tmp_path / "b" / "session.db") as file:
        for table, rows in said(session).items():
            for row in rows:
                file.execute(f"INSERT INTO {table} VALUES({','.join('?' * len(row))})", row)
    plain = Session.open(tmp_path / "b")
    finish(plain)
    assert shown(plain) == shown(session)
    if session.annotations().frames:
        session.export(tmp_path / "all.npz")
    else:
        with pytest.raises(InputError, match="no such labels: nothing is written"):
            session.export(tmp_path / "all.npz")
    session.close()
    plain.close()
