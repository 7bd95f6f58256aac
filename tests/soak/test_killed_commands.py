"""The short form of kills.py: a few kills of what takes a second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).with_name("kills.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_what_is_killed_ends_as_if_nothing_had_happened() -> None:
    command = [sys.executable, KILLS, "--trials", "6", "--signals", "3", "--seed", "3"]
    told = subprocess.run(
        [*command, "--only", "propagate points", "session run", "train"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    last = told.stdout.splitlines()[-1]
    assert last.endswith(" 0 faults") and int(last.split()[0]) >= 9, told.stdout
