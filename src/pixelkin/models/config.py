"""What decides an encoder besides its weights, as config.json holds it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pixelkin.checks import SettingError, check_choice, check_number, check_types
from pixelkin.models.resnet import Padding
from pixelkin.reading import read_json
from pixelkin.types import InputError

Network = Literal[
    "resnet18", "resnet34", "resnet50", "lab", "transformers", "onnx", "given"
]  # fmt: skip
MAX_WIDTH = 8192  # channels of a stage
OTHERS = ("transformers", "onnx", "given")
"""Networks that are not ours: they keep their stride, and a protocol takes it over."""


@dataclass(frozen=True)
class EncoderConfig:
    """Everything besides the weights that decides what an encoder gives.

    Attributes:
        network: "resnet18", "resnet34" or "resnet50"; "lab": the downsampled colour itself, no
            weights; those of others are in `OtherConfig`.
        stride: Pixels per feature cell, 8 or 4.
        padding: Border padding of the convolutions.
        widths: Channels of the residual stages (conv2..conv5 of the paper); of a ResNet-50, of
            their 3x3 convolutions, a quarter of what the stages give.
        last_relu: Whether features are taken after the last ReLU (the paper's table).
        head: Channels of a last 1x1 convolution, such as whitens features; None: there is none.
        mean: Of the RGB input in [0, 1], per channel.
        std: As `mean`.
        temperature: Features leave the encoder with length 1/sqrt(temperature): their raw dot
            products are cosine / temperature, the logits of protocols that do not normalise
            (UVC's, MAST's). Those that do are not affected. That of the training is a start; what
            was chosen for the weights in the package, 0.01, is sharper, and tells places apart far
            better. None: features are left as the network gives them.
        meta: Free text about the training (data, recipe, scores); not read by the program.

    Raises:
        InputError: If mean, std or temperature are not what they must be.
    """

    network: Network = "resnet18"
    stride: int = 8
    padding: Padding = "reflect"
    widths: tuple[int, ...] = (64, 128, 256, 256)
    last_relu: bool = True
    head: int | None = None
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    temperature: float | None = 0.07
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("mean", "std"):
            if len(getattr(self, name)) != 3:
                raise SettingError(name, f"{getattr(self, name)} must be 3 numbers")
        for width in self.widths:
            check_number("widths", width, least=1, most=MAX_WIDTH)
        if self.head is not None:
            check_number("head", self.head, least=1, most=MAX_WIDTH)
        for value in self.std:
            check_number("std", value, above=0)
        if self.temperature is not None:
            check_number("temperature", self.temperature, above=0)


@dataclass(frozen=True)
class LightnessConfig(EncoderConfig):
    """Of a ResNet that sees lightness alone, in all three channels, as UVC's does.

    Attributes:
        colour: "lightness": L of CIE Lab, in [0, 1]; `mean` and `std` are of that.
    """

    colour: Literal["lightness"] = "lightness"


@dataclass(frozen=True)
class OtherConfig(EncoderConfig):
    """Of a network that is not ours: `stride` is any, `padding` and `widths` mean nothing.

    Attributes:
        input_scale: Frames are enlarged by this factor before they are encoded, after padding to
            whole cells: a cell of the network's, `patch` of its pixels, covers `stride` pixels
            of the frame.
        family: What the network is: the `model_type` of a Hugging Face folder, or the network
            that was exported.
        special: Tokens before those of the cells: class and registers.
        folder: Where its files are, from the encoder's own folder or absolute.
        sha256: Of the file of its weights.
        licence: What was found about its licence.

    Raises:
        InputError: If a value is out of range.
    """

    network: Network = "given"
    input_scale: float = 1.0
    family: str = ""
    special: int = 0
    folder: str = ""
    sha256: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("network", self.network, OTHERS)
        check_number("stride", self.stride, least=1)
        check_number("input_scale", self.input_scale, above=0)
        check_number("special", self.special, least=0)
        if abs(self.stride * self.input_scale - self.patch) > 1e-3 * self.patch:
            raise SettingError(
                "input_scale", f"{self.input_scale:g} does not make whole pixels of {self.stride}"
            )

    @property
    def patch(self) -> int:
        """Pixels of the network's input that a cell covers."""
        return round(self.stride * self.input_scale)

    def at_stride(self, stride: int) -> OtherConfig:
        """The same network, fed so that a cell covers so many pixels of the frame."""
        return dataclasses.replace(self, stride=stride, input_scale=self.patch / stride)


def plain(config: EncoderConfig) -> dict[str, Any]:
    """A configuration for JSON. A head is left out where there is none, as version 0.1 has it."""
    settings = dataclasses.asdict(config)
    if config.head is None:
        del settings["head"]
    return settings


def check_trainable(config: EncoderConfig, name: object) -> None:
    """Check that a training can begin with an encoder: that it is a ResNet of ours that sees RGB.

    Args:
        config: Of the encoder.
        name: What it was loaded from, for the error.

    Raises:
        InputError: If it is of another network.
    """
    if isinstance(config, OtherConfig | LightnessConfig):
        what = getattr(config, "family", "") or "sees lightness alone"
        raise InputError(
            f"{name} cannot be trained here ({what}): only ResNets that see RGB can; it may teach "
            "one, as `teachers` of the objective distillation"
        )


def read_config(file: Path) -> EncoderConfig:
    """The configuration in a file.

    Raises:
        InputError: If it is none; one line names the file, and what is wrong.
    """
    try:
        raw = read_json(file)
        if not isinstance(raw, dict):
            raise ValueError("it must hold an object")
        if "model_type" in raw and "network" not in raw:
            raise InputError(
                f"{file.parent} is a model of Hugging Face's ({raw['model_type']}): pixelkin "
                f"encoder import {file.parent} --out ENCODER makes an encoder of it"
            )
        kind: type[EncoderConfig] = LightnessConfig if "colour" in raw else EncoderConfig
        if raw.get("network") in OTHERS:
            kind = OtherConfig
        known = {f.name for f in dataclasses.fields(kind)}
        if set(raw) - known:
            raise ValueError(f"unknown keys {sorted(set(raw) - known)}")
        for key in ("widths", "mean", "std"):
            if key in raw:
                raw[key] = tuple(raw[key])
        return kind(**raw)
    except InputError as error:
        if isinstance(error, SettingError):
            raise InputError(f"{file} is not an encoder's config: {error}") from error
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file} is not an encoder's config: {error}") from error
