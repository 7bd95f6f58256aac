"""Small videos on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from patterns import moving_pattern, write_folder, write_mp4


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
