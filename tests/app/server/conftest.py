"""The server's tests, where the server is installed."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("fastapi"):
    from server_fixtures import client, desk, finish, page, video

    __all__ = ["client", "desk", "finish", "page", "video"]
else:
    collect_ignore_glob = ["test_*.py"]
