"""Encoders as ONNX files: the same features by another program, the same masks."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pixelkin
from pixelkin.models.encoder import Encoder, EncoderConfig, describe_encoder, load_encoder
from pixelkin.types import InputError

for needed in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")

RNG = np.random.default_rng(0)
SMALL = EncoderConfig(widths=(8, 16, 16))


@pytest.fixture(scope="module")
def small() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SMALL).eval()


@pytest.fixture(scope="module")
def file(small: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    done = small.to_onnx()
    assert done.parity < 1e-4
    path.write_bytes(done.data)
    return path


def test_a_file_gives_the_features_of_its_encoder(small: Encoder, file: Path) -> None:
    loaded = load_encoder(file)
    assert (loaded.stride, loaded.channels, loaded.keeps_stride) == (8, 16, False)
    for size in ((50, 70), (64, 96), (97, 33)):
        frame = RNG.integers(0, 255, (*size, 3), dtype=np.uint8)
        found, expected = loaded.encode(frame), small.encode(frame)
        torch.testing.assert_close(found, expected, atol=4e-4, rtol=0)


def test_the_file_is_plain_onnx(small: Encoder, file: Path) -> None:
    """Read by onnxruntime alone: RGB in [0, 1] in, features out."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file.read_bytes())
    frame = RNG.integers(0, 255, (40, 56, 3), dtype=np.uint8)
    rgb = frame.transpose(2, 0, 1)[None].astype(np.float32) / 255
    (features,) = session.run(["features"], {"rgb": rgb})
    np.testing.assert_allclose(features[0], small.encode(frame).numpy(), atol=4e-4)


def test_half_precision_is_half_the_size(small: Encoder, file: Path, tmp_path: Path) -> None:
    done = small.to_onnx(half=True)
    assert len(done.data) < 0.8 * file.stat().st_size
    (tmp_path / "half.onnx").write_bytes(done.data)
    frame = RNG.integers(0, 255, (50, 70, 3), dtype=np.uint8)
    found = load_encoder(tmp_path / "half.onnx").encode(frame)
    torch.testing.assert_close(found, small.encode(frame), atol=0.05, rtol=0)


def test_files_have_one_stride_and_are_told_apart(small: Encoder, file: Path) -> None:
    loaded = load_encoder(file)
    with pytest.raises(InputError, match=r"exported at a stride of 8 pixels.*--stride 4"):
        pixelkin.Propagator(loaded, "youtube_vos")
    other = describe_encoder(loaded)
    assert other == describe_encoder(load_encoder(file)) != describe_encoder(small)


def test_masks_are_those_of_torch_but_for_near_ties(file: Path, small: Encoder) -> None:
    texture = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    ground = RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    frames, ids = [], np.zeros((64, 96), np.int32)
    ids[16:40, 8:32] = 1
    for t in range(4):
        frame = ground.copy()
        frame[16:40, 8 + 4 * t : 32 + 4 * t] = texture
        frames.append(frame)
    runs = []
    for encoder in (small, load_encoder(file)):
        propagator = pixelkin.Propagator(encoder)
        propagator.step(frames[0], pixelkin.Labels.from_mask(ids))
        runs.append([propagator.step(frame).labels.as_map().ids for frame in frames[1:]])
    for a, b in zip(*runs, strict=True):
        assert (a != b).mean() < 1e-3 and (a == 1).any()


def test_what_is_no_encoder_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    with pytest.raises(InputError, match=r"cannot read .*x\.onnx"):
        load_encoder(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"x\.onnx is no ONNX file"):
        load_encoder(path)
    other, given = nn.Conv2d(3, 4, 3).eval(), (torch.rand(1, 3, 8, 8),)
    program = torch.onnx.export(other, given, dynamo=True, verbose=False)
    assert program is not None
    program.save(str(path))
    with pytest.raises(InputError, match="not an encoder that"):
        load_encoder(path)
    with pytest.raises(InputError, match="is an ONNX file already"):
        exported = tmp_path / "e.onnx"
        exported.write_bytes(Encoder(EncoderConfig(widths=(4, 4))).eval().to_onnx().data)
        load_encoder(exported).to_onnx()


def test_a_network_that_cannot_be_exported_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """In one line that says why, with the versions; torch's own lines are not shown."""

    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.sum()) > 0:  # depends on the data
                x = x * 2
            return nn.functional.avg_pool2d(x, 8)

    with pytest.raises(InputError, match=r"exported by torch 2.*, onnxscript .*data-dep") as ended:
        Encoder.wrap(Branching(), 8).to_onnx()
    assert str(ended.value).isprintable() and "step 1/3" not in str(ended.value)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert logging.getLogger("torch").isEnabledFor(logging.ERROR)


def test_a_runtime_serves_any_stride_of_a_protocol(small: Encoder) -> None:
    """One after the other, each exported once."""
    torch.manual_seed(0)
    encoder = Encoder(SMALL).eval()
    encoder.runtime = "onnx"
    frame = RNG.integers(0, 255, (50, 70, 3), dtype=np.uint8)
    for stride in (8, 4):
        ready = encoder.for_inference(stride)
        assert ready is encoder.for_inference(stride)
        expected = small.with_stride(stride).encode(frame)
        torch.testing.assert_close(ready.encode(frame), expected, atol=4e-4, rtol=0)
    assert describe_encoder(encoder) == {**describe_encoder(small), "runtime": "onnx"}
