"""Models in folders as Hugging Face has them, through transformers, from local files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixelkin.models.checked import check_values
from pixelkin.types import InputError

NEEDS = "models of Hugging Face's need transformers: pip install 'pixelkin[hf]'"
UNUSED = ("pooler.", "mask_token", "embeddings.mask_token")  # make no feature of a cell


@dataclass(frozen=True)
class Family:
    """How models of a type make cells.

    Attributes:
        interpolate: Whether they must be asked to fit their position embeddings to the image.
        registers: Whether their configuration says how many registers there are.
        stages: Whether a cell is as large as four stages of halving after a stem make it.
    """

    interpolate: bool = False
    registers: bool = False
    stages: bool = False


FAMILIES = {
    "dinov2": Family(),
    "dinov2_with_registers": Family(registers=True),
    "dinov3_vit": Family(registers=True),
    "dinov3_convnext": Family(stages=True),
    "vit": Family(interpolate=True),
}


@dataclass(frozen=True)
class HubModel:
    """What a folder says of its model.

    Attributes:
        family: Its `model_type`.
        patch: Pixels of a cell, in width and height.
        special: Tokens before those of the cells.
        mean: Of its input, per channel.
        std: As `mean`.
        weights: The file of its weights, or of their index.
    """

    family: str
    patch: int
    special: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Path


def read_folder(folder: Path) -> HubModel:
    """What a folder of Hugging Face's holds.

    Raises:
        InputError: If it holds no model of a known family, or no weights.
    """
    config = _json(folder / "config.json")
    name = str(config.get("model_type"))
    if name not in FAMILIES:
        raise InputError(
            f"{folder}: a model of type {name!r} is not known here, but {', '.join(FAMILIES)}; "
            "from Python, pixelkin.Encoder.wrap takes any module"
        )
    family = FAMILIES[name]
    registers = int(config.get("num_register_tokens", 4)) if family.registers else 0
    patch = 32 if family.stages else config.get("patch_size", 14 if name == "dinov2" else 16)
    if not isinstance(patch, int) or patch < 1:
        raise InputError(f"{folder / 'config.json'}: patch_size {patch!r} must be a whole number")
    given = folder / "preprocessor_config.json"
    colours = _json(given) if given.is_file() else {}
    usual = (0.5,) * 3 if name == "vit" else (0.485, 0.456, 0.406)
    spread = (0.5,) * 3 if name == "vit" else (0.229, 0.224, 0.225)
    return HubModel(
        name,
        patch,
        1 + registers,
        _three(colours.get("image_mean", usual), given),
        _three(colours.get("image_std", spread), given),
        _weights(folder),
    )


def _weights(folder: Path) -> Path:
    names = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder} holds no weights: none of {', '.join(names)}")


def _json(file: Path) -> Mapping[str, Any]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is no JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{file} must hold an object")
    return raw


def _three(values: Any, file: Path) -> tuple[float, float, float]:
    try:
        a, b, c = (float(x) for x in values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: {values!r} must be 3 numbers") from error
    return a, b, c


class HubNet(nn.Module):
    """A model of transformers' as a network: images in, a grid of features out.

    Args:
        folder: Where its files are.
        patch: Pixels of a cell.
        special: Tokens before those of the cells, which are dropped.

    Raises:
        InputError: If transformers is not installed, or the folder's weights are not complete,
            of the right shapes and finite.
    """

    def __init__(self, folder: Path, patch: int, special: int) -> None:
        super().__init__()
        found = read_folder(folder)
        self.patch, self.special, self.weights = patch, special, found.weights
        self.more = {"interpolate_pos_encoding": True} if FAMILIES[found.family].interpolate else {}
        self.model = _loaded(folder)
        self.channels = int(getattr(self.model.config, "hidden_size", 0)) or int(
            self.model.config.hidden_sizes[-1]
        )
        check_values(self.state_dict(), str(found.weights))

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x (patch h) x (patch w), normalised -> B x C x h x w."""
        h, w = x.shape[-2] // self.patch, x.shape[-1] // self.patch
        tokens: Tensor = self.model(pixel_values=x, **self.more).last_hidden_state
        cells = tokens[:, self.special :]
        return cells.transpose(1, 2).reshape(len(x), -1, h, w)


def _loaded(folder: Path) -> Any:
    """The model, float32 and ready; nothing is downloaded, and no code of the folder's is run."""
    try:
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise InputError(f"{NEEDS} ({error})") from error
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            model, about = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: transformers cannot load it: {said}") from error
    except Exception as error:  # of the formats' own kinds, such as SafetensorError
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: its weights cannot be read: {said}") from error
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
    missing = sorted(k for k in about["missing_keys"] if not k.startswith(UNUSED))
    wrong = sorted(str(k[0] if isinstance(k, tuple) else k) for k in about["mismatched_keys"])
    for names, what in ((missing, "is missing"), (wrong, "is of another shape")):
        if names:
            more = f", and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"{folder}: {names[0]} {what}{more}")
    return model.float().eval().requires_grad_(False)
