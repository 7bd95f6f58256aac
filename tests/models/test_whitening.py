"""A head that whitens: what it does to features, and that all forms of an encoder have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from pixelkin.models.saving import describe_encoder
from pixelkin.models.whitening import FLOOR, second_moment, whitened
from pixelkin.types import InputError

SMALL = EncoderConfig(widths=(8, 16), temperature=None)
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (64 + 8 * i, 96, 3), dtype=np.uint8) for i in range(4)]


@pytest.fixture
def plain() -> Encoder:
    torch.manual_seed(0)
    return Encoder(SMALL).eval()


def units(encoder: Encoder, frame: NDArray[np.uint8]) -> Tensor:
    """Cells x C, of unit length."""
    return F.normalize(encoder.encode(frame).flatten(1).T.double(), dim=1)


def test_the_second_moment_is_that_of_all_cells(plain: Encoder) -> None:
    cells = torch.cat([units(plain, frame) for frame in FRAMES])
    expected = np.einsum("ni,nj->ij", cells.numpy(), cells.numpy()) / len(cells)
    np.testing.assert_allclose(second_moment(plain, iter(FRAMES)).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_directions_count_alike_up_to_the_power(plain: Encoder, power: float) -> None:
    """Along an axis of the second moment, a mean square L becomes L^(1 - power), in proportion."""
    moment = second_moment(plain, FRAMES)
    lengths, axes = np.linalg.eigh(moment.numpy())
    head = whitened(plain, FRAMES, power).net.head.weight.detach().flatten(1).double().numpy()
    after = np.diag(axes.T @ head @ moment.numpy() @ head.T @ axes)
    wanted = lengths * (lengths + FLOOR * lengths[-1]) ** -power
    np.testing.assert_allclose(after / after.sum(), wanted / wanted.sum(), rtol=1e-3, atol=1e-7)
    assert after.sum() == pytest.approx(1, abs=1e-4)


def test_a_power_of_zero_changes_nothing(plain: Encoder) -> None:
    same = whitened(plain, FRAMES, 0)
    torch.testing.assert_close(units(same, FRAMES[0]), units(plain, FRAMES[0]), atol=1e-6, rtol=0)


def test_two_heads_are_one(plain: Encoder) -> None:
    once = whitened(plain, FRAMES, 0.5)
    twice = whitened(once, FRAMES, 0.5)
    lengths, axes = torch.linalg.eigh(second_moment(once, FRAMES))
    second = axes @ torch.diag((lengths + FLOOR * lengths[-1]) ** -0.25) @ axes.T
    expected = F.normalize(units(once, FRAMES[0]) @ second, dim=1)
    torch.testing.assert_close(units(twice, FRAMES[0]), expected, atol=1e-4, rtol=0)
    assert twice.config.meta["whitened"] == [0.5, 0.5]


def test_the_encoder_that_was_given_stays(plain: Encoder) -> None:
    state = {name: value.clone() for name, value in plain.state_dict().items()}
    whitened(plain, FRAMES)
    assert plain.config.head is None
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize("stride", [4, 8])
def test_all_forms_of_an_encoder_have_the_head(plain: Encoder, tmp_path: Path, stride: int) -> None:
    white = whitened(plain, FRAMES)
    assert white.channels == 16
    assert white.config == replace(SMALL, head=16, meta={"whitened": [0.5]})
    save_encoder(white, tmp_path)
    expected = units(white.with_stride(stride), FRAMES[1])
    assert not torch.allclose(expected, units(plain.with_stride(stride), FRAMES[1]), atol=1e-2)
    loaded = load_encoder(tmp_path)
    for dtype, apart in ((torch.float32, 1e-5), (torch.bfloat16, 0.01), (torch.int8, 0.03)):
        found = units(loaded.for_inference(stride, dtype), FRAMES[1])
        assert (found * expected).sum(1).min() > 1 - apart


def test_onnx_has_the_head(plain: Encoder, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    white = whitened(plain, FRAMES)
    (tmp_path / "w.onnx").write_bytes(white.to_onnx().data)
    found = units(load_encoder(tmp_path / "w.onnx"), FRAMES[2])
    torch.testing.assert_close(found, units(white, FRAMES[2]), atol=1e-4, rtol=0)


def test_encoders_without_a_head_are_described_as_before(plain: Encoder, tmp_path: Path) -> None:
    save_encoder(plain, tmp_path)
    assert "head" not in json.loads((tmp_path / "config.json").read_text())
    assert "head" not in describe_encoder(plain)
    assert describe_encoder(whitened(plain, FRAMES))["head"] == 16


def test_what_cannot_be_whitened_is_said(plain: Encoder) -> None:
    with pytest.raises(InputError, match="'lab' is not whitened: ResNets are, "):
        whitened(load_encoder("lab"), FRAMES)
    with pytest.raises(InputError, match="needs a frame at least"):
        whitened(plain, iter(()))
    with pytest.raises(InputError, match=r"power: 1.5 must be at least 0 and at most 1"):
        whitened(plain, FRAMES, 1.5)
    with pytest.raises(InputError, match="'resnet18' is not whitened"):
        whitened(plain.for_inference(8), FRAMES)


def test_frames_are_read_once(plain: Encoder) -> None:
    def once() -> Iterator[NDArray[np.uint8]]:
        yield from FRAMES

    torch.testing.assert_close(
        whitened(plain, once()).net.head.weight, whitened(plain, FRAMES).net.head.weight
    )


def test_a_head_follows_the_network_wherever_it_goes() -> None:
    """Made for inference, and again, in other precisions, and copied."""
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(widths=(8, 16), head=12)).eval()
    frame = SyntheticScene(size=(96, 128), frames=1)[0].image
    exact = encoder.encode(frame)
    again = encoder.for_inference(8, torch.bfloat16).for_inference(8, torch.bfloat16)
    assert torch.cosine_similarity(again.encode(frame), exact, dim=0).min() > 0.99
    double = encoder.for_inference(8).double()
    rgb = torch.tensor(frame).permute(2, 0, 1)[None].double() / 255
    with torch.no_grad():
        torch.testing.assert_close(double(rgb)[0].float(), exact, rtol=0, atol=1e-4)
    both = encoder.for_inference(8)
    with torch.inference_mode():
        twice = both(rgb.float().expand(2, -1, -1, -1))
    torch.testing.assert_close(twice[1], exact, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_features_with_a_head_have_the_same_bits_by_any_threads(dtype: torch.dtype) -> None:
    threads, found = torch.get_num_threads(), []
    frame = SyntheticScene(size=(240, 320), frames=1)[0].image
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(load_encoder("default").for_inference(8, dtype).encode(frame))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
