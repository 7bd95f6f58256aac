"""A server over a session about a small video, asked as its own page asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import FRAMES, HEIGHT, HOST, PAGE, WIDTH, Page, ended, square
from fastapi.testclient import TestClient
from PIL import Image

from pixelkin.app.server.main import create_app
from pixelkin.app.server.places import Desk


@pytest.fixture
def video(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    (tmp_path / "root/frames").mkdir(parents=True)
    for t in range(FRAMES):
        image = ground.copy()
        image[square(t)] = (220, 30, 40)
        Image.fromarray(image).save(tmp_path / f"root/frames/f{t}.png")
    return tmp_path / "root/frames"


@pytest.fixture
def desk(video: Path) -> Iterator[Desk]:
    made = Desk(video.parent, weights="lab")
    yield made
    made.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = create_app(desk, frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=PAGE) as made:
        yield made


@pytest.fixture
def page(desk: Desk, video: Path, client: TestClient) -> Page:
    desk.open(video)
    return Page(client)


@pytest.fixture
def finish(page: Page, desk: Desk) -> Callable[..., dict[str, Any]]:
    """Starts a job, and waits for its end."""

    def wait(**order: Any) -> dict[str, Any]:
        answer = page.client.post("/api/jobs", json=order)
        assert answer.status_code == 202, answer.text
        return ended(page, answer.json()["id"])

    return wait
