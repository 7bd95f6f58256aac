"""Weights of saved encoders are looked at when they are loaded; features when they are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file

from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from pixelkin.types import InputError

FRAME = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
SMALL = EncoderConfig(widths=(8, 16))
NAME = "net.layer2.1.conv1.weight"


@pytest.mark.parametrize(
    ("value", "what"),
    [(torch.nan, "not a number"), (torch.inf, "infinite"), (0.0, "all zeros")],
)
def test_a_single_bad_weight_is_found(value: float, what: str, tmp_path: Path) -> None:
    save_encoder(Encoder(SMALL), tmp_path)
    file = tmp_path / "weights.safetensors"
    state = load(file.read_bytes())  # not mapped, as the file is written anew
    state[NAME][..., 0, 0] = value
    if value == 0:
        state[NAME].zero_()
    save_file(state, file)
    with pytest.raises(InputError, match=rf"weights\.safetensors .*{NAME}.* {what}"):
        load_encoder(tmp_path)


def test_missing_and_unknown_names_and_negative_variances_are_named(tmp_path: Path) -> None:
    save_encoder(Encoder(SMALL), tmp_path)
    file = tmp_path / "weights.safetensors"
    state = load(file.read_bytes())  # not mapped, as the file is written anew
    save_file({k: v for k, v in state.items() if k != NAME}, file)
    with pytest.raises(InputError, match=f"{NAME} is missing$"):
        load_encoder(tmp_path)
    save_file(state | {"net.head.weight": torch.rand(2)}, file)
    with pytest.raises(InputError, match=r"the network has no net\.head\.weight$"):
        load_encoder(tmp_path)
    save_file(state | {"net.bn1.running_var": -torch.ones(8)}, file)
    with pytest.raises(InputError, match=r"net\.bn1\.running_var holds negative variances"):
        load_encoder(tmp_path)
    save_file({k: v for k, v in state.items() if "num_batches_tracked" not in k}, file)
    assert load_encoder(tmp_path).encode(FRAME).isfinite().all()


def test_batch_norms_may_begin_with_zeros(tmp_path: Path) -> None:
    encoder = Encoder(SMALL)
    torch.nn.init.zeros_(encoder.net.layer2[1].bn2.weight)
    save_encoder(encoder, tmp_path)
    assert load_encoder(tmp_path).encode(FRAME).isfinite().all()


def test_features_that_are_not_finite_are_no_features() -> None:
    encoder = Encoder(SMALL).eval()
    encoder.net.conv1.weight.data[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        encoder.encode(FRAME)


def test_checkpoints_and_hub_folders_are_told_apart_from_encoders(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "c.pth")
    with pytest.raises(InputError, match=r"c\.pth is a checkpoint.*pixelkin encoder import"):
        load_encoder(tmp_path / "c.pth")
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    with pytest.raises(InputError, match=r"Hugging Face.*dinov2.*pixelkin encoder import"):
        load_encoder(tmp_path)
