"""Encoders: named and from folders, preprocessing, lengths of features, errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelkin.models.encoder import (
    WEIGHTS_DIR,
    Encoder,
    EncoderConfig,
    load_encoder,
    save_encoder,
)
from pixelkin.types import InputError

SMALL = EncoderConfig(widths=(8, 16), temperature=0.25)
FRAME = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


def test_random_is_the_same_every_time_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a = load_encoder("random")
    assert torch.equal(torch.rand(3), expected)
    b = load_encoder("random")
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert a.encode(FRAME).shape == (256, 7, 9)
    assert not a.training


def test_features_have_the_length_of_the_training_temperature() -> None:
    """So that raw dot products are the training's logits: cos / temperature."""
    features = Encoder(SMALL).eval().encode(FRAME)
    torch.testing.assert_close(features.norm(dim=0), torch.full((7, 9), 2.0))


def test_input_is_normalised_per_channel() -> None:
    encoder = Encoder(SMALL)
    rgb = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(encoder.preprocess(rgb), torch.zeros(1, 3, 4, 4))
    one = encoder.preprocess(rgb + torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
    torch.testing.assert_close(one, torch.ones(1, 3, 4, 4))


def test_lab_describes_cells_by_their_mean_colour() -> None:
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[:, 24:] = 255
    grid = load_encoder("lab").encode(frame)
    assert grid.shape == (7, 4, 6)
    torch.testing.assert_close(grid[:3, 1, 0], torch.tensor([-2.0, 0, 0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(grid[:3, 1, 5], torch.tensor([2.0, 0, 0]), atol=1e-3, rtol=0)
    assert load_encoder("lab").with_stride(4).encode(frame).shape == (7, 8, 12)


def test_saved_and_loaded_gives_the_same_features(tmp_path: Path) -> None:
    encoder = Encoder(SMALL).eval()
    save_encoder(encoder, tmp_path / "e")
    again = load_encoder(tmp_path / "e")
    assert torch.equal(again.encode(FRAME), encoder.encode(FRAME))
    assert again.config == encoder.config
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == [
        "config.json",
        "weights.safetensors",
    ]
    save_encoder(encoder, tmp_path / "h", half=True)
    half = load_encoder(tmp_path / "h").encode(FRAME)
    torch.testing.assert_close(half, encoder.encode(FRAME), atol=0.02, rtol=0)
    sizes = [(tmp_path / d / "weights.safetensors").stat().st_size for d in "eh"]
    assert sizes[1] < 0.6 * sizes[0]


def test_another_stride_has_the_same_weights() -> None:
    encoder = Encoder(SMALL).eval()
    assert encoder.with_stride(8) is encoder
    assert encoder.with_stride(4).encode(FRAME).shape[1:] == (13, 18)


def test_default_weights_are_in_the_package() -> None:
    assert (WEIGHTS_DIR / "default/weights.safetensors").stat().st_size < 25 * 2**20
    assert load_encoder("default").encode(FRAME).shape[1:] == (7, 9)


def test_what_is_no_encoder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no encoder 'nowhere'.*default, lab, random"):
        load_encoder("nowhere")
    save_encoder(Encoder(SMALL), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"depth": 3}))
    with pytest.raises(InputError, match=r"config\.json.*depth"):
        load_encoder(tmp_path)
    for wrong in ({"temperature": "x"}, {"temperature": 0}, {"mean": [0, 0]}, {"std": [1, 0, 1]}):
        (tmp_path / "config.json").write_text(json.dumps(config | wrong))
        with pytest.raises(InputError, match=r"config\.json is not an encoder's config"):
            load_encoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"widths": [8, 32]}))
    with pytest.raises(
        InputError, match=r"weights\.safetensors does not fit config\.json: .*layer"
    ):
        load_encoder(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"weights\.safetensors does not fit"):
        load_encoder(tmp_path)


def test_a_view_with_reversed_channels_is_a_frame() -> None:
    encoder = load_encoder("lab")
    assert torch.equal(encoder.encode(FRAME[:, :, ::-1]), encoder.encode(FRAME[:, :, ::-1].copy()))


def test_frames_must_be_rgb_bytes() -> None:
    for wrong in (FRAME[:, :, 0], FRAME.astype(np.float32), FRAME[:, :, :2]):
        with pytest.raises(InputError, match="H x W x 3 uint8 RGB"):
            load_encoder("lab").encode(wrong)


@pytest.mark.parametrize("stride", [4, 8])
def test_the_smallest_frame_is_one_pixel_more_than_a_cell(stride: int) -> None:
    encoder = Encoder(SMALL).eval().with_stride(stride)
    assert encoder.encode(FRAME[: stride + 1, : stride + 1]).shape[1:] == (2, 2)
    with pytest.raises(InputError, match=f"at least {stride + 1} pixels"):
        encoder.encode(FRAME[:stride, : stride + 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_what_is_made_for_inference_is_not_saved(tmp_path: Path, dtype: torch.dtype) -> None:
    """What lies there stays: it could not be loaded again."""
    encoder = Encoder(SMALL).eval()
    save_encoder(encoder, tmp_path)
    before = (tmp_path / "weights.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"made for inference .* is not saved: save the one"):
        save_encoder(encoder.for_inference(8, dtype), tmp_path)
    assert (tmp_path / "weights.safetensors").read_bytes() == before
