"""The ResNet in 8-bit integers, for `Protocol.fast` on x86 processors: fast, and a little rougher.

Weights are symmetric in -127..127 with a scale for each channel out; what goes into a convolution
is never negative, after a ReLU, and is rounded to 0..255 with a scale of its own, its largest entry
in this frame. So features depend on nothing but the frame and the weights, in whatever order frames
are asked for. Sums of products are exact integers and come out as float32, as do shortcuts; the
first convolution, whose input is an image, stays in float32.

Processors without VNNI add two products in 16 bits, and 2 x 255 x 127 does not fit: there it is
0..127.

The operators are torch's for quantised models that it compiles. Where they are missing, or do not
give the right integers, `available` says so, and the float32 network serves.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelkin.models import nnpack
from pixelkin.models.fused import FusedResNet
from pixelkin.models.grid import NOT_FINITE
from pixelkin.models.resnet import ResNet
from pixelkin.ops.products import capable, fast_bfloat16, fast_int8
from pixelkin.types import InputError

LEVELS = 127  # the largest integer of a weight
LEAST = 1e-30  # scale of what is zero throughout


def quick_dtype(device: torch.device) -> torch.dtype:
    """In what a ResNet computes features fastest on a device: it goes by what that is able to.

    int8 on x86 processors with VNNI, but bfloat16 on those with AMX and on GPUs; float32 where
    there is neither.
    """
    if device.type == "cpu" and not capable("amx_bf16") and available():
        return torch.int8 if fast_int8() or not nnpack.available() else torch.float32
    return torch.bfloat16 if fast_bfloat16(device) else torch.float32


def available() -> bool:
    """Whether this processor and this torch compute convolutions of integers, and right."""
    return levels() > 0


@lru_cache(maxsize=1)
def levels() -> int:
    """The largest integer of an activation whose products come out right, which is tried; or 0."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return 0
    conv = nn.Conv2d(32, 8, 3, bias=False, device="meta", dtype=torch.float32)
    signs = torch.tensor([1, 1, -1, 1], dtype=torch.float32).repeat(8 * 32 * 9 // 4)
    conv.weight = nn.Parameter(LEVELS * signs.view_as(conv.weight))
    return next((most for most in (255, LEVELS) if _right(conv, most)), 0)


def _right(conv: nn.Conv2d, most: int) -> bool:
    x = torch.full((1, 32, 3, 4), float(most), dtype=torch.float32)
    x = x.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = F.relu(conv(x) + 1)
        try:
            found = QuantisedConv(conv, most)(x, relu=True, onto=torch.ones_like(expected))
        except (AttributeError, RuntimeError, TypeError):  # other or no operators
            return False
    return torch.equal(found, expected)


class QuantisedConv(nn.Module):
    """A convolution of integers between tensors of float32.

    Args:
        conv: With a bias, without groups.
        most: The largest integer of what goes in; by default `levels`.

    Raises:
        AttributeError, RuntimeError, TypeError: If torch has no such operators.
    """

    def __init__(self, conv: nn.Conv2d, most: int | None = None) -> None:
        super().__init__()
        self.most = most or levels()
        weight = conv.weight.detach()
        self.mode, self.margin = conv.padding_mode, int(conv.padding[0])
        self.stride = list(conv.stride)
        self.scales = (weight.abs().amax((1, 2, 3)) / LEVELS).clamp_min(LEAST)
        self.integers = (weight / self.scales.view(-1, 1, 1, 1)).round().to(torch.int8)
        self.zeros = torch.zeros(len(weight), dtype=torch.long)
        self.bias = None if conv.bias is None else conv.bias.detach()
        self._pack()

    def _pack(self) -> None:
        """Lay the integers out for oneDNN; that form can be neither copied nor pickled."""
        self.packed = torch.ops.onednn.qconv_prepack(
            self.integers, self.scales, 1.0, 0, self.stride, [0, 0], [1, 1], 1, None
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "packed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.most = min(self.most, levels())  # of another processor, perhaps
        self._pack()

    def forward(self, x: Tensor, *, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """See `DirectConv.forward`; of one image, none of whose entries is negative."""
        largest = float(x.amax())
        if not math.isfinite(largest):
            raise InputError(NOT_FINITE)
        scale = max(largest / self.most, LEAST)
        if self.margin:
            mode = "constant" if self.mode == "zeros" else self.mode
            x = F.pad(x, (self.margin,) * 4, mode=mode)
        integers = x.mul(1 / scale).round_().to(torch.uint8)
        given = (integers, scale, 0, self.packed, self.scales, self.zeros)
        shape = (self.bias, self.stride, [0, 0], [1, 1], 1, 1.0, 0, torch.float32)
        compute, after = torch.ops.onednn.qconv2d_pointwise, "relu" if relu else "none"
        result: Tensor
        if onto is None:
            result = compute(*given, *shape, after, [], "")
        else:
            result = compute.binary(*given, onto, *shape, 1.0, 0, "sum", 1.0, after, [], "")
        return result


class QuantisedResNet(FusedResNet):
    """A `ResNet` in integers: image by image, as each has its scales."""

    def forward(self, x: Tensor) -> Tensor:
        """See `FusedResNet.forward`.

        Raises:
            InputError: If something on the way is not finite.
        """
        whole = super().forward
        return torch.cat([whole(x[i : i + 1]) for i in range(len(x))])


def quantised(net: ResNet) -> nn.Module:
    """A network in integers; in float32 where that cannot be, or weights are unfit.

    Args:
        net: As `ResNet.folded` gives it.
    """
    fit = all(
        p.dtype == torch.float32 and p.device.type == "cpu" and bool(torch.isfinite(p).all())
        for p in net.parameters()
    )
    return QuantisedResNet(net, QuantisedConv) if fit and available() else nnpack.by_nnpack(net)
