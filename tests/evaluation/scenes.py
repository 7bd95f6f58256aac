"""Small videos with exact truth, from which the benchmarks' trees are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64
BRIGHT = ((0, 0, 0), (230, 40, 30), (30, 90, 230), (240, 220, 40))


class Scene:
    """Squares of plain colours that move to the right over noise, two pixels a frame.

    Square k is at rows 2 + 15 (k - 1) onwards, 12 pixels high and wide, and present from the frame
    `starts[k - 1]` on.
    """

    def __init__(self, frames: int, starts: tuple[int, ...] = (0,), seed: int = 0) -> None:
        self.frames = frames
        self.starts = starts
        rng = np.random.default_rng(seed)
        self.ground = rng.integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    def ids(self, t: int) -> np.ndarray:
        """H x W uint8 ids of frame t."""
        ids = np.zeros((HEIGHT, WIDTH), np.uint8)
        for k, start in enumerate(self.starts, start=1):
            if t >= start:
                top, left = 2 + 15 * (k - 1), 4 + 2 * t
                ids[top : top + 12, left : left + 12] = k
        return ids

    def image(self, t: int) -> np.ndarray:
        """H x W x 3 uint8 frame t."""
        ids = self.ids(t)
        return np.where(ids[..., None] > 0, np.array(BRIGHT, np.uint8)[ids], self.ground)

    def write(
        self, pictures: Path, maps: Path | None, stem: Callable[[int], str], suffix: str = "jpg"
    ) -> None:
        """Write every frame, and its ids if there is a folder for them."""
        for t in range(self.frames):
            save(pictures / f"{stem(t)}.{suffix}", self.image(t))
            if maps is not None:
                save(maps / f"{stem(t)}.png", self.ids(t))


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(array).save(path, **quality)


def save_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change(path: Path) -> None:
    """Let a file hold something else, of which no reader takes notice."""
    path.write_bytes(path.read_bytes() + b"\n")
