"""The command line of `pixelkin train`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pixelkin.app.commands import train
from pixelkin.training import loop
from pixelkin.types import InputError

ARGUMENTS = ["recipe.yaml", "--data", "videos", "--out", "out"]


def test_every_setting_that_is_given_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, object] = {}

    def spy(*_: object, overrides: dict[str, object], **__: object) -> Any:
        seen.update(overrides)
        return SimpleNamespace(encoder=tmp_path, complete=True, is_main=True)

    monkeypatch.setattr(loop, "train", spy)
    train.run([*ARGUMENTS, "--set", "steps=5", "--set", "data.exclude=[a, b]"])
    assert seen == {"steps": 5, "data.exclude": ["a", "b"]}


@pytest.fixture
def recipe_of_one_stage(tmp_path: Path) -> list[str]:
    """Arguments of a training by a recipe that is right."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("steps: 2\nstages: [{objectives: [{name: known_geometry}]}]\n")
    return [str(recipe), "--data", str(tmp_path), "--out", str(tmp_path / "out")]


@pytest.mark.parametrize(
    ("setting", "message"),
    [("steps", "write KEY=VALUE"), ("data.exclude=[a", r"'data.exclude=\[a': .* is not YAML")],
)
def test_a_setting_that_cannot_be_read_is_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.run([*ARGUMENTS, "--set", setting])


def test_a_setting_that_is_wrong_is_not_the_files_fault(recipe_of_one_stage: list[str]) -> None:
    with pytest.raises(
        InputError, match=r"^--set step: unknown setting \(did you mean 'steps'\?\)"
    ):
        train.run([*recipe_of_one_stage, "--set", "step=10"])


def test_a_gpu_that_is_not_there_is_one_line_that_says_what_to_do(
    recipe_of_one_stage: list[str],
) -> None:
    with pytest.raises(InputError, match=r"^run.device: cuda, but .*: take cpu, or auto for what"):
        train.run([*recipe_of_one_stage, "--set", "run.device=cuda"])


def test_sequences_of_no_data_set_are_refused() -> None:
    with pytest.raises(InputError, match="--sequences chooses among those of --davis: give"):
        train.run([*ARGUMENTS, "--sequences", "bear,dog"])
