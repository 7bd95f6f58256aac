"""Asking a server as its page does, and videos whose frames bear their number."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from pixelkin.ops import rle

FRAMES, HEIGHT, WIDTH = 8, 64, 96
HOST = "127.0.0.1:8765"
PAGE = {"Origin": f"http://{HOST}", "X-Pixelkin": "1"}


class Page:
    """Asks a server as its page does, and remembers the revision."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.revision = 0

    def get(self, path: str) -> Any:
        """The answer to a question, which must be one."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def edit(self, method: str, path: str, **body: Any) -> Any:
        """The answer to a change of what the page saw last."""
        given = {"base_revision": self.revision} | body
        answer = self.client.request(method, path, json=given)
        assert answer.status_code < 300, answer.text
        self.revision = answer.json()["revision"]
        return answer.json()

    def paint(self, frame: int, i: int, mask: NDArray[np.bool_]) -> None:
        """Say where an object is."""
        self.edit("PUT", f"/api/labels/{frame}/{i}", counts=rle.encode(mask)["counts"])

    def mask(self, frame: int, i: int) -> NDArray[np.bool_]:
        """Where an object is shown."""
        for one in self.get(f"/api/labels/{frame}")["labels"]:
            if one["object"] == i and "counts" in one:
                return rle.decode({"size": (HEIGHT, WIDTH), "counts": one["counts"]})
        return np.zeros((HEIGHT, WIDTH), bool)


def square(frame: int) -> NDArray[np.bool_]:
    """Where the thing is that moves through the video."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[16:40, 10 + 4 * frame : 34 + 4 * frame] = True
    return mask


def ended(page: Page, number: int, seconds: float = 120.0) -> dict[str, Any]:
    """A job when it has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for job in page.get("/api/session")["jobs"]:
            if job["id"] == number and job["state"] != "running":
                return dict(job)
        time.sleep(0.05)
    raise AssertionError(f"job {number} has not ended in {seconds} seconds")


BITS, NUMBERED = 6, 40


def number_of(frame: NDArray[np.uint8]) -> int:
    """The number that a frame bears: blocks of 16 pixels, black or white, the lowest bit first."""
    return sum(int(frame[8, 16 * bit + 8, 0] > 128) << bit for bit in range(BITS))


def numbered_video(
    path: Path, codec: str = "libx264", *, variable: bool = False, group: int = 12
) -> Path:
    """A video of 40 frames, with B frames where the codec has some."""
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    coarse = np.random.default_rng(0).integers(0, 255, (8, 12, 3))
    times = np.cumsum(np.random.default_rng(1).integers(1, 9, NUMBERED)) if variable else None
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": str(group), "bf": "2"})
        stream.height, stream.width = 128, 192
        stream.pix_fmt = "yuv420p"
        for number in range(NUMBERED):
            moved = np.roll(coarse, number // 3, axis=1)
            frame = np.kron(moved, np.ones((16, 16, 1))).astype(np.uint8)
            for bit in range(BITS):
                frame[:16, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number if times is None else int(times[number])
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path
