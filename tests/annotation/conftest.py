"""A small video of two things that move over a textured ground, and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelkin.annotation.session import Session

FRAMES, HEIGHT, WIDTH = 14, 96, 128


@dataclass(frozen=True)
class Truth:
    """Where the video lies, and what it shows.

    Attributes:
        folder: Of its frames.
        ids: FRAMES x H x W: 0, 1 or 2.
        points: FRAMES x 2 x 2: (x, y) of the centres of both things.
    """

    folder: Path
    ids: NDArray[np.int32]
    points: NDArray[np.float32]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    rng = np.random.default_rng(3)
    ground = rng.integers(0, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    things = rng.integers(130, 256, (2, 24, 24, 3), dtype=np.uint8)
    folder = tmp_path_factory.mktemp("video")
    ids = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    points = np.zeros((FRAMES, 2, 2), np.float32)
    for t in range(FRAMES):
        image = ground.copy()
        for k, (x, y) in enumerate([(8 + 3 * t, 12), (88 - 3 * t, 58)]):
            image[y : y + 24, x : x + 24] = things[k]
            ids[t, y : y + 24, x : x + 24] = k + 1
            points[t, k] = x + 11.5, y + 11.5
        Image.fromarray(image).save(folder / f"{t:03d}.png")
    return Truth(folder, ids, points)


@pytest.fixture
def new(video: Truth, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Makes sessions about the video, which are closed in the end."""
    made: list[Session] = []

    def make(name: str = "a") -> Session:
        made.append(Session.create(tmp_path / name, video.folder, encoder="lab"))
        return made[-1]

    yield make
    for session in made:
        session.close()
