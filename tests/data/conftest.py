"""Small videos on disk."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image


def moving_pattern(frames: int, height: int, width: int, seed: int) -> list[np.ndarray]:
    """A smooth random pattern that slides by two pixels a frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, (width + 2 * frames) // 8 + 1, 3), np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((width + 2 * frames, height)))
    return [wide[:, 2 * t : 2 * t + width].copy() for t in range(frames)]


def write_mp4(path: Path, frames: list[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def write_folder(path: Path, frames: list[np.ndarray]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{i:05d}.png")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three readable videos (two files, one folder), labels, and two files that are no videos."""
    root = tmp_path_factory.mktemp("videos")
    write_mp4(root / "a.mp4", moving_pattern(50, 64, 96, seed=1))
    write_mp4(root / "deep" / "b.mp4", moving_pattern(12, 96, 64, seed=2))
    write_folder(root / "JPEGImages" / "c", moving_pattern(20, 80, 120, seed=3))
    write_folder(root / "Annotations" / "c", moving_pattern(20, 80, 120, seed=4))
    (root / "broken.mp4").write_bytes(b"not a video" * 100)
    (root / "cut.mp4").write_bytes((root / "a.mp4").read_bytes()[:3000])
    (root / "notes.txt").write_text("nothing to see")
    return root
