"""Features that are held: those that were used last stay, whatever their size."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.annotation.features import Features
from pixelkin.annotation.layers import DEFAULTS, Layer
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Object
from pixelkin.video.reader import open_video


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each frame that is encoded."""
    found: list[int] = []
    features = Propagator.features
    monkeypatch.setattr(
        Propagator, "features", lambda self, image: found.append(1) or features(self, image)
    )
    return found


def of_masks(size: tuple[int, int]) -> Layer:
    return Layer("mask", (Object(1),), DEFAULTS["mask"], size)


def test_those_that_were_used_last_stay(video, encoded: list[int]) -> None:
    reader, encoder = open_video(video.folder), load_encoder("lab")
    layer = of_masks(reader.info.size)
    one = Features(reader, encoder).get(layer, 0).nbytes
    held = Features(reader, encoder, 3 * one)
    encoded.clear()
    for frame in (0, 1, 2, 0, 3, 0):  # the first one is asked for again and again
        held.get(layer, frame)
    assert len(encoded) == 4
    held.get(layer, 1)  # 3 has taken its place
    assert len(encoded) == 5


def test_bytes_are_counted_where_frames_are_of_several_sizes(video, encoded: list[int]) -> None:
    reader, encoder = open_video(video.folder), load_encoder("lab")
    masks = of_masks(reader.info.size)
    fine = replace(DEFAULTS["points"], short_side=None, stride=4)
    points = Layer("points", (Object(1, "points"),), fine, reader.info.size)
    small = Features(reader, encoder).get(masks, 0).nbytes
    large = Features(reader, encoder).get(points, 0).nbytes
    assert large > 2 * small
    held = Features(reader, encoder, 2 * small + large)
    held.get(points, 0)
    held.get(masks, 0)
    held.get(masks, 1)
    encoded.clear()
    for layer, frame in ((points, 0), (masks, 0), (masks, 1)):
        held.get(layer, frame)
    assert not encoded  # all three fit
    held.get(masks, 2)
    held.get(points, 0)
    assert len(encoded) == 2  # which had to go, as it is the oldest


MEASURED = """
import sys
from pathlib import Path
from test_features import of_masks
from pixelkin.annotation.features import Features
from pixelkin.models.encoder import load_encoder
from pixelkin.video.reader import open_video

def resident():  # MiB
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x.split()[1] for x in lines if x.startswith("VmRSS"))) / 1024

reader = open_video(sys.argv[1])
features, held = Features(reader, load_encoder("lab")), 0
for frame, one in enumerate(features.along(of_masks(reader.info.size), range(len(reader)))):
    if frame == 300:
        before = resident()
    held += one.nbytes * (frame > 300)
print(resident() - before, held / 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="measured with glibc")
def test_memory_grows_by_what_is_held_and_hardly_more(tmp_path: Path) -> None:
    """Of small frames, whose features split the memory that is needed to compute them."""
    image = np.random.default_rng(0).integers(0, 256, (96, 170, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "frame.png")
    (tmp_path / "video").mkdir()
    for t in range(1300):
        (tmp_path / "video" / f"{t:04d}.png").symlink_to(tmp_path / "frame.png")
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "video"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    grown, held = map(float, found.stdout.split())
    assert grown < held + 60  # 160 more without giving back what is free
