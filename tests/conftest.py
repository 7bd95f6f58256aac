"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

GOLDEN = Path(__file__).resolve().parent / "golden"
SHARED = Path(__file__).resolve().parents[2] / "shared"
NO_ENCODER = "this FFmpeg has no encoder"
NO_VIDEOS = "shared/data with real videos is not beside this checkout"
GPU = torch.cuda.is_available()
NO_GPU = "torch finds no GPU here"
NO_BROWSER = "no Chromium with Playwright: make setup-browser"


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder with inputs and outputs of the published codes; see its README.md."""
    return GOLDEN


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
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are of what a CPU computes, but for those marked `gpu`."""
    if request.node.get_closest_marker("gpu") is not None:
        if not GPU:
            pytest.skip(NO_GPU)
    elif GPU:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # of commands that tests start


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out for want of real videos, a browser, an encoder or a GPU."""
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    for why in (NO_VIDEOS, NO_BROWSER, NO_ENCODER, NO_GPU):
        count = sum(why in reason for reason in skipped)
        if count:
            terminalreporter.write_sep("=", f"{count} tests skipped: {why}", yellow=True, bold=True)
