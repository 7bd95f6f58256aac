"""A video that is opened for the first time: pages hear how far it is read."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from asking import NUMBERED, numbered_video

from pixelkin.app.server.places import Desk
from pixelkin.video import numbering
from pixelkin.video.reader import open_video


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame is told of, and what was found is kept whatever it took."""
    monkeypatch.setattr(numbering, "TOLD_EVERY", 0.0)
    monkeypatch.setattr(numbering, "KEPT_FROM", 0.0)


def heard(desk: Desk, path: Path) -> list[dict[str, Any]]:
    """What pages hear while a video is opened."""

    async def listen() -> list[dict[str, Any]]:
        events, found = desk.hub.listen(), []
        await anext(events)
        await asyncio.to_thread(desk.open, path)
        while not found or found[-1]["event"] != "opened":
            event = await asyncio.wait_for(anext(events), 10)
            found.append(json.loads(event.removeprefix("data: ")))
        return found

    return asyncio.run(listen())


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_frames_are_counted_to_the_last(told: None, tmp_path: Path, suffix: str) -> None:
    path = numbered_video(tmp_path / f"a.{suffix}", "libx264" if suffix == "mp4" else "mpeg4")
    counts: list[tuple[int, int]] = []
    open_video(path, progress=lambda *count: counts.append(count))
    assert counts == [(n, NUMBERED) for n in range(1, NUMBERED + 1)]


def test_pages_hear_of_it_once(told: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = numbered_video(tmp_path / "a.mp4")
    for first in (True, False):
        desk = Desk(tmp_path, weights="lab", ready=False)
        found = heard(desk, path)
        desk.close()
        counts = [one["done"] for one in found if one["event"] == "reading"]
        assert counts == (list(range(1, NUMBERED + 1)) if first else [])
        assert [one["event"] for one in found[len(counts) :]] == ["read", "opened"][not first :]
        assert all(0 <= one["seconds_left"] < 60 for one in found[: len(counts)])


def test_the_runtime_is_that_of_new_sessions(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4")
    desk = Desk(tmp_path, weights="lab", runtime="onnx", ready=False)
    desk.open(path)
    desk.close()
    with closing(sqlite3.connect(tmp_path / "a.pixelkin/session.db")) as file:
        (kept,) = file.execute("SELECT value FROM meta WHERE key='encoder'").fetchone()
    assert json.loads(kept)["runtime"] == "onnx"
