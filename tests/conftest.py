"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from left_out import NO_GPU, NO_VIDEOS, TESTS, pytest_terminal_summary

if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each of the processes, and those they start
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

__all__ = ["pytest_terminal_summary"]

# No deadline, as others may need the cores as well. --hypothesis-profile search: other draws
settings.register_profile("search", deadline=None, derandomize=False)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

SHARED = TESTS.parents[1] / "shared"
GPU = torch.cuda.is_available()


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder with inputs and outputs of the published codes; see its README.md."""
    return TESTS / "golden"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real videos (data/), which no package may carry; absent on most machines."""
    if not (SHARED / "data").is_dir():
        pytest.skip(NO_VIDEOS)
    return SHARED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rich draws is the same whichever terminal, or none, the tests were started from."""
    monkeypatch.setenv("TERM", "xterm")
    sizes, colours = ("COLUMNS", "LINES"), ("NO_COLOR", "FORCE_COLOR", "COLORTERM")
    for name in (*sizes, *colours, "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are of what a CPU computes, but for those marked `gpu`."""
    if request.node.get_closest_marker("gpu") is not None:
        if not GPU:
            pytest.skip(NO_GPU)
    elif GPU:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # of commands that tests start
