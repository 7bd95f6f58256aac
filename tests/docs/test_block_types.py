"""Every piece of Python in the documentation passes the strictest check of types.

Pages are checked together, as mypy reads pixelkin and torch once for all: 15 seconds, and one where
`make check` has been before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pages

WRONG = """
import pixelkin

for prediction in pixelkin.propagate("video.mp4", pixelkin.read_mask("first_frame.png")):
    prediction.labels.ids
"""


def test_python_of_the_documentation_has_the_right_types(tmp_path: Path) -> None:
    """And what is wrong, as labels may be points, is found."""
    pytest.importorskip("mypy")
    for page in pages.PAGES:
        code = ""
        for block in pages.blocks(page):
            if block.language == "python":  # at its own line, so that errors name it
                code += "\n" * (block.line - 1 - code.count("\n")) + block.code
        if code:
            file = pages.name(page).replace("/", "__").removesuffix(".md")
            (tmp_path / f"{file}.py").write_text(code, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    assert (tmp_path / "README.py").exists()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(tmp_path)],
        cwd=pages.ROOT,  # whose settings and cache it takes
        capture_output=True,
        text=True,
    )
    # The cache remembers what it found, with the folder where that was.
    found = [Path(path).name + ":" + rest for path, rest in places(done.stdout)]
    expected = 'wrong.py:5: error: "Labels" has no attribute "ids"  [attr-defined]'
    assert found == [expected], done.stdout + done.stderr


def places(told: str) -> list[tuple[str, str]]:
    """File and remark of each line."""
    return [(path, rest) for path, _, rest in (x.partition(":") for x in told.splitlines())]
