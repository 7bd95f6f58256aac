"""Where a confidence is not the J to be expected, every command says so, once and in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelkin.app.cli import main
from pixelkin.app.doubts import doubt

OTHERS = "calibrated for the default weights, not for these"


@pytest.mark.parametrize(
    ("meaning", "weights", "told"),
    [
        ("J to be expected", "default", ""),
        ("J to be expected", "lab", OTHERS),
        ("share of the votes, not calibrated", "default", "share of the votes, not calibrated"),
        ("share of the votes, not calibrated", "lab", "share of the votes, not calibrated"),
    ],
)
def test_what_is_to_be_said(meaning: str, weights: str, told: str) -> None:
    assert doubt(meaning, weights) == told


@pytest.mark.parametrize("weights", ["lab", "default"])
def test_sessions_say_what_propagate_says(
    work: Path, capsys: pytest.CaptureFixture[str], weights: str
) -> None:
    given = ["frames", "--labels", "mask.png", "--weights", weights]
    assert main(["session", "new", "s", *given]) == 0
    for command in (["propagate", *given, "--out", "out"], ["session", "run", "s"]):
        capsys.readouterr()
        assert main(command) == 0
        assert capsys.readouterr().out.count(OTHERS) == (weights != "default"), command
    assert main(["session", "suggest", "s"]) == 0
    said = capsys.readouterr().out
    assert said.count(f"confidence of mask: {OTHERS}\n") == (weights != "default")
