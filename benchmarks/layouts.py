"""The encoder by memory format and by how cuDNN chooses kernels: a part of device.py.

For float32 without TF32 cuDNN has other kernels for channels that lie together than for planes, and
chooses by rule or, with `torch.backends.cudnn.benchmark`, by trying. Which are chosen by trying may
differ from run to run, and with them the last bits of features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models import resnet
from pixelkin.models.encoder import load_encoder
from pixelkin.ops.devices import computing

FORMATS = {"channels last": torch.channels_last, "planes": torch.contiguous_format}
Seconds = Callable[[Callable[[], object]], float]


def padded(x: Tensor, margin: int) -> Tensor:
    """What `resnet.reflected` gives, in planes."""
    return F.pad(x, (margin,) * 4, mode="reflect")


@torch.inference_mode()
def formats(size: tuple[int, int], device: torch.device, seconds: Seconds) -> dict[str, Any]:
    """Seconds of the network alone by each, and how far its features are from those of the first.

    Args:
        size: (height, width) of the frame.
        device: Where.
        seconds: Measures a call.
    """
    image = SyntheticScene(size=size, frames=1)[0].image
    rgb = torch.tensor(image, device=device).permute(2, 0, 1)[None].float() / 255
    found: dict[str, Any] = {}
    expected = None
    before = torch.backends.cudnn.benchmark
    for name, memory in FORMATS.items():
        encoder = load_encoder("default", device=device).for_inference(8)
        net = encoder.net.to(memory_format=memory)
        x = encoder.preprocess(rgb).contiguous(memory_format=memory)
        pad = resnet.reflected if memory == torch.channels_last else padded
        for tries in (False, True):
            torch.backends.cudnn.benchmark = tries
            try:
                with mock.patch.object(resnet, "reflected", pad), computing(device):
                    features = net(x)
                    taken = seconds(lambda net=net, x=x: net(x))  # type: ignore[misc]
            finally:
                torch.backends.cudnn.benchmark = before
            expected = features if expected is None else expected
            found[f"{name}, {'tried' if tries else 'by rule'}"] = {
                "seconds": taken,
                "difference": float((features - expected).abs().max() / expected.abs().max()),
            }
    return found
