"""pixelkin encoder: checkpoints in, encoders out, and what is said of both."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file

import pixelkin
from pixelkin.app.cli import main
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from pixelkin.models.resnet import ResNet18
from pixelkin.video.writer import VideoWriter

RNG = np.random.default_rng(0)
WIDTHS = (4, 8, 16, 8)
FRAMES = [RNG.integers(0, 255, (48, 80, 3), dtype=np.uint8) for _ in range(3)]


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    with VideoWriter("video.mp4", fps=8, size=(48, 80)) as writer:
        for frame in FRAMES:
            writer.write(frame)
    ids = np.zeros((48, 80), np.uint8)
    ids[10:30, 20:50] = 1
    Image.fromarray(ids).save("first_frame.png")
    return tmp_path


def test_a_checkpoint_becomes_an_encoder_that_propagates(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ResNet18(widths=WIDTHS).state_dict()
    padded = {re.sub(r"(conv[12])\.weight", r"\1.1.weight", name): w for name, w in plain.items()}
    torch.save({"model": {f"encoder.model.{name}": w for name, w in padded.items()}}, "crw.pth")
    given = ["propagate", "video.mp4", "--labels", "first_frame.png"]
    assert main([*given, "--out", "o", "--weights", "crw.pth"]) == 2
    assert "crw.pth is a checkpoint, no encoder yet: pixelkin encoder import crw.pth --out" in (
        capsys.readouterr().err
    )
    assert main(["encoder", "import", "crw.pth", "--out", "crw"]) == 0
    said = capsys.readouterr().out
    assert "by the rules of crw" in said and "missing 0" in said
    assert "encoder.model.bn1.weight -> bn1.weight" in said
    assert "ignored" in said and "resnet18, stride 8, 16 channels" in " ".join(said.split())
    assert main(["encoder", "show", "crw"]) == 0
    assert "resnet18, stride 8, 16 channels" in capsys.readouterr().out
    assert main([*given, "--out", "o", "--weights", "crw"]) == 0
    assert len(list(Path("o/masks").iterdir())) == 3


def test_what_is_there_is_not_replaced(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(ResNet18(widths=WIDTHS).state_dict(), "r.pth")
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    assert main(["encoder", "import", "r.pth", "--out", "mine"]) == 2
    assert "no encoder, so it is not replaced" in capsys.readouterr().err
    assert main(["encoder", "import", "r.pth", "--out", "e"]) == 0
    assert main(["encoder", "import", "r.pth", "--out", "e"]) == 2
    assert main(["encoder", "import", "r.pth", "--out", "e", "--overwrite", "--stages", "4"]) == 0
    assert len(load_encoder("e").config.widths) == 4
    assert main(["encoder", "import", "none.pth", "--out", "f"]) == 2
    assert main(["encoder", "import", "mine", "--out", "f"]) == 2
    assert main(["encoder", "nothing"]) == 2
    assert not Path("f").exists()


def test_an_encoder_is_whitened(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_encoder(Encoder(EncoderConfig(widths=(4, 8))), "plain")
    given = ["encoder", "whiten", "plain", "video.mp4", "--frames", "3", "--out"]
    assert main([*given, "white"]) == 0
    assert "resnet18, stride 8, 8 channels" in " ".join(capsys.readouterr().out.split())
    assert load_encoder("white").config.head == 8
    assert main([*given, "white"]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert main([*given, "white", "--overwrite", "--power", "1"]) == 0
    labels = ["--labels", "first_frame.png", "--out", "o"]
    assert main(["propagate", "video.mp4", *labels, "--weights", "white"]) == 0
    for wrong, why in (
        (["encoder", "whiten", "plain", "--out", "x"], "give videos whose frames are looked at"),
        ([*given, "x", "--power", "2"], "--power: 2.0 must be at least 0 and at most 1"),
        (["encoder", "whiten", "lab", "video.mp4", "--out", "x"], "'lab' is not whitened"),
    ):
        capsys.readouterr()
        assert main(wrong) == 2
        assert why in capsys.readouterr().err
    assert not Path("x").exists()


def test_weights_that_are_unfit_are_one_line(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_encoder(Encoder(EncoderConfig(widths=(4, 4))), "e")
    state = load(Path("e/weights.safetensors").read_bytes())
    state["net.conv1.weight"][0] = torch.nan
    save_file(state, "e/weights.safetensors")
    given = ["propagate", "video.mp4", "--labels", "first_frame.png", "--out", "o"]
    assert main([*given, "--weights", "e"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "net.conv1.weight holds values that are not a number" in said
    assert main(["session", "new", "s", "video.mp4", "--weights", "e"]) == 2
    assert "not a number" in capsys.readouterr().err
    assert not Path("o").exists() and not Path("s").exists()


def test_a_frame_whose_features_are_not_finite_is_named(video: Path) -> None:
    """Also backwards, where frames are counted otherwise."""

    class Odd(Encoder):
        def forward(self, rgb: torch.Tensor) -> torch.Tensor:
            features = super().forward(rgb)
            return features * torch.nan if float(rgb.mean()) > 0.7 else features

        def for_inference(self, stride: int, dtype: torch.dtype = torch.float32) -> Encoder:
            return self

    encoder = Odd(EncoderConfig(widths=(4, 4))).eval()
    frames = [*FRAMES, np.full((48, 80, 3), 255, np.uint8), *FRAMES]
    with VideoWriter("odd.mp4", fps=8, size=(48, 80)) as writer:
        for frame in frames:
            writer.write(frame)
    labels = pixelkin.read_mask("first_frame.png")
    for keyframe in (0, 5):
        with pytest.raises(pixelkin.InputError, match=r"^frame 3: .*not finite"):
            list(pixelkin.propagate("odd.mp4", {keyframe: labels}, encoder=encoder, over_cuts=True))


def test_onnx_runs_a_propagation_and_a_session(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    save_encoder(Encoder(EncoderConfig(widths=(8, 16))), "e")
    assert main(["encoder", "export", "e", "--onnx", "e.onnx"]) == 0
    assert "features differ from PyTorch's by" in " ".join(capsys.readouterr().out.split())
    assert main(["encoder", "export", "e", "--onnx", "e.onnx"]) == 2
    assert main(["encoder", "export", "e", "--onnx", "e.txt"]) == 2
    given = ["propagate", "video.mp4", "--labels", "first_frame.png", "--weights"]
    assert main([*given, "e", "--out", "a"]) == 0
    assert main([*given, "e", "--out", "b", "--runtime", "onnx"]) == 0
    assert main([*given, "e.onnx", "--out", "c"]) == 0
    from PIL import Image

    for name in sorted(p.name for p in Path("a/masks").iterdir()):
        a, b, c = (np.asarray(Image.open(Path(d) / "masks" / name)) for d in "abc")
        assert (a != b).mean() < 2e-3 and np.array_equal(b, c)
    new = ["session", "new", "s", "video.mp4", "--labels", "first_frame.png", "--weights", "e"]
    assert main([*new, "--runtime", "onnx"]) == 0
    assert main(["session", "run", "s"]) == 0
    assert main(["session", "export", "s", "out.json", "--format", "coco"]) == 0


def test_without_onnx_the_extra_is_named(
    video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["encoder", "export", "random", "--onnx", "e.onnx"]) == 2
    assert "pip install 'pixelkin[onnx]'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    Path("e.onnx").write_bytes(b"")
    assert main(["encoder", "show", "e.onnx"]) == 2
    assert "pip install 'pixelkin[onnx]'" in capsys.readouterr().err


def test_onnx_runs_a_benchmark(davis: Path) -> None:
    """By --runtime, and as a file of its own: the figures of torch, and the runtime in them."""
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    save_encoder(Encoder(EncoderConfig(widths=(8, 16, 16))).eval(), Path("e"))
    assert main(["encoder", "export", "e", "--onnx", "e.onnx"]) == 0
    command = ["evaluate", "davis", "--root", "DAVIS", "--year", "2016", "--split", "val"]
    found = {}
    for name, options in {
        "torch": ["--weights", "e"],
        "onnx": ["--weights", "e", "--runtime", "onnx"],
        "file": ["--weights", "e.onnx"],
    }.items():
        assert main([*command, *options, "--out", name]) == 0
        found[name] = json.loads(Path(name, "result.json").read_text())
    assert [one["runtime"] for one in found.values()] == ["torch", "onnx", "onnx"]
    assert "by onnx" in Path("onnx", "table.md").read_text()
    for name in ("onnx", "file"):
        assert found[name]["J&F"] == pytest.approx(found["torch"]["J&F"], abs=0.5)
