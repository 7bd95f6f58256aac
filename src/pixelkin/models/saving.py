"""Encoders as folders that `load_encoder` reads, and in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pixelkin.files import atomic_write
from pixelkin.models.checked import check_values
from pixelkin.models.config import OtherConfig, plain
from pixelkin.models.stored import PREFIX, make_network
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.models.encoder import Encoder


def save_encoder(encoder: Encoder, folder: str | Path, *, half: bool = False) -> None:
    """Write weights.safetensors and config.json into `folder`, each atomically.

    Args:
        encoder: What to save.
        folder: Created if missing; existing files of these names are replaced.
        half: Store floating-point weights in half precision.

    Raises:
        InputError: If the network is not ours, or was made for inference alone, or a weight is
            none, as after a training that diverged; nothing is written then.
    """
    if isinstance(encoder.config, OtherConfig):
        raise InputError(
            f"an encoder of network {encoder.config.network!r} is not saved: pixelkin encoder "
            "import and export make files of it"
        )
    from safetensors.torch import save

    folder = Path(folder)
    state = {
        k: (v.half() if half and v.is_floating_point() else v).contiguous().cpu()
        for k, v in encoder.state_dict().items()
    }
    with torch.device("meta"):
        whole = make_network(encoder.config).state_dict()
    if state.keys() != {PREFIX + name for name in whole}:
        raise InputError(
            "an encoder made for inference (for_inference, Propagator.encoder) is not saved: save "
            "the one that it was made from"
        )
    check_values(state, str(folder / "weights.safetensors"))
    config = json.dumps(plain(encoder.config), indent=2) + "\n"
    for name, data in (("weights.safetensors", save(state)), ("config.json", config.encode())):
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(data)


def describe_encoder(encoder: Encoder) -> dict[str, Any]:
    """An encoder's settings and a digest of its weights, ready for JSON."""
    weights = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    unsaid = ("meta", "folder", "licence")
    settings = {k: v for k, v in plain(encoder.config).items() if k not in unsaid}
    runs = {} if encoder.runtime == "torch" else {"runtime": encoder.runtime}
    return {**settings, "weights": weights.hexdigest(), **runs}
