from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixelkin.training.checkpoint import load_checkpoint
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train


def test_two_processes_train_like_one(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    """The same recipe; batch-norm sees the same clips together in two micro-batches of one process.

    Equal up to the order in which gradients are summed: also the clips, the objectives' state and
    the weights in the end.
    """
    changes = [
        "steps=10",
        "run.threads=1",
        "stages.1.objectives.1.settings.mining.confidence.threshold=0.2",
    ]
    two, one = tmp_path / "two", tmp_path / "one"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "pixelkin.app.cli", "train", str(recipe_file)]
    command += [word for change in changes for word in ("--set", change)]
    command += ["--data", str(frames), "--out", str(two)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("complete: ") == 1  # one of them talks to the user
    overrides = {
        "steps": 10,
        "stages.1.objectives.1.settings.mining.confidence.threshold": 0.2,
        "accumulate": 2,
    }
    train(recipe_file, [frames], one, overrides=overrides)
    curves = [[x["loss"] for x in read_metrics(run / "metrics.jsonl")] for run in (one, two)]
    assert len(curves[0]) == len(curves[1]) == 10
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)
    a, b = (load_checkpoint(run / "checkpoint.pt") for run in (one, two))
    for name in ("net.conv1.weight", "net.layer3.1.conv2.weight"):
        torch.testing.assert_close(a["encoder"][name], b["encoder"][name], atol=2e-3, rtol=0)
        torch.testing.assert_close(a["average"][name], b["average"][name], atol=2e-3, rtol=0)
    start = Path(two / "encoder" / "config.json").read_text()
    assert '"step": 10' in start
