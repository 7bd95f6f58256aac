"""Commands that are killed at the very write of a file, and two commands in one folder."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.files import temporary_of
from pixelkin.formats.id_png import read_ids
from pixelkin.run_folder import LIST
from pixelkin.video.writer import write_image
from stopped import content, hidden, killed_at, waiting_at

HEIGHT, WIDTH, FRAMES = 48, 80, 12


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with frames, two masks of the first one, and a tree like DAVIS-2016's."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for t in range(FRAMES):
        image, mask = ground.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        image[12:36, 4 + 2 * t : 28 + 2 * t] = (210, 40, 30)
        mask[12:36, 4 + 2 * t : 28 + 2 * t] = 255
        write_image(Path(f"frames/{t:05d}.png"), image)
        if t < 5:
            write_image(Path(f"DAVIS/JPEGImages/480p/square/{t:05d}.jpg"), image)
            write_image(Path(f"DAVIS/Annotations/480p/square/{t:05d}.png"), mask)
    Path("DAVIS/ImageSets/2016").mkdir(parents=True)
    Path("DAVIS/ImageSets/2016/val.txt").write_text("square\n")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[12:36, 4:28] = 255
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(np.roll(mask, 30, axis=1)).save("other.png")
    return tmp_path


PROPAGATE = ["propagate", "frames", "--labels", "mask.png", "--weights", "lab", "--out"]
OTHER = ["propagate", "frames", "--labels", "other.png", "--weights", "lab", "--out"]
EVALUATE = ["evaluate", "davis", "--root", "DAVIS", "--year", "2016", "--weights", "lab"]
EXPERIMENT = ["experiment", "criteria", "--scale", "smoke", "--seeds", "0", "--minutes", "1e-6"]


@pytest.mark.parametrize(
    ("name", "nth"),
    [
        (".pixelkin-files", 1),
        ("run.json", 1),
        ("00000.png", 1),
        ("00007.json", 1),
        (".state.npz", 1),
        ("00011.json", 1),
        (".pixelkin-files", 2),
        ("run.json", 2),
        ("run.json", 3),
        ("overlay.mp4", 1),
    ],
)
def test_propagate_killed_at_a_write_ends_as_if_nothing_had_happened(
    work: Path, name: str, nth: int
) -> None:
    killed_at(name, *PROPAGATE, "killed", "--overlay", nth=nth)
    assert main([*PROPAGATE, "killed", "--overlay"]) == 0
    assert main([*PROPAGATE, "whole", "--overlay"]) == 0
    assert content(work / "killed", "overlay.mp4") == content(work / "whole", "overlay.mp4")
    assert json.loads(Path("killed/run.json").read_text())["complete"] is True
    assert Path("killed/overlay.mp4").is_file() and not hidden(work / "killed")


def test_propagate_killed_at_random_ends_as_if_nothing_had_happened(work: Path) -> None:
    rng = random.Random(0)
    for least in sorted(rng.sample(range(FRAMES), 3)):
        process = subprocess.Popen(
            [sys.executable, "-m", "pixelkin.app.cli", *PROPAGATE, "killed"],
            stderr=subprocess.DEVNULL,
        )
        while len(list(Path("killed").glob("frames/*"))) < least and process.poll() is None:
            time.sleep(0.001)
        time.sleep(0.005 * rng.random())
        process.kill()
        process.wait()
    assert main([*PROPAGATE, "killed", "--overlay"]) == 0
    assert main([*PROPAGATE, "whole"]) == 0
    assert content(work / "killed", "overlay.mp4", LIST) == content(work / "whole", LIST)
    assert not hidden(work / "killed")


@pytest.mark.parametrize(
    ("name", "nth"),
    [
        ("run.json", 1),
        ("00002.png", 1),
        ("square.json", 1),
        ("square.mp4", 1),
        ("result.json", 1),
        ("global_results-val.csv", 1),
        ("run.json", 2),
    ],
)
def test_evaluate_killed_at_a_write_ends_as_if_nothing_had_happened(
    work: Path, name: str, nth: int
) -> None:
    command = [*EVALUATE, "--videos", "--out"]
    killed_at(name, *command, "killed", nth=nth)
    assert main([*command, "killed"]) == 0
    assert main([*command, "whole"]) == 0
    timed = ("result.json", "table.md", "square.mp4")
    assert content(work / "killed", *timed) == content(work / "whole", *timed)
    assert not hidden(work / "killed")


@pytest.mark.parametrize("name", ["experiment.json", "results.csv", "report.md"])
def test_experiment_killed_at_a_write_goes_on(work: Path, name: str) -> None:
    killed_at(name, *EXPERIMENT, "--out", "killed")
    assert main([*EXPERIMENT, "--out", "killed", "--report-only"]) == 0
    assert Path("killed/criteria/report.md").is_file() and not hidden(work / "killed")


RECIPE = {
    "steps": 4, "batch": 4, "size": 32, "precision": "float32", "network": {"widths": [8, 8, 8]},
    "data": {"short_side": 48}, "stages": [{"objectives": [{"name": "known_geometry"}]}],
    "run": {"device": "cpu", "workers": 0, "threads": 1, "store": "", "checkpoint_every": 2,
            "batch_norm_frames": 4, "validate_scenes": 0, "report": False},
}  # fmt: skip


@pytest.fixture
def training(work: Path) -> list[str]:
    Path("tiny.yaml").write_text(yaml.safe_dump(RECIPE))
    shutil.copytree("frames", "clips/a")
    shutil.copytree("frames", "clips/b")
    return ["train", "tiny.yaml", "--data", "clips", "--out"]


def test_train_killed_at_a_write_ends_as_if_nothing_had_happened(
    work: Path, training: list[str]
) -> None:
    """One training after the other kill."""
    names = (
        ("recipe.yaml", 1),
        ("metrics.jsonl", 1),
        ("checkpoint.pt", 2),
        ("weights.safetensors", 2),
        ("config.json", 1),
    )
    for name, nth in names:
        killed_at(name, *training, "killed", nth=nth)
        assert name in {temporary_of(Path(p).name) for p in hidden(Path("killed"))}
    killed_at("report.png", *training, "killed", "--set", "run.report=true")
    assert main([*training, "killed", "--set", "run.report=true"]) == 0
    assert main([*training, "whole"]) == 0
    for encoder in ("encoder", "encoder_raw"):
        assert content(work / "killed" / encoder) == content(work / "whole" / encoder)
    assert Path("killed/report.png").is_file() and not hidden(work / "killed")


@pytest.mark.parametrize(
    ("name", "nth", "there"), [(".pixelkin-files", 1, 0), ("run.json", 1, 0), ("00011.png", 1, 10)]
)
def test_replacing_a_run_goes_on_where_it_was(
    work: Path, name: str, nth: int, there: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PROPAGATE, "out", "--overlay"]) == 0
    command = [*OTHER, "out", "--overwrite"]
    killed_at(name, *command, nth=nth)
    capsys.readouterr()
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert f"{FRAMES - there} frames in" in shown
    assert ("were there" in shown) == bool(there)
    assert main([*OTHER, "whole"]) == 0
    assert content(work / "out") == content(work / "whole")
    # Once it is finished, the same command replaces it.
    capsys.readouterr()
    assert main(command) == 0
    assert f"{FRAMES} frames in" in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], command: list[str]) -> str:
    capsys.readouterr()
    assert main(command) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pixelkin: error")]
    return line


def test_two_propagations_in_one_folder(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*PROPAGATE, "out"]
    with waiting_at("00003.json", *command):
        for other in (command, [*OTHER, "out", "--overwrite"]):
            assert "out is in use by another pixelkin command" in refused(capsys, other)
    assert main([*PROPAGATE, "whole"]) == 0
    assert content(work / "out") == content(work / "whole")
    # Before there is a mark as well.
    Path("go").unlink(), Path("waiting").unlink()
    with waiting_at("run.json", *PROPAGATE, "new"):
        assert "new is in use" in refused(capsys, [*OTHER, "new"])
    assert (read_ids(Path("new/masks/00000.png")) == read_ids(Path("mask.png")) // 255).all()


def test_two_evaluations_in_one_folder(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*EVALUATE, "--out", "out"]
    with waiting_at("result.json", *command):
        assert "out is in use by another" in refused(capsys, command)
        assert "out is in use by another" in refused(capsys, [*command, "--overwrite"])
    assert main(command) == 0


def test_two_trainings_in_one_folder(
    training: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with waiting_at("checkpoint.pt", *training, "out"):
        assert "out is in use by another" in refused(capsys, [*training, "out"])
    assert Path("out/encoder/config.json").is_file()


def test_one_experiment_twice_in_one_folder(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*EXPERIMENT, "--out", "out"]
    with waiting_at("report.md", *command):
        assert "out/criteria is in use by another" in refused(capsys, command)
        # Another one of the same settings may work beside it.
        other = ["experiment", "upper-threshold", *command[2:], "--report-only"]
        assert main(other) == 0
