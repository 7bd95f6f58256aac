"""The examples in docstrings (`>>>`) do what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from types import ModuleType

import material
import numpy as np
import pytest

import pages
import pixelkin

SOURCES = pages.ROOT / "src"
FILES = [p for p in sorted(SOURCES.rglob("*.py")) if ">>> " in p.read_text(encoding="utf-8")]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def module_of(path: Path) -> ModuleType:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCES).as_posix())
def test_examples_run(path: Path, place: Path) -> None:
    """Each with its module's names, and those that stand for what a reader has: frames, ids."""
    clip = material.Clip(frames=4)
    given = {
        "np": np,
        "pixelkin": pixelkin,
        "frame0": clip.frames[0],
        "frames": list(clip.frames[1:]),
        "ids": clip.ids[0],
    }
    module = module_of(path)
    found = doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs=given)
    examples = [test for test in found if test.examples]
    assert examples, "no docstring holds the example"
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    report: list[str] = []
    for test in examples:
        assert not any(doctest.SKIP in e.options for e in test.examples), test.name
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
