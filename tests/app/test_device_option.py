"""--device: the same in all commands; results say what made them, and another may go on."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import torch

from pixelkin.annotation.session import Session
from pixelkin.app.cli import main
from pixelkin.formats.mask_png import read_mask
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation import run as running
from pixelkin.types import InputError

GIVEN = ["--labels", "mask.png", "--weights", "lab"]
COMMANDS = {
    "propagate": ["propagate", "frames", *GIVEN, "--out", "out"],
    "evaluate": ["evaluate", "davis", "--root", "DAVIS", "--weights", "lab", "--out", "out"],
    "keypoints": ["evaluate", "keypoints", "frames", "--truth", "points.json"],
    "compare": ["compare", "frames", "--labels", "mask.png", "--weights", "lab", "random"],
    "demo": ["demo", "--weights", "lab", "--out", "out"],
    "session new": ["session", "new", "out", "frames", *GIVEN],
    "session run": ["session", "run", "s"],
    "app": ["app", "frames", "--no-browser"],
}


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_that_is_not_there_is_one_line(
    command: str, device: str, davis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is one")
    if command == "session run":
        Session.create("s", "frames", encoder="lab").close()
    assert main([*COMMANDS[command], "--device", device]) == 2
    told = capsys.readouterr().err
    assert device in told and told.count("\n") == 1
    assert "finds none here" in told or "there are 0 GPUs" in told
    assert not (davis.parent / "out" / "run.json").exists()


def test_other_words_are_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS["propagate"], "--device", "gpu"]) == 2
    assert "--device" in capsys.readouterr().err


def devices(out: Path) -> list[str]:
    return list(json.loads((out / "run.json").read_text())["progress"]["devices"])


def test_another_device_goes_on_and_both_are_named(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which device decides near-ties alone: it is told, and is no reason to refuse."""

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == total - 1:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(running, "described", lambda _: "cuda (a GPU)")
        patch.setattr(running, "STATE_EVERY", 2)
        with pytest.raises(Stopped):
            running.propagate_to_folder("frames", "mask.png", "out", encoder="lab", progress=stop)
    assert devices(work / "out") == ["cuda (a GPU)"]
    done = running.propagate_to_folder("frames", "mask.png", "out", encoder="lab")
    assert done.resumed == 4 and done.device == "cpu"
    assert devices(work / "out") == ["cuda (a GPU)", "cpu"]
    again = [*COMMANDS["propagate"], "--device", "cpu"]
    assert main(again) == 2  # it is finished, whatever computed it
    assert main([*again, "--overwrite"]) == 0
    assert devices(work / "out") == ["cpu"]


def test_figures_of_a_benchmark_name_the_device(davis: Path) -> None:
    assert main([*COMMANDS["evaluate"], "--year", "2016", "--split", "val"]) == 0
    out = davis.parent / "out"
    assert json.loads((out / "result.json").read_text())["devices"] == ["cpu"]
    record = next((out / "records").iterdir())
    assert json.loads(record.read_text())["device"] == "cpu"
    # One of a GPU, from before: it stays, and is named.
    record.write_text(record.read_text().replace('"cpu"', '"cuda (a GPU)"'))
    assert main([*COMMANDS["evaluate"], "--year", "2016", "--split", "val"]) == 0
    assert json.loads((out / "result.json").read_text())["devices"] == ["cuda (a GPU)"]
    assert "on cuda (a GPU)" in (out / "table.md").read_text()


def test_a_session_is_told_once_and_a_run_may_say_otherwise(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # on a machine with a GPU
        patch.setattr(Encoder, "on", lambda self, device: self)
        assert main(["session", "new", "s", "frames", *GIVEN, "--device", "cuda"]) == 0
    with (
        Session.open("s") as session,
        pytest.raises(InputError, match=r"'cuda': torch .* finds none here"),
    ):
        list(session.propagate())
    assert main(["session", "run", "s", "--device", "cpu"]) == 0
    with sqlite3.connect(work / "s" / "session.db") as file:
        machines = [row[0] for row in file.execute("SELECT machine FROM run")]
    assert machines[-1].endswith(", cpu")


def test_a_session_of_before_takes_what_there_is(work: Path) -> None:
    with Session.create("s", "frames", encoder="lab") as session:
        session.label(0, read_mask("mask.png"))
    with sqlite3.connect(work / "s" / "session.db") as file:
        (text,) = file.execute("SELECT value FROM meta WHERE key='encoder'").fetchone()
        known = json.loads(text)
        assert known.pop("device") == "auto"
        file.execute("UPDATE meta SET value=? WHERE key='encoder'", (json.dumps(known),))
    assert main(["session", "run", "s"]) == 0


def test_onnx_is_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder("random", "onnx", "auto")
    assert encoder.device == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert load_encoder("random", "onnx", "auto").device == torch.device("cpu")
    for call in (encoder.on, lambda device: load_encoder("random", "onnx", device)):
        with pytest.raises(InputError, match="onnxruntime computes on the CPU alone"):
            call("cuda")


def test_many_videos_pass_it_on(work: Path) -> None:
    Path("jobs.csv").write_text("video,labels,out\nframes,mask.png,a\n")
    many = ["propagate", "--list", "jobs.csv", "--out", "many", "--weights", "lab"]
    assert main([*many, "--device", "cuda"]) == 1
    assert "finds none here" in Path("many/failures.csv").read_text()
    assert main([*many, "--device", "cpu"]) == 0
    assert devices(work / "many" / "a") == ["cpu"]
