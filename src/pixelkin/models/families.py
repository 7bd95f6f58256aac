"""Which names the published checkpoints of ResNets give to which weights: rules as data.

Source: code that the random walk published, which loads its own, MoCo's, TimeCycle's and UVC's [P,
code/utils/__init__.py and code/test.py]; of VFS and DINO what their tools write [D].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

FIRST = "conv1.weight"
WALK = (r"(^|\.)(conv[12])\.1\.weight$", r"\1\2.weight")  # a padding layer before the convolution


@dataclass(frozen=True)
class Family:
    """How a checkpoint is read.

    Attributes:
        name: Of the family.
        at: Keys of the checkpoint under which the weights may be; "" is the checkpoint itself.
        prefixes: What names of the network may begin with, tried in order; other names belong
            to something else, and are ignored. Where there are none, any that a ResNet has.
        renamed: A pattern of names, and what becomes of it.
        depth: Whether weights have a dimension of time, of one frame, which is left out.
        lightness: Whether the network sees lightness alone.
        padding: How its borders were padded.
    """

    name: str
    at: tuple[str, ...] = ("",)
    prefixes: tuple[str, ...] = ()
    renamed: tuple[str, str] | None = None
    depth: bool = False
    lightness: bool = False
    padding: Literal["zeros", "reflect"] = "zeros"


FAMILIES = (
    Family("crw", ("model",), ("encoder.model.", "encoder."), renamed=WALK, padding="reflect"),
    Family("moco", ("state_dict",), ("module.encoder_q.", "encoder_q.")),
    Family("timecycle", ("state_dict",), ("module.encoderVideo.", "encoderVideo."), depth=True),
    Family("uvc", ("state_dict",), ("module.gray_encoder.", "gray_encoder."), lightness=True),
    Family("vfs", ("state_dict",), ("backbone.", "module.backbone.")),
    Family("dino", ("teacher", "student", ""), ("module.backbone.", "backbone.", "module.")),
    Family("torchvision", ("", "state_dict", "model"), ()),
)
NAMES = tuple(family.name for family in FAMILIES)


@dataclass(frozen=True)
class Read:
    """Weights as a family has them.

    Attributes:
        family: Which.
        state: Weights by torchvision's names.
        renamed: The name in the checkpoint, by torchvision's, where they differ.
        ignored: Names in the checkpoint that belong to something else.
    """

    family: Family
    state: dict[str, Tensor]
    renamed: dict[str, str]
    ignored: tuple[str, ...]


def readings(checkpoint: Mapping[str, Any], family: Family) -> list[Read]:
    """All ways in which a family's rules read a checkpoint, each with some weight of a ResNet."""
    found = []
    for key in family.at:
        tensors = checkpoint if not key else checkpoint.get(key)
        if not isinstance(tensors, Mapping):
            continue
        named = {str(k): v for k, v in tensors.items() if isinstance(v, Tensor)}
        prefixes = family.prefixes or _prefixes(named)
        found += [read for p in prefixes if (read := _read(named, family, p)) is not None]
    return found


def _prefixes(named: Mapping[str, Tensor]) -> list[str]:
    """What the names of ResNets begin with, the shortest first."""
    ends = [n.removesuffix(FIRST) for n in named if n.endswith(FIRST)]
    return sorted((p for p in ends if f"{p}layer1.0.{FIRST}" in named), key=len)


def _read(named: Mapping[str, Tensor], family: Family, prefix: str) -> Read | None:
    state: dict[str, Tensor] = {}
    renamed: dict[str, str] = {}
    ignored = []
    for name, value in named.items():
        own = name.removeprefix(prefix)
        if not name.startswith(prefix):
            ignored.append(name)
            continue
        if family.renamed is not None:
            own = re.sub(*family.renamed, own)
        if family.depth and value.ndim == 5 and value.shape[2] == 1:
            value = value.squeeze(2)
        state[own] = value
        if own != name:
            renamed[own] = name
    if FIRST not in state:
        return None
    return Read(family, state, renamed, tuple(ignored))
