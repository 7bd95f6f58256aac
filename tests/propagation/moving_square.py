"""A red square that moves over a blue ground, and the files of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelkin.types import Labels
from pixelkin.video.writer import write_image

FRAMES, HEIGHT, WIDTH = 27, 48, 80


def save(path: Path) -> None:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8) + np.array([0, 0, 90])
    for t in range(FRAMES):
        image = ground.astype(np.uint8)
        image[12:36, 4 + 2 * t : 24 + 2 * t] = (210, 40, 30)
        write_image(path / f"{t:05d}.png", image)


def square(t: int) -> Labels:
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[12:36, 4 + 2 * t : 24 + 2 * t] = 1
    return Labels.from_mask(ids)


def results(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}
