"""Encoder: a frame in, a grid of features out. Preprocessing + network + normalisation.

`load_encoder` opens a named encoder or a folder written by `save_encoder` (weights.safetensors and
a config.json that a person can read). Knows nothing about videos, labels or protocols.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelkin.checks import SettingError, check_choice, check_number
from pixelkin.files import atomic_write
from pixelkin.models.resnet import Padding, ResNet18
from pixelkin.ops.colour import rgb_to_lab
from pixelkin.reading import check_file, read_json
from pixelkin.types import InputError

WEIGHTS_DIR = Path(__file__).parent / "weights"
MAX_WIDTH = 8192  # channels of a stage
NAMED = ("default", "lab", "random")


@dataclass(frozen=True)
class EncoderConfig:
    """Everything besides the weights that decides what an encoder gives.

    Attributes:
        network: "resnet18", or "lab": the downsampled colour itself, no weights.
        stride: Pixels per feature cell, 8 or 4.
        padding: Border padding of the convolutions.
        widths: Channels of the residual stages (conv2..conv5 of the paper).
        last_relu: Whether features are taken after the last ReLU.
        mean: Of the RGB input in [0, 1], per channel.
        std: As `mean`.
        temperature: The temperature that the network was trained with. Features leave the encoder
            with length 1/sqrt(temperature), so that their raw dot products are the logits of the
            training: protocols that do not normalise (UVC's, MAST's) see a sensible scale, those
            that do are not affected. None: features are left as the network gives them.
        meta: Free text about the training (data, recipe, scores); not read by the program.

    Raises:
        InputError: If mean, std or temperature are not what they must be.
    """

    network: Literal["resnet18", "lab"] = "resnet18"
    stride: int = 8
    padding: Padding = "reflect"
    widths: tuple[int, ...] = (64, 128, 256, 256)
    last_relu: bool = True
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    temperature: float | None = 0.07
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            if len(getattr(self, name)) != 3:
                raise SettingError(name, f"{getattr(self, name)} must be 3 numbers")
        for width in self.widths:
            check_number("widths", width, least=1, most=MAX_WIDTH)
        for value in self.std:
            check_number("std", value, above=0)
        if self.temperature is not None:
            check_number("temperature", self.temperature, above=0)


class LabGrid(nn.Module):
    """Training-free baseline: mean Lab colour of each cell, and of its neighbourhood.

    A cell is described by its mean (L, a, b), scaled to about unit variance, once over the cell
    and once over 3x3 cells, and a constant 1 so that l2-normalised features still tell dark from
    light. It needs no weights and shows what colour alone can do.
    """

    channels = 7

    def __init__(self, stride: int = 8) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W RGB in [0, 1] -> B x 7 x ceil(H/stride) x ceil(W/stride)."""
        lab = rgb_to_lab(rgb) / torch.tensor([25.0, 12.0, 12.0], device=rgb.device).view(3, 1, 1)
        lab[:, 0] -= 2.0
        h, w = (-(-n // self.stride) for n in rgb.shape[-2:])
        pad = (0, w * self.stride - rgb.shape[-1], 0, h * self.stride - rgb.shape[-2])
        cells = F.avg_pool2d(F.pad(lab, pad, mode="replicate"), self.stride)
        around = F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([cells, around, torch.ones_like(cells[:, :1])], dim=1)


class Encoder(nn.Module):
    """Preprocessing, network and feature normalisation in one.

    Example:
        >>> encoder = load_encoder("random")
        >>> encoder.encode(np.zeros((480, 854, 3), np.uint8)).shape  # H x W x 3 uint8 RGB
        torch.Size([256, 60, 107])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        # With the weights on their device, to which a copy would wait; not saved with them.
        for name in ("mean", "std"):
            value = torch.tensor(getattr(config, name)).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.net: ResNet18 | LabGrid
        if config.network == "resnet18":
            self.net = ResNet18(
                config.stride, config.padding, config.widths, last_relu=config.last_relu
            )
        elif config.network == "lab":
            self.net = LabGrid(config.stride)
        else:
            check_choice("network", config.network, ("resnet18", "lab"))

    @property
    def stride(self) -> int:
        """Pixels per feature cell."""
        return self.config.stride

    @property
    def channels(self) -> int:
        """Length of a feature vector."""
        return self.net.channels

    def with_stride(self, stride: int) -> Encoder:
        """The same weights at another stride (4 leaves out the max-pool); self if it fits."""
        if stride == self.stride:
            return self
        other = Encoder(dataclasses.replace(self.config, stride=stride))
        other.load_state_dict(self.state_dict())
        return other.train(self.training)

    def for_inference(self, stride: int, dtype: torch.dtype = torch.float32) -> Encoder:
        """A copy at a stride that only encodes, faster: batch norms folded, channels last.

        Args:
            stride: As in `with_stride`.
            dtype: bfloat16 is several times faster on processors made for it, and rougher.
        """
        other = copy.deepcopy(self.with_stride(stride)).eval()
        if not isinstance(other.net, LabGrid):
            other.net = other.net.folded().to(dtype)
        return other

    def preprocess(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W RGB in [0, 1] -> the network's input, same shape."""
        if self.config.network == "lab":
            return rgb
        return (rgb - self.mean) / self.std

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W float RGB in [0, 1] -> B x C x h x w, vectors of the configured length."""
        dtype = next((p.dtype for p in self.net.parameters()), rgb.dtype)
        x = self.net(self.preprocess(rgb).to(dtype, memory_format=torch.channels_last))
        if self.config.temperature is None:
            return cast(Tensor, x)
        length = float(self.config.temperature) ** -0.5
        unit: Tensor = F.normalize(x.float(), dim=1, eps=1e-12) * length
        return unit

    @torch.inference_mode()
    def encode(self, frame: NDArray[np.uint8]) -> Tensor:
        """One H x W x 3 uint8 RGB frame -> C x ceil(H/stride) x ceil(W/stride) float32.

        Raises:
            InputError: If it is no such frame, or too small for reflect padding, which needs a
                grid of 2 x 2 cells.
        """
        check_frame(frame)
        reflects = self.config.network == "resnet18" and self.config.padding == "reflect"
        if reflects and min(frame.shape[:2]) <= self.stride:
            raise InputError(
                f"a frame of {frame.shape[1]}x{frame.shape[0]} (WxH) is too small for this "
                f"encoder: each side must be at least {self.stride + 1} pixels"
            )
        device = next((p.device for p in self.parameters()), torch.device("cpu"))
        rgb = torch.tensor(np.ascontiguousarray(frame), device=device).permute(2, 0, 1)
        return cast(Tensor, self(rgb[None].float() / 255.0)[0].float())


def check_frame(frame: NDArray[np.uint8]) -> None:
    """Raise InputError if a frame is not H x W x 3 uint8."""
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(
            f"a frame must be H x W x 3 uint8 RGB, got shape {frame.shape} of {frame.dtype}"
        )


def load_encoder(name_or_path: str | Path | Encoder = "default") -> Encoder:
    """An encoder ready for inference.

    Args:
        name_or_path: "default" (the checkpoint in the package), "random" (untrained, seed 0),
            "lab" (colour, no weights), or a folder written by `save_encoder`. An encoder is
            returned as it is.

    Raises:
        InputError: If there is no such name or folder, or its files do not fit together.
    """
    if isinstance(name_or_path, Encoder):
        return name_or_path
    name = str(name_or_path)
    if name == "lab":
        return Encoder(EncoderConfig(network="lab", temperature=None)).eval()
    if name == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Encoder(EncoderConfig()).eval()
    folder = WEIGHTS_DIR / "default" if name == "default" else Path(name)
    return _load_folder(folder, name)


def _load_folder(folder: Path, name: str) -> Encoder:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config_file, weights_file = folder / "config.json", folder / "weights.safetensors"
    for file in (config_file, weights_file):
        if not file.exists():
            raise InputError(
                f"no encoder {name!r}: {file} does not exist; give {_meant(file.parent)} or one of "
                f"{', '.join(NAMED)}"
            )
    try:
        raw = read_json(config_file)
        known = {f.name for f in dataclasses.fields(EncoderConfig)}
        if not isinstance(raw, dict):
            raise ValueError("it must hold an object")
        if set(raw) - known:
            raise ValueError(f"unknown keys {sorted(set(raw) - known)}")
        for key in ("widths", "mean", "std"):
            if key in raw:
                raw[key] = tuple(raw[key])
        encoder = Encoder(EncoderConfig(**raw))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{config_file} is not an encoder's config: {error}") from error
    check_file(weights_file)
    try:
        state = {k: v.float() for k, v in load_file(weights_file).items()}
        own = encoder.state_dict()
        state = {k: v.to(own[k].dtype) if k in own else v for k, v in state.items()}
        encoder.load_state_dict(state)
        _check_finite(state, weights_file)
    except (SafetensorError, RuntimeError) as error:
        # load_state_dict says what is wrong from its second line on.
        said = str(error).strip().splitlines()[:2][-1].strip()[:200]
        raise InputError(f"{weights_file} does not fit {config_file.name}: {said}") from error
    return encoder.eval()


def _check_finite(state: Mapping[str, Tensor], path: Path) -> None:
    if broken := sorted(k for k, v in state.items() if not torch.isfinite(v).all()):
        raise InputError(f"{path}: {broken[0]} has numbers that are not finite")


def _meant(folder: Path) -> str:
    """Which folder may be meant where this one holds no encoder."""
    if (folder / "encoder" / "config.json").is_file():  # of a training
        return f"{folder / 'encoder'},"
    return "a folder with config.json and weights.safetensors,"


def save_encoder(encoder: Encoder, folder: str | Path, *, half: bool = False) -> None:
    """Write weights.safetensors and config.json into `folder`, each atomically.

    Args:
        encoder: What to save.
        folder: Created if missing; existing files of these names are replaced.
        half: Store floating-point weights in half precision.

    Raises:
        InputError: If a weight is not finite, as after a training that diverged.
    """
    from safetensors.torch import save

    folder = Path(folder)
    state = {
        k: (v.half() if half and v.is_floating_point() else v).contiguous().cpu()
        for k, v in encoder.state_dict().items()
    }
    _check_finite(state, folder / "weights.safetensors")
    config = json.dumps(dataclasses.asdict(encoder.config), indent=2) + "\n"
    for name, data in (("weights.safetensors", save(state)), ("config.json", config.encode())):
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(data)


def describe_encoder(encoder: Encoder) -> dict[str, Any]:
    """An encoder's settings and a digest of its weights, ready for JSON."""
    weights = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    settings = {k: v for k, v in asdict(encoder.config).items() if k != "meta"}
    return {**settings, "weights": weights.hexdigest()}
