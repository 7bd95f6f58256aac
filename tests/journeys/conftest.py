"""What the journeys start from: a short made-up video, whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.data.synthetic import SyntheticFrame, SyntheticScene
from pixelkin.video.writer import VideoWriter

SIZE, FRAMES = (96, 160), 48


@pytest.fixture(scope="session")
def scene() -> list[SyntheticFrame]:
    """Two bodies that pass in front of each other after some 24 frames."""
    return list(SyntheticScene(6, SIZE, FRAMES))


@pytest.fixture
def place(scene: list[SyntheticFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the video and masks of some of its frames."""
    monkeypatch.chdir(tmp_path)
    with VideoWriter(tmp_path / "video.mp4", 12, SIZE) as writer:
        for frame in scene:
            writer.write(frame.image)
    for name, t in (("first_frame", 0), ("frame20", 20), ("frame40", 40)):
        Image.fromarray(scene[t].ids.astype(np.uint8)).save(f"{name}.png")
    return tmp_path
