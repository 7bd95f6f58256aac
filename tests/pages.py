"""The pages of the documentation, and their fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "recipes").rglob("*.md")),
    *sorted((ROOT / "src/pixelkin/models/weights/default").glob("*.md")),
    ROOT / "tests/golden/README.md",
]
FENCE = re.compile(r"^```(?P<language>.*)\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)
COMMENT = re.compile(r"<!-- (?P<kind>not run|slow): (?P<reason>[^>\n]+) -->\n\Z")
SHOWN = {"yaml", "json", "bibtex", "text"}  # languages of blocks that are nothing to run


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: The file.
        line: Of its first line of code, from 1.
        language: "sh" or "python".
        code: Its text.
        when: "always"; "slow" and "never" by a comment directly above that says why.
        reason: What the comment says.
    """

    page: Path
    line: int
    language: str
    code: str
    when: Literal["always", "slow", "never"]
    reason: str

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """Its path in the repository."""
    return (page.relative_to(ROOT) if ROOT in page.parents else page).as_posix()


def without_code(page: Path) -> str:
    """Its text without fenced blocks and code spans."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def blocks(page: Path) -> list[Block]:
    """The blocks of commands and of Python, in order; ValueError for one of an unknown language."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        language = fence["language"]
        line = text.count("\n", 0, fence.start("code")) + 1
        if language in SHOWN:
            continue
        if language not in ("sh", "python"):
            raise ValueError(f"{name(page)}:{line}: a block of {language!r}; say sh or python")
        comment = COMMENT.search(text, 0, fence.start())
        when: Literal["always", "slow", "never"] = "always"
        if comment is not None:
            when = "slow" if comment["kind"] == "slow" else "never"
        reason = "" if comment is None else comment["reason"]
        found.append(Block(page, line, language, fence["code"], when, reason))
    return found
