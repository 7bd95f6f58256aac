"""Killed at any moment while labels are edited: nothing is lost, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sessions import content, finish

from pixelkin.annotation.session import Session


def killed_run(folder: Path, rng: random.Random) -> bool:
    """Whether a run was killed before it had done all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelkin.app.cli", "session", "run", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with sqlite3.connect(folder / "session.db") as file:
        begun = file.execute("SELECT COUNT(*) FROM run").fetchone()[0]
        while process.poll() is None:  # until it computes, which takes long to load
            if file.execute("SELECT COUNT(*) FROM run").fetchone()[0] > begun:
                break
            time.sleep(0.005)
    time.sleep(rng.random() * 0.25)
    process.send_signal(signal.SIGKILL)
    return process.wait() != 0


@pytest.mark.parametrize("trials", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_lose_nothing(video, tmp_path: Path, trials: int) -> None:
    rng = random.Random(trials)
    edits = [(f, k) for f in range(1, 14) for k in (1, 2)]
    rng.shuffle(edits)
    edits = [(0, 1), (0, 2), *edits[:trials]]
    plain = Session.create(tmp_path / "plain", video.folder, encoder="lab")
    session = Session.create(tmp_path / "killed", video.folder, encoder="lab")
    killed = 0
    for number, (frame, k) in enumerate(edits):
        for one in (plain, session):
            if number < 2:
                one.add_object(id=k)
            one.label(frame, k, video.ids[frame] == k)
        if number >= 2:
            killed += killed_run(tmp_path / "killed", rng)
            assert session.faults() == []
    assert killed > trials // 2
    finish(session)
    finish(plain)
    assert session.labels(1) == plain.labels(1) and session.labels(2) == plain.labels(2)
    assert content(session)["shown"] == content(plain)["shown"]
    assert set(content(plain)["votes"]) <= set(content(session)["votes"])
    assert {p.name for p in (tmp_path / "killed").iterdir()} <= {
        "session.db", "session.db-wal", "session.db-shm", "session.lock", "run.lock"
    }  # fmt: skip
    plain.close()
    session.close()
