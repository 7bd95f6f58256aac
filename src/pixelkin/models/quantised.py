"""The ResNet in 8-bit integers, for `Protocol.fast` on x86 processors: fast, and a little rougher.

Weights are symmetric in -127..127 with a scale for each channel out; what goes into a convolution
is never negative, after a ReLU, and is rounded to 0..127 with a scale of its own, its largest entry
in this frame. So features depend on nothing but the frame and the weights, in whatever order frames
are asked for. Sums of products are exact integers and come out as float32, as do shortcuts; the
first convolution, whose input is an image, stays in float32.

127 and not 255 levels: processors without VNNI add two products in 16 bits, and 2 x 255 x 127 does
not fit.

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

from pixelkin.models.grid import NOT_FINITE
from pixelkin.models.resnet import BasicBlock, Bottleneck, ResNet
from pixelkin.ops.products import capable, fast_bfloat16
from pixelkin.types import InputError

LEVELS = 127  # the largest integer of a weight and of an activation
LEAST = 1e-30  # scale of what is zero throughout


def quick_dtype(device: torch.device) -> torch.dtype:
    """In what a ResNet computes features fastest on a device: it goes by what that is able to.

    int8 on x86 processors, but bfloat16 on those with AMX and on GPUs; float32 where there is
    neither.
    """
    if device.type == "cpu" and not capable("amx_bf16") and available():
        return torch.int8
    return torch.bfloat16 if fast_bfloat16(device) else torch.float32


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this processor and this torch compute convolutions of integers, and right."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    conv = nn.Conv2d(32, 8, 3, bias=False, device="meta", dtype=torch.float32)
    signs = torch.tensor([1, 1, -1, 1], dtype=torch.float32).repeat(8 * 32 * 9 // 4)
    x = torch.full((1, 32, 3, 4), float(LEVELS), dtype=torch.float32)
    x = x.to(memory_format=torch.channels_last)
    conv.weight = nn.Parameter(LEVELS * signs.view_as(conv.weight))
    with torch.inference_mode():
        expected = F.relu(conv(x) + 1)
        try:
            found = QuantisedConv(conv)(x, relu=True, onto=torch.ones_like(expected))
        except (AttributeError, RuntimeError, TypeError):  # other or no operators
            return False
    return torch.equal(found, expected)


class QuantisedConv(nn.Module):
    """A convolution of integers between tensors of float32.

    Args:
        conv: With a bias, without groups.

    Raises:
        AttributeError, RuntimeError, TypeError: If torch has no such operators.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
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
        self._pack()

    def forward(self, x: Tensor, *, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """1 x cin x H x W, none negative, -> 1 x cout x ceil(H/stride) x ceil(W/stride).

        Args:
            x: float32, channels last.
            relu: Whether a ReLU follows.
            onto: What the result is added to, before the ReLU; it is overwritten.
        """
        largest = float(x.amax())
        if not math.isfinite(largest):
            raise InputError(NOT_FINITE)
        scale = max(largest / LEVELS, LEAST)
        if self.margin:
            mode = "constant" if self.mode == "zeros" else self.mode
            x = F.pad(x, (self.margin,) * 4, mode=mode)
        integers = x.mul(1 / scale).round_().to(torch.int8).view(torch.uint8)
        given = (integers, scale, 0, self.packed, self.scales, self.zeros)
        shape = (self.bias, self.stride, [0, 0], [1, 1], 1, 1.0, 0, torch.float32)
        compute, after = torch.ops.onednn.qconv2d_pointwise, "relu" if relu else "none"
        result: Tensor
        if onto is None:
            result = compute(*given, *shape, after, [], "")
        else:
            result = compute.binary(*given, onto, *shape, 1.0, 0, "sum", 1.0, after, [], "")
        return result


class _Block(nn.Module):
    """Of a `BasicBlock` or `Bottleneck` without batch norms."""

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        convs = [block.conv1, block.conv2]
        if isinstance(block, Bottleneck):
            convs.append(block.conv3)
        self.convs = nn.ModuleList(QuantisedConv(conv) for conv in convs)
        down = block.downsample
        self.shortcut = None if down is None else QuantisedConv(down.get_submodule("0"))  # type: ignore[arg-type]
        self.last_relu = block.last_relu

    def forward(self, x: Tensor) -> Tensor:
        onto = x if self.shortcut is None else self.shortcut(x)
        *first, last = self.convs
        for conv in first:
            x = conv(x, relu=True)
        result: Tensor = last(x, relu=self.last_relu, onto=onto)
        return result


class QuantisedResNet(nn.Module):
    """A `ResNet` in integers.

    Args:
        net: As `ResNet.folded` gives it, with finite weights.
    """

    def __init__(self, net: ResNet) -> None:
        super().__init__()
        self.channels, self.stride = net.channels, net.stride
        self.conv1 = net.conv1
        self.maxpool = net.maxpool
        stages = (net.get_submodule(f"layer{i}") for i in range(1, net.stages + 1))
        self.blocks = nn.Sequential(*(_Block(block) for stage in stages for block in stage))  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W (normalised) -> B x C x ceil(H/stride) x ceil(W/stride).

        Raises:
            InputError: If something on the way is not finite.
        """
        # One after the other, as scales are of an image.
        return torch.cat([self._one(x[i : i + 1]) for i in range(len(x))])

    def _one(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if self.stride == 8:
            x = self.maxpool(x)
        result: Tensor = self.blocks(F.relu(x, inplace=True))
        return result


def quantised(net: ResNet) -> nn.Module:
    """`QuantisedResNet`; the network itself where that cannot be, or weights are unfit."""
    fit = all(
        p.dtype == torch.float32 and p.device.type == "cpu" and bool(torch.isfinite(p).all())
        for p in net.parameters()
    )
    return QuantisedResNet(net) if fit and available() else net
