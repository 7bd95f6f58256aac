"""Fixtures shared by the tests of ops."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["plain", "log", "plain in PyTorch", "log in PyTorch"])
def log_domain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each form of Sinkhorn's algorithm in turn: what to pass to `sinkhorn`."""
    if "PyTorch" not in request.param:
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr("pixelkin.ops.transport._compiled", lambda dtype: None)
    return "log" in request.param
