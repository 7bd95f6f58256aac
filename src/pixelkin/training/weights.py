"""What happens to weights besides the optimiser: averaging, and batch-norm statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelkin.data.store import resize, small_size
from pixelkin.models.encoder import Encoder


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the current ones; buffers are copied.

    Early on the decay is shorter, (1 + step) / (10 + step), so that the initial weights fade soon.
    """
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    torch._foreach_copy_(list(average.buffers()), list(network.buffers()))


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameters with and without weight decay: biases and batch-norm have none."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def keep_batch_norm(network: nn.Module) -> None:
    """Have batch-norm use the statistics that it has, and change them no more."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


@torch.no_grad()
def measure_batch_norm(
    encoder: Encoder, frames: Sequence[NDArray[np.uint8]], *, batch: int = 8
) -> None:
    """Replace the running statistics of batch-norm by their means over whole frames.

    Training crops differ from the frames that the encoder will see: in the scale of things, and in
    colour by augmentation [D] (see "precise batch-norm" in the literature).

    Args:
        encoder: Changed in place; its mode is kept.
        frames: H x W x 3 uint8, of any sizes; none leaves the statistics of training.
        batch: Frames that are normalised together.
    """
    if not frames:
        return
    layers = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all batches
    training = encoder.training
    encoder.train()
    device = next(encoder.parameters()).device
    for part in np.array_split(np.arange(len(frames)), max(1, len(frames) // batch)):
        rgb = stack_frames([frames[i] for i in part])
        encoder(rgb.to(device).float() / 255)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    encoder.train(training)


def stack_frames(frames: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Frames of any sizes -> B x 3 x h x w uint8, reduced to the least short side and cropped."""
    short = min(min(f.shape[:2]) for f in frames)
    small = [resize(f, small_size(f.shape[0], f.shape[1], short)) for f in frames]
    h, w = (min(f.shape[axis] for f in small) for axis in (0, 1))
    tops = [((f.shape[0] - h) // 2, (f.shape[1] - w) // 2) for f in small]
    crops = [f[y : y + h, x : x + w] for f, (y, x) in zip(small, tops, strict=True)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
