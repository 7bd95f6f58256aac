"""A module of the user's own as the network of an encoder."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from pixelkin.models.config import OtherConfig
from pixelkin.ops.devices import CPU
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.models.encoder import Encoder

_TRIED = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def encoder_of(module: nn.Module, config: OtherConfig, kind: type[Encoder]) -> Encoder:
    """The encoder of a copy of a module, which has a mode of its own and the same weights.

    Raises:
        InputError: As `Encoder.wrap`.
    """
    tensors = [*module.parameters(), *module.buffers()]
    try:
        net = copy.deepcopy(module, {id(x): x for x in tensors})
        encoder = kind(config, net).eval()
        encoder.to(tensors[0].device if tensors else CPU)
        channels = len(encoder.encode(_TRIED))
    except InputError:
        raise
    except Exception as error:  # of the module's own kinds
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"the module cannot encode a frame of 64x96 pixels: {said}") from error
    if not channels:
        raise InputError("the module gives features without a channel")
    net.channels = channels  # type: ignore[assignment]
    return encoder
