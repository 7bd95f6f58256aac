"""The server's tests, where the server is installed; `test_page_modules` says where it is not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("fastapi"):
    from server_fixtures import client, desk, finish, page, video

    __all__ = ["client", "desk", "finish", "page", "video"]
else:
    collect_ignore_glob = ["test_*.py"]

    def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many are left out."""
        found = Path(__file__).parent.glob("test_*.py")
        count = sum(path.read_text("utf-8").count("\ndef test_") for path in found)
        why = f"{count} tests of tests/app/server left out: pip install 'pixelkin[app]'"
        terminalreporter.write_sep("=", why, yellow=True, bold=True)
