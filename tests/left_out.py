"""What the end of a test run says of that which was left out.

The process that prints it may be one that starts others, and runs no test itself: all it knows are
the reports of tests, and the conftest.py at the top.
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

import pages

TESTS = Path(__file__).resolve().parent
RAN = "block of the documentation"
"""The property of a test's report that names a block which was run."""

NO_ENCODER = "this FFmpeg has no encoder"
NO_VIDEOS = "shared/data with real videos is not beside this checkout"
NO_GPU = "torch finds no GPU here"
NO_BROWSER = "no Chromium with Playwright: make setup-browser"
NEEDS = {  # folders whose tests are not collected without packages
    "app/server": (("fastapi",), "pip install 'pixelkin[app]'"),
    "app/browser": (("fastapi", "playwright"), "make setup-browser"),
}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how much was left out, and why."""
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    for why in (NO_VIDEOS, NO_BROWSER, NO_ENCODER, NO_GPU):
        if count := sum(why in reason for reason in skipped):
            _tell(terminalreporter, f"{count} tests skipped: {why}")
    for folder, (packages, remedy) in NEEDS.items():
        if not all(map(find_spec, packages)) and _is_asked_for(TESTS / folder, config):
            found = (TESTS / folder).glob("test_*.py")
            count = sum(path.read_text("utf-8").count("\ndef test_") for path in found)
            _tell(terminalreporter, f"{count} tests of tests/{folder} left out: {remedy}")
    _tell_blocks(terminalreporter)


def _tell(terminalreporter: pytest.TerminalReporter, what: str) -> None:
    terminalreporter.write_sep("=", what, yellow=True, bold=True)


def _is_asked_for(folder: Path, config: pytest.Config) -> bool:
    asked = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    return any(folder.is_relative_to(path.resolve()) for path in asked)


def _tell_blocks(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many blocks of the documentation were run, and why others were not."""
    ran = {
        place
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, place in getattr(report, "user_properties", ())
        if name == RAN
    }
    if not ran:
        return
    rest = [b for page in pages.PAGES for b in pages.blocks(page) if b.place not in ran]
    terminalreporter.section("blocks of the documentation")
    terminalreporter.write_line(f"{len(ran)} run, {len(rest)} not:")
    reasons = Counter(f"{b.when}: {b.reason}" if b.reason else "not selected" for b in rest)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}")
