from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixelkin.training.checkpoint import load_checkpoint
from pixelkin.training.distributed import fast_bfloat16, start_processes
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.types import InputError


def test_two_processes_train_like_one(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    """The same recipe; batch-norm sees the same clips together in two passes of one process.

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
    command += ["--nproc-per-node", "2", "-m", "pixelkin.training", str(recipe_file), *changes]
    command += ["--data", str(frames), "--out", str(two)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
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


def test_a_single_process_needs_no_set_up() -> None:
    with start_processes("cpu") as processes:
        assert (processes.rank, processes.count, processes.is_main) == (0, 1, True)
        assert processes.gather(5) == [5]
        assert processes.mean({"a": 2.0}) == {"a": 2.0}
        network = torch.nn.Linear(2, 2)
        assert processes.wrap(network) is network
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_asking_for_a_missing_gpu_is_an_input_error() -> None:
    with (
        pytest.raises(InputError, match=r"run.device: cuda, but there are 0 GPUs"),
        start_processes("cuda"),
    ):
        pass


def test_fast_bfloat16_is_what_the_processor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for says, fast in (({"amx_bf16": True}, True), ({"avx512_bf16": True}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda says=says: says, raising=False)
        assert fast_bfloat16(cpu) is fast
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fast_bfloat16(cpu) is False
