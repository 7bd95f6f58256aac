"""A working folder as a user has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.video.writer import VideoWriter, write_image

HEIGHT, WIDTH, FRAMES = 48, 80, 6


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a video, its frames, and good and bad labels."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    frames = []
    for t in range(FRAMES):
        image = ground.copy()
        image[12:36, 4 + 4 * t : 28 + 4 * t] = (210, 40, 30)
        frames.append(image)
        write_image(tmp_path / f"frames/{t:05d}.png", image)
    with VideoWriter(tmp_path / "video.mp4", 10, (HEIGHT, WIDTH)) as writer:
        for image in frames:
            writer.write(image)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[12:36, 4:28] = 255
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(mask).save("frame_9.png")
    Image.fromarray(mask).save("2_or_3.png")
    Image.fromarray(mask[::2, ::2]).save("small.png")
    Image.fromarray(mask * 0).save("empty.png")
    Image.fromarray(mask).save("mask.jpg")
    smooth = (
        Image.fromarray(mask).resize((20, 12)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    )
    smooth.save("smooth.png")
    Image.fromarray(frames[0]).save("photo.png")
    Path("broken.mp4").write_bytes(Path("video.mp4").read_bytes()[:900])
    Path("text.json").write_text("{}")
    Path("nothing").mkdir()
    points = [{"name": "corner", "x": 4, "y": 12}, None]
    Path("points.json").write_text(
        json.dumps({"kind": "keypoints", "size": [HEIGHT, WIDTH], "points": points})
    )
    return tmp_path


@pytest.fixture
def davis(work: Path) -> Path:
    """The frames and their masks, laid out as DAVIS-2016."""
    root = work / "DAVIS"
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / "480p/square").mkdir(parents=True)
    (root / "ImageSets/2016").mkdir(parents=True)
    (root / "ImageSets/2016/val.txt").write_text("square\n")
    for t in range(FRAMES):
        Image.open(work / f"frames/{t:05d}.png").save(
            root / f"JPEGImages/480p/square/{t:05d}.jpg", quality=95
        )
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[12:36, 4 + 4 * t : 28 + 4 * t] = 255
        Image.fromarray(mask).save(root / f"Annotations/480p/square/{t:05d}.png")
    return root
