"""A short video as a folder of frames."""

from __future__ import annotations

from pathlib import Path

import moving_square
import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames")
    moving_square.save(path)
    return path
