"""Small folders of frames, and a recipe that trains on them in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six folders of 12 frames in which a random picture slides by three pixels a frame."""
    root = tmp_path_factory.mktemp("frames")
    for video in range(6):
        rng = np.random.default_rng(video)
        coarse = rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)
        wide = np.asarray(Image.fromarray(coarse).resize((112, 80), Image.Resampling.BICUBIC))
        folder = root / f"video{video}"
        folder.mkdir()
        for t in range(12):
            Image.fromarray(wide[:, 3 * t : 3 * t + 72]).save(folder / f"{t:03d}.png")
    return root


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    """Settings of a tiny, reproducible training."""
    return {
        "steps": 12,
        "batch": 4,
        "size": 32,
        "precision": "float32",
        "network": {"widths": [8, 8, 8]},
        "data": {"short_side": 64},
        "stages": [
            {"share": 0.5, "objectives": [{"name": "known_geometry"}]},
            {
                "share": 0.5,
                "objectives": [
                    {"name": "known_geometry", "share": 0.5},
                    {"name": "mined_contrast", "share": 0.5, "settings": {"gaps": [2, 4]}},
                ],
            },
        ],
        "run": {
            "device": "cpu",
            "workers": 0,
            "threads": 1,
            "store": str(tmp_path / "store"),
            "checkpoint_every": 5,
            "batch_norm_frames": 4,
            "validate_scenes": 0,
            "report": False,
        },
    }


@pytest.fixture
def recipe_file(tmp_path: Path, recipe: dict[str, Any]) -> Path:
    """`recipe` as a file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path
