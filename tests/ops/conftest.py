"""Fixtures shared by the tests of ops."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(
    params=[
        "plain",
        "log",
        "plain in PyTorch",
        "log in PyTorch",
        "plain unattended",
        "log unattended",
    ]
)
def how(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each form of Sinkhorn's algorithm in each domain in turn: what to pass to `sinkhorn`."""
    forms = {"PyTorch": "torch", "unattended": "unattended"}
    form = next((f for name, f in forms.items() if name in request.param), "numba")
    if form == "numba":
        pytest.importorskip("numba")
    return {"form": form, "log_domain": "log" in request.param}
