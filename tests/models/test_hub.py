"""Models of transformers', random and small, against plain forward passes of the same weights."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save_file
from torch import Tensor

import pixelkin
from pixelkin.models.encoder import describe_encoder, load_encoder
from pixelkin.models.importing import import_folder
from pixelkin.types import InputError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

RNG = np.random.default_rng(0)
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)


def made(family: str) -> Any:
    """A small model with random weights; layer scales and position embeddings not near zero."""
    torch.manual_seed(0)
    t = transformers
    models = {
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**SMALL, patch_size=14, image_size=56)),
        "dinov2_with_registers": lambda: t.Dinov2WithRegistersModel(
            t.Dinov2WithRegistersConfig(
                **SMALL, patch_size=14, image_size=56, num_register_tokens=3
            )
        ),
        "dinov3_vit": lambda: t.DINOv3ViTModel(
            t.DINOv3ViTConfig(**SMALL, patch_size=16, num_register_tokens=4)
        ),
        "dinov3_convnext": lambda: t.DINOv3ConvNextModel(
            t.DINOv3ConvNextConfig(hidden_sizes=[8, 12, 16, 24], depths=[1, 1, 1, 1])
        ),
        "vit": lambda: t.ViTModel(t.ViTConfig(**SMALL, patch_size=8, image_size=64)),
    }
    model = models[family]().eval()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return model


PATCH = {
    "dinov2": 14,
    "dinov2_with_registers": 14,
    "dinov3_vit": 16,
    "dinov3_convnext": 32,
    "vit": 8,
}
SPECIAL = {"dinov2_with_registers": 4, "dinov3_vit": 5}


def saved(family: str, folder: Path) -> Any:
    model = made(family)
    model.save_pretrained(folder)
    colours = {"image_mean": MEAN, "image_std": STD}
    (folder / "preprocessor_config.json").write_text(json.dumps(colours))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return model


@torch.no_grad()
def plain(model: Any, family: str, pixels: Tensor) -> Tensor:
    """C x h x w of normalised pixels, whose sides are multiples of the patch."""
    more = {"interpolate_pos_encoding": True} if family == "vit" else {}
    tokens = model(pixel_values=pixels[None], **more).last_hidden_state[0]
    grid = [n // PATCH[family] for n in pixels.shape[1:]]
    cells = tokens[SPECIAL.get(family, 1) :]
    assert len(cells) == grid[0] * grid[1]
    return F.normalize(cells, dim=1).T.reshape(-1, *grid) / 0.07**0.5


def normalised(frame: np.ndarray) -> Tensor:
    rgb = torch.from_numpy(frame.astype(np.float32) / 255).permute(2, 0, 1)
    return (rgb - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.mark.parametrize("family", PATCH)
def test_features_are_those_of_a_plain_forward_pass(family: str, tmp_path: Path) -> None:
    model, p = saved(family, tmp_path / "hub"), PATCH[family]
    frame = RNG.integers(0, 255, (6 * p, 8 * p, 3), dtype=np.uint8)
    made_now = import_folder(tmp_path / "hub", tmp_path / "e", stride=p)
    encoder = load_encoder(tmp_path / "e")
    assert (encoder.stride, encoder.config.input_scale, encoder.keeps_stride) == (p, 1, True)
    assert (encoder.config.mean, encoder.config.licence) == (MEAN, "apache-2.0")
    expected = plain(model, family, normalised(frame))
    assert encoder.channels == len(expected)
    torch.testing.assert_close(encoder.encode(frame), expected, atol=1e-4, rtol=1e-3)
    assert describe_encoder(made_now) == describe_encoder(encoder)
    # Other sizes are padded at the right and below, and positions fit the whole grid.
    cut = frame[: 5 * p + 3, : 7 * p + 1]
    padded = np.pad(cut, ((0, p - 3), (0, p - 1), (0, 0)), mode="edge")
    expected = plain(model, family, normalised(padded))
    torch.testing.assert_close(encoder.encode(cut), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("family", ["dinov2", "dinov3_vit"])
def test_cells_of_8_pixels_are_made_of_enlarged_frames(family: str, tmp_path: Path) -> None:
    model, p = saved(family, tmp_path / "hub"), PATCH[family]
    encoder = import_folder(tmp_path / "hub", tmp_path / "e")
    frame = RNG.integers(0, 255, (48, 72, 3), dtype=np.uint8)
    assert encoder.config.input_scale == p / 8
    rgb = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
    large = F.interpolate(rgb, size=(6 * p, 9 * p), mode="bilinear", align_corners=False)[0]
    pixels = (large - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    expected = plain(model, family, pixels)
    torch.testing.assert_close(encoder.encode(frame), expected, atol=1e-4, rtol=1e-3)


def test_features_move_with_the_frame(tmp_path: Path) -> None:
    """By one cell a patch, without position embeddings, away from borders."""
    saved("dinov3_convnext", tmp_path / "hub")
    encoder = import_folder(tmp_path / "hub", tmp_path / "e", stride=32)
    frame = RNG.integers(0, 255, (12 * 32, 13 * 32, 3), dtype=np.uint8)
    a, b = encoder.encode(frame[:, :-32]), encoder.encode(frame[:, 32:])
    torch.testing.assert_close(a[:, 4:-4, 5:-4], b[:, 4:-4, 4:-5], atol=5e-2, rtol=0)


def test_nothing_is_asked_of_the_net_and_links_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("dinov2", tmp_path / "hub")

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the net was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    import_folder(tmp_path / "hub", tmp_path / "copied", stride=14)
    import_folder(tmp_path / "hub", tmp_path / "linked", stride=14, link=True)
    names = {p.name for p in (tmp_path / "copied" / "model").iterdir()}
    assert names == {"config.json", "model.safetensors", "preprocessor_config.json", "README.md"}
    assert [p.name for p in (tmp_path / "linked").iterdir()] == ["config.json"]
    a, b = (load_encoder(tmp_path / name) for name in ("copied", "linked"))
    assert describe_encoder(a) == describe_encoder(b)
    weights = tmp_path / "hub" / "model.safetensors"
    state = load(weights.read_bytes())
    save_file({k: v * 1.01 for k, v in state.items()}, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match="has changed since"):
        load_encoder(tmp_path / "linked")
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(InputError, match="the model's files are not in"):
        load_encoder(tmp_path / "linked")
    load_encoder(tmp_path / "copied")


def test_unfit_folders_are_one_line(tmp_path: Path) -> None:
    hub, out = tmp_path / "hub", tmp_path / "e"
    hub.mkdir()
    with pytest.raises(InputError, match=r"cannot read .*config\.json"):
        import_folder(hub, out)
    (hub / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(InputError, match=r"type 'clip' is not known here, but dinov2, .*wrap"):
        import_folder(hub, out)
    saved("dinov2", hub)
    weights = hub / "model.safetensors"
    state = load(weights.read_bytes())
    first = next(k for k in state if k.endswith("fc1.weight"))
    for wrong, why in (
        ({k: v for k, v in state.items() if k != first}, r"fc1\.weight is missing"),
        (state | {first: torch.full_like(state[first], torch.nan)}, r"fc1\.weight .*not a number"),
        (state | {first: torch.zeros_like(state[first])}, r"fc1\.weight is all zeros"),
        (state | {first: torch.rand(3, 3)}, "hub"),
    ):
        save_file(wrong, weights, metadata={"format": "pt"})
        with pytest.raises(InputError, match=why):
            import_folder(hub, out)
    weights.write_bytes(b"no weights")
    with pytest.raises(InputError, match="hub"):
        import_folder(hub, out)
    weights.unlink()
    with pytest.raises(InputError, match="holds no weights"):
        import_folder(hub, out)
    assert not out.exists()


def test_heads_are_left_out(tmp_path: Path) -> None:
    """The folder of a classifier is that of its model."""
    t = transformers
    torch.manual_seed(0)
    whole = t.Dinov2ForImageClassification(
        t.Dinov2Config(**SMALL, patch_size=14, image_size=56)
    ).eval()
    whole.save_pretrained(tmp_path / "hub")
    encoder = import_folder(tmp_path / "hub", tmp_path / "e", stride=14)
    frame = RNG.integers(0, 255, (42, 56, 3), dtype=np.uint8)
    rgb = torch.from_numpy(frame).permute(2, 0, 1) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (rgb - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    expected = plain(whole.dinov2, "dinov2", pixels)
    torch.testing.assert_close(encoder.encode(frame), expected, atol=1e-4, rtol=1e-3)


def test_labels_are_carried_by_the_davis_rule(tmp_path: Path) -> None:
    saved("dinov2", tmp_path / "hub")
    import_folder(tmp_path / "hub", tmp_path / "e", stride=14)
    propagator = pixelkin.Propagator(tmp_path / "e")
    assert (propagator.protocol.name, propagator.protocol.stride) == ("davis", 14)
    frame = RNG.integers(0, 255, (90, 130, 3), dtype=np.uint8)
    ids = np.zeros((90, 130), np.int32)
    ids[14:70, 28:84] = 1
    propagator.step(frame, pixelkin.Labels.from_mask(ids))
    found = propagator.step(frame).labels.as_map().ids  # the same frame again
    assert ((found == 1) & (ids == 1)).sum() / ((found == 1) | (ids == 1)).sum() > 0.7
