"""A server that is killed in the middle of a run, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import HEIGHT, WIDTH
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.ops import rle

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
FRAMES = 150


def thing(frame: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[16:40, 10 + frame // 4 : 34 + frame // 4] = True
    return mask


@pytest.fixture
def long_video(tmp_path: Path) -> Path:
    ground = np.random.default_rng(1).integers(0, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    (tmp_path / "long").mkdir()
    for t in range(FRAMES):
        image = ground.copy()
        image[thing(t)] = (220, 30, 40)
        Image.fromarray(image).save(tmp_path / f"long/{t:03d}.png")
    return tmp_path / "long"


class Asked:
    """A server of its own, asked over the network."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        assert server.stdout is not None
        self.server = server
        self.address = server.stdout.readline().split()[0].rstrip("/")

    def __call__(self, path: str, method: str = "GET", **body: Any) -> Any:
        headers = {"Origin": self.address, "X-Pixelkin": "1", "Content-Type": "application/json"}
        data = None if method == "GET" else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}/api/{path}", data=data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def edit(self, path: str, method: str, **body: Any) -> Any:
        return self(path, method, base_revision=self("session")["revision"], **body)

    def begin(self) -> None:
        """Label an object at both ends."""
        assert self.edit("objects", "POST", name="dog")["id"] == 1
        for frame in (0, FRAMES - 1):
            counts = rle.encode(thing(frame))["counts"]
            self.edit(f"labels/{frame}/1", "PUT", counts=counts)

    def computing(self) -> None:
        """Begin a run; when it returns, something of it is done."""
        self("jobs", "POST", kind="propagate", near=0)
        until = time.monotonic() + 60
        while not (job := self("session")["jobs"][0])["done"]:
            assert time.monotonic() < until and job["state"] == "running", job

    def ended(self) -> dict[str, Any]:
        until = time.monotonic() + 120
        while (job := self("session")["jobs"][0])["state"] == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        return dict(job)

    def masks(self) -> list[Any]:
        labels = (self(f"labels/{t}")["labels"] for t in range(FRAMES))
        return [[(x["object"], x["confidence"], x.get("counts")) for x in own] for own in labels]


@contextmanager
def started(video: Path) -> Iterator[Asked]:
    command = [sys.executable, "-m", "pixelkin.app.cli", "app", str(video), "--no-browser",
               "--port", "0", "--weights", "lab", "--root", str(video.parent)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield Asked(server)
        finally:
            server.terminate()


def alone(video: Path, folder: Path) -> list[Any]:
    """What a session shows that nobody disturbed."""
    with Session.create(folder / "alone", video, encoder="lab") as session:
        dog = session.add_object("dog")
        for frame in (0, FRAMES - 1):
            session.label(frame, dog, thing(frame))
        for _ in session.propagate():
            pass
        views = [session[t] for t in range(FRAMES)]
        masks = [rle.encode(v.labels[0].as_map().ids == 1)["counts"] for v in views]
        return [[(1, v.confidence[1], m)] for v, m in zip(views, masks, strict=True)]


def workers_of(folder: Path) -> list[int]:
    """Processes that compute for a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"pixelkin.app.server.worker" in words and str(folder).encode() in words:
            found.append(int(path.parent.name))
    return found


PROC = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")


@PROC
def test_what_computes_is_killed_in_the_middle(long_video: Path, tmp_path: Path) -> None:
    with started(long_video) as server:
        server.begin()
        server.computing()
        (worker,) = workers_of(tmp_path / "long.pixelkin")
        os.kill(worker, signal.SIGKILL)
        first = server.ended()
        assert first["state"] == "failed" and "has ended" in first["error"]
        server("jobs", "POST", kind="propagate", near=0)
        second = server.ended()
        assert second["state"] == "done"
        assert second["total"] <= first["total"] - first["done"]  # nothing is computed twice
        shown = server.masks()
    assert shown == alone(long_video, tmp_path)


@PROC
def test_killed_in_the_middle_of_a_run(long_video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "long.pixelkin"
    with started(long_video) as server:
        server.begin()
        server.edit("review", "POST", first=0, last=0, state="reviewed")
        server.computing()
        before = server("session")
        os.kill(server.server.pid, signal.SIGKILL)
        server.server.wait()
    assert before["jobs"][0]["state"] == "running"
    until = time.monotonic() + 30
    while workers_of(folder):  # ends with who started it
        assert time.monotonic() < until
        time.sleep(0.02)
    with started(long_video) as server:
        again, timeline = server("session"), server("timeline")
        assert {**again, "jobs": []} == {**before, "jobs": []}
        assert timeline["reviewed"] == [[0, 0]]
        assert timeline["objects"][0]["labels"] == [[0, "present"], [FRAMES - 1, "present"]]
        left = timeline["to_compute"]
        assert left > 0
        server("jobs", "POST", kind="propagate", near=0)
        job = server.ended()
        assert job["state"] == "done" and server("timeline")["to_compute"] == 0
        first = before["jobs"][0]
        assert job["total"] <= first["total"] - first["done"]  # nothing is computed twice
        shown = server.masks()
        server.edit("undo", "POST")  # from before the kill
        assert server("timeline")["reviewed"] == []
    assert shown == alone(long_video, tmp_path)
