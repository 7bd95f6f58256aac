"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

GOLDEN = Path(__file__).resolve().parent / "golden"
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder with inputs and outputs of the published codes; see its README.md."""
    return GOLDEN


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real videos (data/), which no package may carry; absent on most machines."""
    if not (SHARED / "data").is_dir():
        pytest.skip("shared/data with real videos is not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
