"""Every command and every piece of Python in the documentation runs.

In a temporary folder with short made-up videos (`material`), page by page, in order. A comment
directly above a block says why it is not run, or that it takes minutes (`pytest -m slow`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pages
from left_out import RAN

Ran = Callable[[str, str], None]  # told of each block
RUNNABLE = [p for p in pages.PAGES if any(b.when == "always" for b in pages.blocks(p))]
SLOW = [p for p in pages.PAGES if any(b.when == "slow" for b in pages.blocks(p))]


@pytest.mark.parametrize("page", RUNNABLE, ids=pages.name)
def test_blocks_run(page: Path, place: Path, record_property: Ran) -> None:
    run([b for b in pages.blocks(page) if b.when == "always"], record_property)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW, ids=pages.name)
def test_slow_blocks_run(page: Path, place: Path, record_property: Ran) -> None:
    run([b for b in pages.blocks(page) if b.when != "never"], record_property)


def run(blocks: list[pages.Block], ran: Ran) -> None:
    """Run blocks of one page: commands in shells, Python here in one namespace."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        if block.language == "sh":
            done = shell(block.code)
            assert done.returncode == 0, f"{block.place}: {done.returncode}\n{done.stdout}"
        else:
            code = "\n" * (block.line - 1) + block.code  # so that a traceback names the line
            exec(compile(code, str(block.page), "exec"), namespace)
        ran(RAN, block.place)


def shell(code: str) -> subprocess.CompletedProcess[str]:
    """Run commands until one fails."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
    )


def test_a_command_that_fails_is_noticed(place: Path) -> None:
    page = place / "page.md"
    block = pages.Block(pages.ROOT / page.name, 1, "sh", "false\ntrue\n", "always", "")
    ran: list[str] = []
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        run([block], lambda _, place: ran.append(place))
    assert not ran


def test_a_comment_counts_only_directly_above(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: hours -->\n```sh\na\n```\n\n<!-- not run: hours -->\n\n```sh\nb\n```\n"
        "<!-- slow: minutes -->\n```python\nc\n```\n```yaml\nd: 1\n```\n<!-- not run -->\n"
        "```sh\ne\n```\n"
    )
    found = [(b.code.strip(), b.when, b.line) for b in pages.blocks(page)]
    assert found == [
        ("a", "never", 3),
        ("b", "always", 9),
        ("c", "slow", 13),
        ("e", "always", 20),
    ]
    page.write_text("```console\n$ a\n```\n")
    with pytest.raises(ValueError, match="console"):
        pages.blocks(page)
