"""Fixtures of the benchmarks' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes import Scene, save_text


@pytest.fixture
def davis_root(tmp_path: Path) -> Path:
    """DAVIS-2017 with ten sequences of 4 to 6 frames, of one to three objects."""
    names = [f"video{n}" for n in range(10)]
    root = tmp_path / "DAVIS"
    for n, name in enumerate(names):
        scene = Scene(4 + n % 3, starts=(0,) * (1 + n % 3), seed=n)
        folders = (root / kind / "480p" / name for kind in ("JPEGImages", "Annotations"))
        scene.write(*folders, "{:05d}".format)
    save_text(root / "ImageSets/2017/val.txt", "\n".join(names))
    return root
