"""Encoders as folders hold them: configuration and network, whose weights are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pixelkin.checks import check_choice
from pixelkin.models.checked import check_state
from pixelkin.models.config import EncoderConfig, OtherConfig, read_config
from pixelkin.models.hub import HubNet
from pixelkin.models.lab import LabGrid
from pixelkin.models.resnet import DEPTHS, ResNet
from pixelkin.reading import check_file
from pixelkin.types import InputError

CHECKPOINTS = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors")
PREFIX = "net."  # of the names in weights.safetensors


def make_network(config: EncoderConfig) -> ResNet | LabGrid:
    """The network of a configuration, its weights drawn, where it is one of ours.

    Raises:
        InputError: If it is none, or a setting is wrong.
    """
    check_choice("network", config.network, (*DEPTHS, "lab"))
    if config.network == "lab":
        return LabGrid(config.stride)
    kind, more = DEPTHS[config.network]
    settings = {"last_relu": config.last_relu, "head": config.head, **more}
    return kind(config.stride, config.padding, config.widths, **settings)


def read_folder(folder: Path, name: str, named: Sequence[str]) -> tuple[EncoderConfig, nn.Module]:
    """The encoder that a folder holds: its configuration, and the network with its weights.

    Args:
        folder: Where it is.
        name: What it is called in errors.
        named: Encoders that have a name, for errors.

    Raises:
        InputError: If files are missing or do not fit together, or weights are not complete, of
            the right shapes, finite, and more than zeros.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if folder.suffix in CHECKPOINTS and folder.is_file():
        raise InputError(
            f"{folder} is a checkpoint, no encoder yet: pixelkin encoder import {folder} --out "
            "ENCODER makes one of it"
        )
    config_file, weights_file = folder / "config.json", folder / "weights.safetensors"
    config = read_config(config_file) if config_file.is_file() else EncoderConfig()
    if isinstance(config, OtherConfig):
        return config, _read_other(folder, config)
    for file in (config_file, weights_file):
        if not file.is_file():
            raise InputError(
                f"no encoder {name!r}: {file} does not exist; give {_meant(file.parent)} or one of "
                f"{', '.join(named)}"
            )
    try:
        net = make_network(config)
    except (ValueError, RuntimeError) as error:  # of PyTorch, for widths that are no widths
        raise InputError(f"{config_file} is not an encoder's config: {error}") from error
    misfit = f"{weights_file} does not fit {config_file.name}"
    check_file(weights_file)
    try:
        state = {k: v.float() for k, v in load_file(weights_file).items()}
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{misfit}: {error}") from error
    own = net.state_dict()
    check_state(state, {PREFIX + k: v for k, v in own.items()}, misfit)
    found = {k.removeprefix(PREFIX): v for k, v in state.items()}
    net.load_state_dict({k: v.to(own[k].dtype) for k, v in found.items()}, strict=False)
    return config, net


def _read_other(folder: Path, config: OtherConfig) -> HubNet:
    """A network that is not ours, whose files `pixelkin encoder import` left."""
    if config.network != "transformers":
        raise InputError(f"{folder / 'config.json'}: network {config.network!r} is not kept so")
    files = folder / config.folder
    if not (files / "config.json").is_file():
        raise InputError(f"{folder}: the model's files are not in {files}: import it again")
    net = HubNet(files, config.patch, config.special)
    if config.sha256 and digest_of(net.weights) != config.sha256:
        raise InputError(f"{net.weights} has changed since {folder} was made: import it again")
    return net


def digest_of(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _meant(folder: Path) -> str:
    """Which folder may be meant where this one holds no encoder."""
    if (folder / "encoder" / "config.json").is_file():  # of a training
        return f"{folder / 'encoder'},"
    return "a folder with config.json and weights.safetensors,"
