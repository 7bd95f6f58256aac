"""Trainings that are interrupted where something else than a step is due, or lose a worker."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pixelkin.models.encoder import Encoder
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.trainer import Trainer
from pixelkin.types import InputError


class Interrupted(Trainer):
    """Ctrl-C in the fourth step, which a validation follows."""

    def train_step(self, *given: Any) -> dict[str, float]:
        figures = super().train_step(*given)
        if self.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return figures


@pytest.mark.parametrize("steps", [8, 4])
def test_a_validation_that_an_interrupt_left_out_is_made_later(
    frames: Path, recipe_file: Path, tmp_path: Path, steps: int
) -> None:
    """An experiment scores the encoders of these steps: none may be missing. Also the last one."""
    seen: dict[str, list[float]] = {"run": [], "whole": []}

    def judge(name: str, encoder: Encoder) -> dict[str, float]:
        seen[name].append(float(encoder.net.conv1.weight.detach().sum()))
        return {"sum": seen[name][-1]}

    def log(name: str) -> list[tuple[int, float | None]]:
        lines = read_metrics(tmp_path / name / "metrics.jsonl")
        return [(line["step"], line.get("validation/sum")) for line in lines]

    changes = {"steps": steps, "run.validate_every": 4, "run.checkpoint_every": 100}
    trained = partial(train, recipe_file, [frames], overrides=changes)
    with mock.patch("pixelkin.training.loop.Trainer", Interrupted):
        stopped = trained(tmp_path / "run", validate=partial(judge, "run"))
    assert stopped.step == 4 and stopped.encoder is None and seen["run"] == []
    for name in ("run", "whole"):
        trained(tmp_path / name, validate=partial(judge, name))
    assert seen["run"] == seen["whole"] and len(seen["run"]) == steps // 4
    assert log("run") == log("whole") and [step for step, _ in log("run")] == list(range(steps))


def dies(*_: Any, **__: Any) -> None:
    """What happens to a process where the system is short of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_the_system_kills_is_one_line(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    changes = {"run.workers": 1}
    with (
        mock.patch("pixelkin.data.clips._collate", dies),
        pytest.raises(InputError, match=r"has died: .*--shm-size.*run\.workers=0"),
    ):
        train(recipe_file, [frames], tmp_path / "run", overrides=changes)
