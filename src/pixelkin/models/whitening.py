"""Whitening: a last linear layer by which no few directions outweigh all others.

A few directions of a trained network's features carry most of their length, in every frame; what
tells two things apart lies in many that carry little. Features f of unit length have the second
moment S = E[f f^T]. Multiplied with S^(-power / 2), every direction counts as much as the others at
a power of 1, and at one between 0 and 1 nearer to that. No training, and no labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelkin.checks import check_number
from pixelkin.models.encoder import Encoder
from pixelkin.models.resnet import ResNet
from pixelkin.types import InputError

FLOOR = 1e-4  # of the greatest eigenvalue, added to all: what noise is worth


def second_moment(encoder: Encoder, frames: Iterable[NDArray[np.uint8]]) -> Tensor:
    """E[f f^T] of an encoder's features, of unit length, over all cells of some frames.

    Args:
        encoder: Any.
        frames: H x W x 3 uint8 RGB, each of its own size.

    Returns:
        C x C float64, on the CPU.

    Raises:
        InputError: If there is no frame, or the encoder cannot encode one.
    """
    encoder = encoder.for_inference(encoder.stride)
    total, cells = torch.zeros(encoder.channels, encoder.channels, dtype=torch.float64), 0
    for frame in frames:
        units = F.normalize(encoder.encode(frame).flatten(1).double().cpu(), dim=0)
        total += units @ units.T
        cells += units.shape[1]
    if not cells:
        raise InputError("whitening needs a frame at least: give videos that can be read")
    return total / cells


def whitening(moment: Tensor, power: float) -> Tensor:
    """S^(-power / 2) of a second moment S, so scaled that unit vectors stay so in the mean.

    Args:
        moment: C x C float64.
        power: From 0 to 1.

    Returns:
        C x C float64.
    """
    lengths, axes = torch.linalg.eigh(moment)
    gains = (lengths.clamp_min(0) + FLOOR * lengths[-1]) ** (-power / 2)
    gains /= (gains.square() * lengths).sum().sqrt()
    found: Tensor = axes @ torch.diag(gains) @ axes.T
    return found


def check_whitenable(encoder: Encoder) -> None:
    """Check that an encoder can be given a head that whitens.

    Raises:
        InputError: If its network is not one of our ResNets.
    """
    net = encoder.net
    if not isinstance(net, ResNet) or isinstance(net.bn1, nn.Identity):
        raise InputError(
            f"an encoder of network {encoder.config.network!r} is not whitened: ResNets are, as "
            "they are loaded and not as they are made for inference"
        )


def whitened(encoder: Encoder, frames: Iterable[NDArray[np.uint8]], power: float = 0.5) -> Encoder:
    """The same encoder with a head that whitens its features, or one that did so before, too.

    Args:
        encoder: A ResNet of ours; it is not changed.
        frames: H x W x 3 uint8 RGB, such as it will see; a hundred of different videos do.
        power: 0 changes nothing, 1 whitens in full.

    Raises:
        InputError: If the network is not ours, a frame cannot be encoded, or there is none.
        SettingError: If the power is not from 0 to 1.
    """
    check_number("power", power, least=0, most=1)
    check_whitenable(encoder)
    config = encoder.config
    head = whitening(second_moment(encoder, frames), power)
    before = encoder.state_dict()
    if config.head is not None:
        head = head @ before["net.head.weight"].flatten(1).double().cpu()
    meta = {name: told for name, told in config.meta.items() if name != "model_card"}
    meta["whitened"] = [*meta.get("whitened", []), power]
    other = Encoder(replace(config, head=len(head), meta=meta)).eval()
    weight = head.float()[:, :, None, None]
    other.load_state_dict({**before, "net.head.weight": weight})
    other.runtime = encoder.runtime
    return other.to(encoder.device)
