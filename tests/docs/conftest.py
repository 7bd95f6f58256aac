"""Material for the documentation's commands, and a count of what was not run."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import material
import pages
import pytest

RAN = pytest.StashKey[list[pages.Block]]()


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `material` describes it; not to be written to."""
    folder = tmp_path_factory.mktemp("material")
    material.build(folder)
    for shared in ("recipes", "docs"):
        (folder / shared).symlink_to(pages.ROOT / shared)
    return folder


@pytest.fixture
def place(
    made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """A copy of it, which is the current folder."""
    folder = tmp_path / "place"
    shutil.copytree(made_up, folder, symlinks=True)
    monkeypatch.chdir(folder)
    request.config.stash.setdefault(RAN, [])
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ran(request: pytest.FixtureRequest) -> list[pages.Block]:
    """The blocks that were run, for the count at the end."""
    return request.config.stash.setdefault(RAN, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many blocks of the documentation were run, and why others were not."""
    if RAN not in config.stash:
        return
    ran = {block.place for block in config.stash[RAN]}
    rest = [b for page in pages.PAGES for b in pages.blocks(page) if b.place not in ran]
    terminalreporter.section("blocks of the documentation")
    terminalreporter.write_line(f"{len(ran)} run, {len(rest)} not:")
    reasons = Counter(f"{b.when}: {b.reason}" if b.reason else "not selected" for b in rest)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}")
