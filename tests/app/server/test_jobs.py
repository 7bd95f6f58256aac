"""What is computed beside the server: results, exports, and processes that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from asking import FRAMES, Page, ended, square

from pixelkin.annotation.session import Session
from pixelkin.app.server.places import Desk
from pixelkin.app.server.worker import work
from pixelkin.ops import rle

Finish = Callable[..., dict[str, Any]]


def test_a_stroke_is_carried_through_the_video(page: Page, finish: Finish, tmp_path: Path) -> None:
    page.edit("POST", "/api/objects", name="dog")
    page.paint(0, 1, square(0))
    job = finish(kind="propagate", near=0)
    assert (job["state"], job["error"]) == ("done", None) and job["done"] == job["total"] > 0
    timeline = page.get("/api/timeline")
    assert timeline["to_compute"] == 0
    for t in range(1, FRAMES):
        mask, truth = page.mask(t, 1), square(t)
        assert (mask & truth).sum() / (mask | truth).sum() > 0.7, t
    (first, *_) = page.get("/api/suggest?k=3")
    assert 0 <= first["frame"] < FRAMES and first["object"] == 1
    # The same as without the server.
    with Session.create(tmp_path / "alone", tmp_path / "root/frames", encoder="lab") as alone:
        alone.label(0, alone.add_object("dog"), square(0))
        for _ in alone.propagate():
            pass
        for t in range(FRAMES):
            np.testing.assert_array_equal(alone[t].labels[0].as_map().ids == 1, page.mask(t, 1))


def test_a_correction_changes_nothing_beyond_its_neighbours(page: Page, finish: Finish) -> None:
    page.edit("POST", "/api/objects", name="dog")
    page.paint(0, 1, square(0))
    page.paint(4, 1, square(4))
    finish(kind="propagate")
    page.edit("POST", "/api/review", first=1, last=1, state="reviewed")
    before = [page.mask(t, 1) for t in range(FRAMES)]
    better = square(2)
    better[50:60, 50:60] = True
    page.paint(2, 1, better)
    finish(kind="propagate", near=2)
    after = [page.mask(t, 1) for t in range(FRAMES)]
    for t in (0, 1, 4, 5, 6, 7):
        np.testing.assert_array_equal(before[t], after[t])
    np.testing.assert_array_equal(after[2], better)


def test_exports_are_read_by_others(page: Page, finish: Finish, tmp_path: Path) -> None:
    page.edit("POST", "/api/objects", name="dog")
    page.paint(0, 1, square(0))
    finish(kind="propagate")
    job = finish(kind="export", format="coco")
    assert job["state"] == "done", job
    answer = page.client.get(f"/api/exports/{job['result']['name']}")
    assert "attachment" in answer.headers["content-disposition"]
    found = json.loads(answer.content)
    assert len(found["images"]) == FRAMES and found["categories"][0]["name"]
    shown = {a["image_id"]: a["segmentation"] for a in found["annotations"]}
    first = min(shown)
    np.testing.assert_array_equal(rle.decode(shown[first]), square(0))
    job = finish(kind="export", format="davis")
    answer = page.client.get(f"/api/exports/{job['result']['name']}")
    assert answer.content[:2] == b"PK"
    assert finish(kind="export", format="nothing")["error"].startswith("no format 'nothing'")


def test_points_are_read_by_sleap_io(page: Page, finish: Finish, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="sleap-io is not installed: pixelkin[pose]")
    ids = [
        page.edit("POST", "/api/objects", name=n, kind="keypoint")["id"] for n in ("nose", "tail")
    ]
    page.edit("POST", "/api/skeleton", a=ids[0], b=ids[1])
    for i, (x, y) in zip(ids, ((14.0, 20.0), (30.0, 36.0)), strict=True):
        page.edit("PUT", f"/api/labels/0/{i}", x=x, y=y)
    page.edit("PUT", f"/api/labels/0/{ids[1]}", state="occluded")
    finish(kind="propagate")
    job = finish(kind="export", format="slp")
    assert job["state"] == "done", job
    path = tmp_path / "out.slp"
    path.write_bytes(page.client.get(f"/api/exports/{job['result']['name']}").content)
    found = sleap_io.load_slp(str(path), open_videos=False)
    assert found.skeletons[0].node_names == ["nose", "tail"]
    assert found.skeletons[0].edge_names == [("nose", "tail")]
    assert len(found) == FRAMES
    for frame in found:
        shown = {one["object"]: one for one in page.get(f"/api/labels/{frame.frame_idx}")["labels"]}
        wanted = [(shown[i]["x"], shown[i]["y"]) for i in ids]
        np.testing.assert_allclose(frame.instances[0].numpy(), wanted, atol=1e-3)


def test_the_process_that_computes_dies(page: Page, desk: Desk, finish: Finish) -> None:
    page.edit("POST", "/api/objects", name="dog")
    page.paint(0, 1, square(0))
    crew = desk.opened.crews["propagate"]
    job = page.client.post("/api/jobs", json={"kind": "propagate"}).json()
    assert crew.pid is not None
    os.kill(crew.pid, signal.SIGKILL)
    found = ended(page, job["id"])
    assert found["state"] == "failed" and "has ended" in found["error"]
    page.paint(5, 1, square(5))  # page and session go on
    assert finish(kind="propagate")["state"] == "done"
    assert page.get("/api/timeline")["to_compute"] == 0


def test_the_process_makes_ready_where_somebody_looks() -> None:
    """Once somebody has looked at a frame for a while; a job comes before."""
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    asked: list[int] = []
    done: list[str] = []

    class Watched:
        def ready(self, near: int) -> Iterator[int]:
            asked.append(near)
            yield from range(3)
            orders.put({"kind": "propagate"})

        def do(self, order: dict[str, Any]) -> None:
            done.append(order["kind"])
            raise StopIteration  # `work` has no end

    for frame in (1, 2, 6):
        orders.put({"kind": "near", "frame": frame})
    with pytest.raises(StopIteration):
        work(Watched(), orders)  # type: ignore[arg-type]
    assert asked == [6] and done == ["propagate"]


def test_a_job_is_cancelled(page: Page, desk: Desk) -> None:
    page.edit("POST", "/api/objects", name="dog")
    page.paint(0, 1, square(0))
    job = page.client.post("/api/jobs", json={"kind": "propagate"}).json()
    again = page.client.post("/api/jobs", json={"kind": "propagate"})
    assert again.status_code == 400 and "is running" in again.json()["error"]
    assert page.client.delete(f"/api/jobs/{job['id']}").status_code == 202
    assert ended(page, job["id"])["state"] in ("stopped", "done")
    assert page.client.delete("/api/jobs/999").status_code == 404


def test_a_worker_ends_with_who_started_it(page: Page, desk: Desk) -> None:
    pid = desk.opened.crews["propagate"].pid
    assert pid is not None
    desk.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_a_killed_server_leaves_a_session_that_goes_on(video: Path) -> None:
    command = [sys.executable, "-m", "pixelkin.app.cli", "app", str(video), "--no-browser",
               "--port", "0", "--weights", "lab", "--root", str(video.parent)]  # fmt: skip
    for end in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("http://127.0.0.1:")
            time.sleep(0.5)
            server.send_signal(end)
            assert server.wait(30) == (-9 if end == signal.SIGKILL else 0)
    with Session.open(video.with_name("frames.pixelkin")) as session:
        assert not session.read_only and session.faults() == []
