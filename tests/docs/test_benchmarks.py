"""Benchmarks, which no test runs, begin: all that they import of the package is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_what_benchmarks_import_is_there() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(names) > 20
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", script, *names], cwd=FOLDER, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
