"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real videos (data/) and golden arrays (golden/); absent on most machines."""
    if not (SHARED / "data").is_dir() or not (SHARED / "golden").is_dir():
        pytest.skip(f"{SHARED.name}/ with real data and golden arrays is not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
