"""Threads that a test has left running."""

from __future__ import annotations

import threading


def running() -> int:
    """How many there are, without those that stay for convolutions, as torch's own do."""
    return sum(not one.name.startswith("nnpack") for one in threading.enumerate())
