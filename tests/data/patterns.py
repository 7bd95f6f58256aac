"""Patterns that slide, as videos and as folders of images."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
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
