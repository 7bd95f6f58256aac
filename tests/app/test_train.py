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


@pytest.mark.parametrize(
    ("setting", "message"),
    [("steps", "write KEY=VALUE"), ("data.exclude=[a", r"'data.exclude=\[a': .* is not YAML")],
)
def test_a_setting_that_cannot_be_read_is_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.run([*ARGUMENTS, "--set", setting])
