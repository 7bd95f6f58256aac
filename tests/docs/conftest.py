"""Material for the documentation's commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import material
import pytest

import pages


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `material` describes it; not to be written to."""
    folder = tmp_path_factory.mktemp("material")
    material.build(folder)
    for shared in ("recipes", "docs"):
        (folder / shared).symlink_to(pages.ROOT / shared)
    return folder


@pytest.fixture
def place(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, which is the current folder."""
    folder = tmp_path / "place"
    shutil.copytree(made_up, folder, symlinks=True)
    monkeypatch.chdir(folder)
    yield folder
    shutil.rmtree(folder)
