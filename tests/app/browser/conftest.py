"""The page's tests, where there is a browser; `test_page_modules` says where there is none."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("fastapi") and find_spec("playwright"):
    from browser_fixtures import browser, clip, look, served

    __all__ = ["browser", "clip", "look", "served"]
else:
    collect_ignore_glob = ["test_*.py"]
