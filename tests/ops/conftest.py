"""Fixtures shared by the tests of ops."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["compiled", "plain", "log"])
def log_domain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each form of Sinkhorn's algorithm in turn: what to pass to `sinkhorn`."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr("pixelkin.ops.transport._compiled", lambda: None)
    return request.param == "log"
