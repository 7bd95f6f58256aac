"""The page's tests, where there is a browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("fastapi") and find_spec("playwright"):
    from browser_fixtures import browser, clip, look, served

    __all__ = ["browser", "clip", "look", "served"]

    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """A test that fails is tried once more: a browser has clocks of its own. It is counted."""
        if find_spec("pytest_rerunfailures"):
            for item in items:
                if Path(__file__).parent in item.path.parents:
                    item.add_marker(pytest.mark.flaky(reruns=1))
else:
    collect_ignore_glob = ["test_*.py"]
