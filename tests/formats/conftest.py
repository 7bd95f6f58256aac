from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixelkin.formats.isolated import inside


@pytest.fixture(autouse=True)
def unguarded() -> Iterator[None]:
    """Files of tests are trusted; `test_isolated` asks for what protects from others."""
    with inside():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("masks")
