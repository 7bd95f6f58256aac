"""Encoders from the checkpoints of others: nothing of them is run, and nothing is left as drawn."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixelkin.models.checked import OPTIONAL, check_values
from pixelkin.models.config import EncoderConfig, LightnessConfig
from pixelkin.models.encoder import Encoder
from pixelkin.models.families import FAMILIES, NAMES, Family, Read, readings
from pixelkin.models.resnet import DEPTHS, Padding
from pixelkin.models.stored import digest_of, make_network
from pixelkin.types import InputError

ENOUGH = 0.95
HALF_LIGHT = 128 / 255  # UVC's: (L - 128) / 128, of L in 0..255 in all three channels


@dataclass(frozen=True)
class Imported:
    """An encoder of a checkpoint, and what became of its names.

    Attributes:
        encoder: Ready to be saved.
        family: Whose rules read it.
        used: Names in the checkpoint whose weights are the encoder's.
        renamed: The encoder's own name of those whose name is another there.
        ignored: Names in the checkpoint that the encoder has no place for.
        missing: Names of the encoder that the checkpoint has not: batch norms, which are neutral.
    """

    encoder: Encoder
    family: str
    used: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read_checkpoint(file: Path) -> Mapping[str, Any]:
    """The content of a checkpoint; no code in it is run (`weights_only`).

    Raises:
        InputError: If it cannot be read without, or is no checkpoint.
    """
    if not file.is_file():
        raise InputError(f"no such checkpoint: {file}")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        with torch.serialization.safe_globals([argparse.Namespace]):  # settings beside weights
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        said = str(error)
        what = said.split("GLOBAL ")[-1].split(" ")[0] if "GLOBAL " in said else "unknown content"
        raise InputError(
            f"{file} holds more than weights ({what}), which would run as a program when it is "
            "read: save its state dict alone, or as .safetensors"
        ) from error
    except Exception as error:  # of the formats' own kinds
        said = " ".join(str(error).split())[:160]
        raise InputError(f"{file} is no checkpoint that can be read: {said}") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{file} holds a {type(found).__name__}, not weights by name")
    return found


def import_checkpoint(
    file: str | Path,
    family: str = "auto",
    *,
    stages: int = 3,
    padding: Padding | None = None,
    stride: int = 8,
) -> Imported:
    """An encoder of a published checkpoint of a ResNet-18, 34 or 50.

    Args:
        file: .safetensors, or .pth and the like.
        family: Whose rules say what names mean: crw, moco, timecycle, uvc, vfs, dino, torchvision
            (timm has its names); "auto" takes those that find most.
        stages: The last residual stage that is kept, 3 or 4, which is conv4 or conv5.
        padding: Of borders; that of the family if None.
        stride: Pixels of a cell, 8 or 4.

    Raises:
        InputError: If the file cannot be read, fewer than 95 % of the weights that the network
            needs are in it, a convolution is missing, shapes differ, or values are unfit.
    """
    file = Path(file)
    if family != "auto" and family not in NAMES:
        raise InputError(f"no family {family!r}: there are auto, {', '.join(NAMES)}")
    if stages not in (3, 4):
        raise InputError(f"{stages} stages: must be 3 or 4")
    chosen = [one for one in FAMILIES if family in ("auto", one.name)]
    checkpoint = read_checkpoint(file)
    found = [read for one in chosen for read in readings(checkpoint, one)]
    if not found:
        raise InputError(f"{file}: {_none(checkpoint, chosen)}")
    best = max(found, key=lambda read: _count(read, stages))  # of equals, the earlier family's
    return _encoder(file, best, stages, padding, stride)


def _encoder(file: Path, read: Read, stages: int, padding: Padding | None, stride: int) -> Imported:
    config = _config(file, read, stages, padding or read.family.padding, stride)
    net = make_network(config)
    own = net.state_dict()
    needed = [name for name in own if not name.endswith(OPTIONAL)]
    missing = [name for name in needed if name not in read.state]
    share = 1 - len(missing) / len(needed)
    lacking = [name for name in missing if own[name].ndim > 1]
    if share < ENOUGH or lacking:
        first = (lacking or missing)[:3]
        raise InputError(
            f"{file}: by the rules of {read.family.name}, {len(needed) - len(missing)} of "
            f"{len(needed)} weights of a {config.network} are there, and {', '.join(first)} "
            f"{'is' if len(missing) == 1 else 'and others are'} not"
            + ("; --stages 3 leaves layer4 out" if first[0].startswith("layer4") else "")
        )
    state: dict[str, Tensor] = {}
    for name in needed:
        value = read.state.get(name)
        if value is None:
            continue
        if value.shape != own[name].shape:
            raise InputError(
                f"{file}: {read.renamed.get(name, name)} is {'x'.join(map(str, value.shape))}, and "
                f"in a {config.network} {'x'.join(map(str, own[name].shape))}"
            )
        state[name] = value.float()
    check_values(state, str(file))
    net.load_state_dict(state, strict=False)  # batch norms that are missing are drawn neutral
    there = {name: read.renamed.get(name, name) for name in state}
    rest = [read.renamed.get(n, n) for n in read.state if n not in own]
    return Imported(
        Encoder(config, net).eval(),
        read.family.name,
        tuple(there.values()),
        {old: name for name, old in there.items() if old != name},
        (*rest, *read.ignored),
        tuple(missing),
    )


def _config(file: Path, read: Read, stages: int, padding: Padding, stride: int) -> EncoderConfig:
    state = read.state
    kept = [i for i in range(1, stages + 1) if f"layer{i}.0.conv1.weight" in state or i < 4]
    if stages == 4 and len(kept) < 4:
        raise InputError(f"{file} has no layer4: --stages 3")
    blocks = _blocks(state)
    bottleneck = "layer1.0.conv3.weight" in state
    known = {(4, 6, False): "resnet34", (4, 6, True): "resnet50", (2, 2, False): "resnet18"}
    network = known.get((blocks.get(2, 0), blocks.get(3, 0), bottleneck))
    if network is None:
        many = "-".join(str(blocks.get(i, 0)) for i in range(1, 5))
        raise InputError(
            f"{file}: by the rules of {read.family.name}, a ResNet of {many} blocks is none of "
            f"{', '.join(DEPTHS)}; from Python, pixelkin.Encoder.wrap takes any module"
        )
    firsts = {name: state.get(name) for i in kept for name in [f"layer{i}.0.conv1.weight"]}
    for name, value in firsts.items():
        if value is None or value.ndim != 4:
            what = "is missing" if value is None else "is no convolution's"
            raise InputError(f"{file}: by the rules of {read.family.name}, {name} {what}")
    widths = tuple(len(value) for value in firsts.values() if value is not None)
    meta = {"family": read.family.name, "file": file.name, "sha256": digest_of(file)}
    if read.family.lightness:
        grey = (HALF_LIGHT,) * 3
        return LightnessConfig(network, stride, padding, widths, mean=grey, std=grey, meta=meta)  # type: ignore[arg-type]
    return EncoderConfig(network, stride, padding, widths, meta=meta)  # type: ignore[arg-type]


def _blocks(state: Mapping[str, Tensor]) -> dict[int, int]:
    """How many blocks each stage has, by its number."""
    parts = {tuple(name.split(".")[:2]) for name in state if name.startswith("layer")}
    stages = [int(layer[5:]) for layer, *_ in parts if layer[5:].isdigit()]
    return {i: stages.count(i) for i in set(stages)}


def _count(read: Read, stages: int) -> int:
    """How many weights of a ResNet a reading finds, to compare readings by."""
    wanted = ("conv1.", "bn1.", *(f"layer{i}." for i in range(1, stages + 1)))
    return sum(n.startswith(wanted) and not n.endswith(OPTIONAL) for n in read.state)


def _none(checkpoint: Mapping[str, Any], families: list[Family]) -> str:
    names = [str(k) for k in checkpoint][:5]
    tried = ", ".join(one.name for one in families)
    if any("blocks.0." in str(k) for k in _flat(checkpoint)):
        return (
            "it is of a vision transformer: give the folder of the same model from Hugging Face "
            "(config.json and model.safetensors)"
        )
    begins = ", ".join(names) or "nothing"
    return f"no conv1.weight by the rules of {tried}; the names in it begin with {begins}"


def _flat(checkpoint: Mapping[str, Any]) -> list[str]:
    found = []
    for key, value in checkpoint.items():
        found.append(str(key))
        if isinstance(value, Mapping):
            found += [str(k) for k in value]
    return found
