"""The command lines of `pixelkin tune`, `propagate --tune` and `compare`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest
import torch
import yaml

from pixelkin.app import cli
from pixelkin.models.encoder import describe_encoder, load_encoder
from pixelkin.ops import devices
from pixelkin.training import tuning

PROPAGATE = ["propagate", "video.mp4", "--labels", "mask.png", "--out", "out/video"]


@pytest.fixture
def brief(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which tunings take a second."""
    recipe = yaml.safe_load(tuning.RECIPE.read_text(encoding="utf-8"))
    recipe |= {"steps": 1, "size": 64, "precision": "float32"}
    recipe["run"] |= {"workers": 0, "store": str(work / "store")}
    (work / "tune.yaml").write_text(yaml.safe_dump(recipe))
    monkeypatch.setattr(tuning, "RECIPE", work / "tune.yaml")
    # Weights are compared elsewhere; here those after the last step are better.
    scores = iter(range(100))
    monkeypatch.setattr(tuning, "mutual_share", lambda *_: next(scores) / 100)
    board = ModuleType("torch.utils.tensorboard")
    board.__dict__["SummaryWriter"] = Board
    monkeypatch.setitem(sys.modules, board.__name__, board)
    return work


class Board(Mock):
    """TensorBoard as far as it leaves a file, whose name nobody else knows."""

    def __init__(self, folder: str = "", **_: object) -> None:
        super().__init__()
        if folder:
            Path(folder).mkdir(exist_ok=True)
            (Path(folder) / "events").touch()


def digest_in(folder: Path) -> str:
    content = json.loads((folder / "run.json").read_text())
    return str(content["encoder"]["weights"])


def test_propagate_tunes_once_and_carries_with_what_it_tuned(
    brief: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*PROPAGATE, "--tune"]) == 0
    tuned, default = (
        describe_encoder(load_encoder(name))["weights"] for name in ("out/video-tuned", "default")
    )
    assert digest_in(Path("out/video")) == tuned != default
    written = Path("out/video-tuned/weights.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    assert cli.main([*PROPAGATE, "--tune", "--overwrite"]) == 0
    assert "was there already" in capsys.readouterr().out
    assert Path("out/video-tuned/weights.safetensors").stat().st_mtime_ns == written


def test_results_of_other_weights_are_not_mixed(
    brief: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(PROPAGATE) == 0
    assert cli.main([*PROPAGATE, "--tune"]) == 2
    assert "no weights that it was made with: --overwrite" in capsys.readouterr().err
    assert not Path("out/video-tuned").exists()  # refused before the work
    assert cli.main([*PROPAGATE, "--tune", "--overwrite"]) == 0
    assert cli.main(PROPAGATE) == 2
    assert "another encoder" in capsys.readouterr().err


def test_a_video_that_has_changed_is_not_taken_for_the_old_one(
    brief: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = ["propagate", "frames", *PROPAGATE[2:]]
    assert cli.main([*frames, "--tune"]) == 0
    Path("frames/00005.png").write_bytes(Path("frames/00004.png").read_bytes())
    assert cli.main([*frames, "--tune"]) == 2
    assert "tuning to other frames than those of frames: --overw" in capsys.readouterr().err
    assert cli.main([*frames, "--tune", "--overwrite"]) == 0


def test_tune_gives_weights_for_every_command(
    brief: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tune", "video.mp4", "--out", "enc", "--threads", "1"]) == 0
    assert "enc: step 1; mutual matches by step: 0.0 % at 0, 1.0 % at 1" in capsys.readouterr().out
    command = ["compare", "video.mp4", "--labels", "mask.png", "4=mask.png"]
    command += ["--weights", "default", "enc", "--distances", "2", "--json", "c.json"]
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert "J in percent, labels of frame 0" in shown and "cycle 2" in shown and "moved" in shown
    found = json.loads(Path("c.json").read_text())
    assert list(found["weights"]) == ["default", "enc"]
    assert list(found["weights"]["enc"]["truth"]) == ["4"]
    assert cli.main(command) == 2
    assert "c.json exists" in capsys.readouterr().err


def test_the_device_is_handed_on(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def spy(*_: object, device: str, **__: object) -> tuning.Tuned:
        asked.append(device)
        return tuning.Tuned(Path("enc"), 0, {0: 0.5})

    monkeypatch.setattr(tuning, "tune", spy)
    monkeypatch.setattr(devices, "find_device", lambda name: torch.device("cpu"))
    assert cli.main(["tune", "video.mp4", "--out", "enc"]) == 0
    assert cli.main(["tune", "video.mp4", "--out", "enc", "--device", "cuda"]) == 0
    capsys.readouterr()
    for device in ("cuda", "cpu", "mps"):
        assert cli.main([*PROPAGATE, "--tune", "--device", device]) == 2  # enc is not there
    assert asked == ["auto", "cuda", "cuda", "cpu", "cpu"]
    assert "tuning computes on the processor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("distances", "told"),
    [
        ([], "--distances 10, 20, 40 left out, as 5 frames follow frame 0\n"),
        (["2", "9"], "--distances 9 left out, as 5 frames follow frame 0\n"),
        (["5", "9"], "--distances 9 left out, as 5 frames follow frame 0\n"),
        (["9"], "--distances 9 left out, as 5 frames follow frame 0, and 5 is taken instead\n"),
        (["2"], ""),
    ],
)
def test_distances_beyond_the_end_are_named(
    work: Path, capsys: pytest.CaptureFixture[str], distances: list[str], told: str
) -> None:
    command = ["compare", "frames", "--labels", "mask.png", "--weights", "lab"]
    assert cli.main([*command, *(["--distances", *distances] if distances else [])]) == 0
    assert told in (said := capsys.readouterr().out) and ("left out" in said) == bool(told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune", "video.mp4", "--out", "x", "--threads", "0"], "--threads 0"),
        (["tune", "video.mp4", "--out", "x", "--steps", "0"], "steps: 0 must be at least 1"),
        (["tune", "video.mp4", "--out", "x", "--steps", "0"], "error: --steps: 0 must be at lea"),
        (["tune", "video.mp4", "--out", "x", "--seed", "-1"], "error: --seed: -1 must be at lea"),
        (["tune", "video.mp4", "--out", "x", "--device", "cuda"], "finds none here"),
        (["tune", "video.mp4", "--out", "x", "--weights", "none"], "no encoder 'none'"),
        (["tune", "video.mp4", "--out", "nothing/../frames"], "is not a run's folder"),
        (["compare", "video.mp4", "--labels", "mask.png", "--weights", "none"], "no encoder"),
    ],
)
def test_bad_input_is_one_line(
    brief: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and message in error[0]


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has such a GPU")
def test_a_missing_gpu_is_told_before_tuning(
    brief: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*PROPAGATE, "--tune", "--device", "mps"]) == 2
    told = capsys.readouterr().err
    assert "mps" in told and told.count("\n") == 1
    assert not Path("out").exists()
