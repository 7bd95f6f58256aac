from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pixelkin.app.cli import main
from pixelkin.models.encoder import Encoder, load_encoder, save_encoder
from pixelkin.models.whitening import whitened
from pixelkin.training.checkpoint import load_checkpoint, save_checkpoint
from pixelkin.training.config import load_recipe
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.tuning import tune
from pixelkin.types import InputError


def equal(a: Any, b: Any) -> bool:
    """Whether two nested states are the same, bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else bool(a == b)


def same_training(one: Path, two: Path) -> bool:
    a, b = (load_checkpoint(run / "checkpoint.pt") for run in (one, two))
    weights = [(run / "encoder" / "weights.safetensors").read_bytes() for run in (one, two)]
    return equal(a, b) and weights[0] == weights[1]


def losses(run: Path) -> list[tuple[int, float]]:
    return [(x["step"], x["loss"]) for x in read_metrics(run / "metrics.jsonl")]


def test_killed_and_resumed_equals_uninterrupted(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    changes = {"steps": 60, "run.checkpoint_every": 7}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = train(recipe_file, [frames], whole, overrides=changes)
    assert result.complete
    assert len(losses(whole)) == 60
    command = [sys.executable, "-m", "pixelkin.app.cli", "train", str(recipe_file)]
    for setting in ("steps=60", "run.checkpoint_every=7", "run.workers=1"):
        command += ["--set", setting]
    command += ["--data", str(frames), "--out", str(killed)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def signalled(number: int, step: int) -> tuple[int, str]:
        """Exit code and messages of a run whose whole group is signalled at a step."""
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, start_new_session=True
        )
        while process.poll() is None and len(losses(killed)) < step:
            time.sleep(0.002)
        os.killpg(process.pid, number)
        told = process.communicate()[1].decode()
        return process.returncode, told

    code, told = signalled(signal.SIGKILL, 37)
    assert code == -signal.SIGKILL, told
    assert load_checkpoint(killed / "checkpoint.pt")["step"] in (35, 42)  # in the second stage
    code, told = signalled(signal.SIGTERM, 45)
    assert code == 130, told
    assert "interrupted at step" in told
    assert not (killed / "encoder").exists()
    (killed / ".checkpoint.0123abcd.pt").write_bytes(b"half a checkpoint")
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
    assert same_training(whole, killed)
    assert losses(whole) == losses(killed)
    assert not list(killed.glob(".*.pt"))


def test_training_learns(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    plain = {"scale": [0.8, 1.0], "rotation": 0, "flip": 0}
    plain |= dict.fromkeys(("brightness", "contrast", "saturation", "hue", "greyscale"), 0)
    changes = {"steps": 66, "stages.0.share": 0.9, "stages.1.share": 0.1}
    changes |= {"augmentation": plain, "optimiser.learning_rate": 1e-2}
    train(recipe_file, [frames], tmp_path / "run", overrides=changes)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    accuracy = [x["known_geometry/accuracy"] for x in lines[:59]]
    assert sum(accuracy[-10:]) > 2 * sum(accuracy[:10])
    assert {x["stage"] for x in lines[59:]} == {1.0}
    assert all("mined_contrast/m2" in x for x in lines[59:])


def test_a_folder_of_somebody_elses_is_left_alone(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    mine = {"recipe.yaml": "steps: 3  # mine", "metrics.jsonl": "{}", "notes.txt": "precious"}
    for name, text in mine.items():
        (out / name).write_text(text)
    with pytest.raises(InputError, match=r"holds something else, metrics.jsonl, and is not a run"):
        train(recipe_file, [frames], out)
    assert {p.name: p.read_text() for p in out.iterdir()} == mine


def test_encoders_in_half_precision_are_half_as_large(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    for name, half in (("whole", False), ("half", True)):
        train(recipe_file, [frames], tmp_path / name, overrides={"run.half": half, "steps": 2})
    files = [tmp_path / n / "encoder" / "weights.safetensors" for n in ("whole", "half")]
    whole, half = (sum(v.nbytes for v in load_file(f).values()) for f in files)
    assert half < 0.51 * whole
    first, second = (load_encoder(f.parent).state_dict() for f in files)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-6)


def test_what_a_run_leaves_behind(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = train(recipe_file, [frames], out, overrides={"run.report": True, "steps": 4})
    assert (result.step, result.steps, result.encoder) == (4, 4, out / "encoder")
    names = {p.name for p in out.iterdir()} - {"tensorboard"}
    assert names == {
        "checkpoint.pt", "encoder", "encoder_raw", "metrics.jsonl", "recipe.yaml", "report.png",
        "run.json", ".pixelkin-files",
    }  # fmt: skip
    shipped, raw = load_encoder(out / "encoder"), load_encoder(out / "encoder_raw")
    facts = shipped.config.meta["training"]
    assert (facts["step"], facts["videos"], facts["frames"]) == (4, 6, 72)
    state = load_checkpoint(out / "checkpoint.pt")
    for encoder, key in ((shipped, "average"), (raw, "encoder")):
        for name, value in encoder.named_parameters():
            assert torch.equal(value, state[key][name])
        # Statistics were measured anew, on whole frames.
        assert not torch.equal(encoder.net.bn1.running_mean, state[key]["net.bn1.running_mean"])
    assert not torch.equal(shipped.net.conv1.weight, raw.net.conv1.weight)
    # Once more: the same recipe from recipe.yaml, nothing left to do, the same encoder.
    before = (out / "encoder" / "weights.safetensors").read_bytes()
    assert train(out / "recipe.yaml", [frames], out).complete
    assert (out / "encoder" / "weights.safetensors").read_bytes() == before
    assert len(losses(out)) == 4


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_limit_stops_with_a_checkpoint_to_resume_from(
    frames: Path, recipe_file: Path, tmp_path: Path, precision: str
) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    changes = {"precision": precision}
    stopped = train(recipe_file, [frames], out, overrides={**changes, "run.limit_minutes": 1e-6})
    assert (stopped.step, stopped.complete, stopped.encoder) == (1, False, out / "encoder")
    assert load_encoder(out / "encoder").config.meta["training"]["step"] == 1
    assert train(recipe_file, [frames], out, overrides=changes).complete
    train(recipe_file, [frames], whole, overrides=changes)
    assert same_training(whole, out)
    assert load_checkpoint(out / "checkpoint.pt")["precision"] == precision


def test_frames_may_wait_anywhere(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    """The weights are the same; those of batched views differ from those of single ones, a bit."""
    batched = {"data.rendering": "batched"}
    trainings: dict[str, dict[str, object]] = {
        "single": {},
        "held": {"run.frames": "memory", "run.store": "", "run.workers": 1},
        "batched": batched,
        "batched and held": {**batched, "run.frames": "device"},
    }
    for name, changes in trainings.items():
        train(recipe_file, [frames], tmp_path / name, overrides=changes)
    assert same_training(tmp_path / "single", tmp_path / "held")
    assert same_training(tmp_path / "batched", tmp_path / "batched and held")
    single, other = (dict(losses(tmp_path / name)) for name in ("single", "batched"))
    assert single != other
    assert abs(single[0] - other[0]) < 1e-3
    with pytest.raises(InputError, match=r"recipe.data.rendering"):
        train(recipe_file, [frames], tmp_path / "single", overrides=batched)


def test_interrupt_stops_after_the_step(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"

    def interrupt() -> None:
        while len(losses(out)) < 3:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    changes = {"steps": 30, "run.checkpoint_every": 1000}
    stopped = train(recipe_file, [frames], out, overrides=changes)
    thread.join()
    assert 3 <= stopped.step < 30
    assert stopped.encoder is None
    assert load_checkpoint(out / "checkpoint.pt")["step"] == stopped.step
    train(recipe_file, [frames], out, overrides=changes)
    train(recipe_file, [frames], whole, overrides=changes)
    assert same_training(whole, out)


def test_validation_sees_the_averaged_encoder(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    seen: list[float] = []

    def validate(encoder: Encoder) -> dict[str, float]:
        assert not encoder.training
        seen.append(float(encoder.net.conv1.weight.detach().sum()))
        encoder.net.conv1.weight.data.zero_()  # a copy: the training does not notice
        return {"J": len(seen) / 10}

    out = tmp_path / "run"
    changes = {"run.validate_every": 5}
    result = train(recipe_file, [frames], out, overrides=changes, validate=validate)
    assert result.figures["validation/J"] == 0.3
    lines = read_metrics(out / "metrics.jsonl")
    assert {x["step"]: x.get("validation/J") for x in lines if "validation/J" in x} == {
        4: 0.1, 9: 0.2, 11: 0.3}  # fmt: skip
    weight = load_encoder(out / "encoder").net.conv1.weight.detach()
    assert float(weight.sum()) == seen[-1]
    train(recipe_file, [frames], tmp_path / "without")
    assert same_training(tmp_path / "without", out)


LONGER = {"network.temperature": 0.01}


def test_init_starts_from_an_encoder(
    frames: Path, recipe_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(recipe_file, [frames], tmp_path / "first")
    start = str(tmp_path / "first" / "encoder")
    changes: dict[str, object] = {"init": start, "steps": 2, "optimiser.learning_rate": 1e-12}
    train(recipe_file, [frames], tmp_path / "second", overrides=changes)
    one, two = load_encoder(start), load_encoder(tmp_path / "second" / "encoder")
    torch.testing.assert_close(one.net.conv1.weight, two.net.conv1.weight, atol=1e-6, rtol=0)
    assert not caplog.messages
    train(recipe_file, [frames], tmp_path / "longer", overrides={**changes, **LONGER})
    assert [m for m in caplog.messages if "temperature" in m and "0.01" in m]
    with pytest.raises(
        InputError, match=r"init: .* does not fit network: widths are .*, not \(8, 8, 16\)"
    ):
        changes["network.widths"] = [8, 8, 16]
        train(recipe_file, [frames], tmp_path / "third", overrides=changes)


def test_a_head_is_trained_where_the_recipe_has_one(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    start = load_recipe(recipe_file).network
    white = whitened(Encoder(start).eval(), [np.asarray(Image.open(next(frames.rglob("*.png"))))])
    save_encoder(white, tmp_path / "white")
    changes: dict[str, object] = {"init": str(tmp_path / "white"), "steps": 2}
    with pytest.raises(InputError, match=r"does not fit network: head is 8, not None: set network"):
        train(recipe_file, [frames], tmp_path / "first", overrides=changes)
    changes["network.head"] = 8
    train(recipe_file, [frames], tmp_path / "second", overrides=changes)
    trained = load_encoder(tmp_path / "second" / "encoder")
    assert trained.config.head == 8
    moved = trained.net.head.weight - white.net.head.weight
    assert 0 < moved.abs().max() < 0.1


def test_another_training_is_not_overwritten(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(recipe_file, [frames], out, overrides={"steps": 2})
    with pytest.raises(InputError, match=r"other settings: recipe.steps \(2 -> 12\)"):
        train(recipe_file, [frames], out)
    with pytest.raises(InputError, match=r"already holds a training"):
        train(recipe_file, [frames], out, overrides={"steps": 2}, resume=False)
    missing = r"started on other videos than these 1 \(missing: video0, video2, video3 and 2 more\)"
    with pytest.raises(InputError, match=missing):
        train(recipe_file, [frames / "video1"], out, overrides={"steps": 2})
    (out / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match=r"already holds an encoder"):
        train(recipe_file, [frames], out, overrides={"steps": 2})


def test_a_clip_that_was_replaced_is_noticed(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    """By another one of the same name, size and length; a copy of the data is not another one."""
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(frames, data)
    picture = data / "video3" / "001.png"
    with Image.open(picture) as image:
        turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image.save(picture, compress_level=0)  # so that others are of as many bytes
    train(recipe_file, [data], out, overrides={"run.limit_minutes": 1e-6})
    shutil.copytree(data, tmp_path / "copy" / "data")
    for path in (tmp_path / "copy" / "data").rglob("*.png"):
        path.touch()
    assert train(recipe_file, [tmp_path / "copy" / "data"], out).complete
    size = picture.stat().st_size
    turned.save(picture, compress_level=0)
    assert picture.stat().st_size == size
    with pytest.raises(InputError, match="some of these 6 have been replaced since"):
        train(recipe_file, [data], out)
    # Checkpoints of version 0.1 do not know the files: they are taken up.
    old = load_checkpoint(out / "checkpoint.pt")
    del old["content"]
    save_checkpoint(out / "checkpoint.pt", old)
    assert train(recipe_file, [data], out).complete


def test_divergence_is_an_input_error(frames: Path, recipe_file: Path, tmp_path: Path) -> None:
    changes = {"optimiser.learning_rate": 1e30, "optimiser.schedule": "constant"}
    changes |= {"run.workers": 1}
    with pytest.raises(InputError, match=r"became (nan|inf) in step \d+: lower") as error:
        train(recipe_file, [frames], tmp_path / "run", overrides=changes)
    assert not multiprocessing.active_children(), "workers wait for an error to be forgotten"
    del error


def test_command_line(frames: Path, recipe_file: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    command = ["train", str(recipe_file), "--data", str(frames), "--out", str(out), "--set"]
    assert main([*command, "steps=2", "--set", "seed=3"]) == 0
    assert len(losses(out)) == 2
    assert (
        json.loads((out / "encoder" / "config.json").read_text())["meta"]["training"]["seed"] == 3
    )
    capsys.readouterr()
    assert main([*command, "stepps=2"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "stepps: unknown setting" in told
    assert main([*command, "steps"]) == 2


def test_one_path_is_one_path(recipe_file: Path, tmp_path: Path) -> None:
    """Its letters are no paths: of /..., the first would be all that the machine holds."""
    for path in (str(tmp_path / "none"), tmp_path / "none"):
        with pytest.raises(InputError, match=f"{tmp_path / 'none'} does not exist"):
            train(recipe_file, path, tmp_path / "out")  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"{tmp_path / 'none'}"):
            tune(path, tmp_path / "out")  # type: ignore[arg-type]
