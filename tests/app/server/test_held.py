"""What the server holds does not grow with the frames that somebody looks at."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asking import NUMBERED, Page, numbered_video, square

from pixelkin.app.server.frames import Frames
from pixelkin.app.server.places import Desk
from pixelkin.video.reader import open_video

OF_A_VIDEO = ("VideoFrame", "InputContainer", "VideoCodecContext", "ndarray")


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    """Pictures that only Python's search for cycles gives back are held, for all that is known."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> Counter[str]:
    names = Counter(type(one).__name__ for one in gc.get_objects())
    return Counter({name: names[name] for name in OF_A_VIDEO})


def test_pictures_are_given_back(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4")
    served = Frames(open_video(path), tmp_path / "cache", limit=1, walk=True)
    seen = []
    for _ in range(4):
        for number in np.random.default_rng(0).permutation(NUMBERED).tolist():
            served.get(number).result(30)
        seen.append(held())
    served.close()
    for name in OF_A_VIDEO:
        assert seen[-1][name] <= seen[0][name] + 8, (name, seen)


def test_answers_are_not_kept(page: Page, desk: Desk) -> None:
    page.edit("POST", "/api/objects", name="dog")
    counts = []
    for round_ in range(6):
        for frame in range(8):
            page.paint(frame, 1, square(round_))
            page.get(f"/api/labels/{frame}")
            page.get("/api/timeline")
            page.get("/api/suggest?k=3")
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[-1] < counts[1] + 2000, counts
