"""The paper's network, a ResNet-18 that keeps a stride of 8 [S, table 1], and deeper ones.

Pure torch modules. Parameter names are torchvision's, so its state dicts load where shapes agree,
without importing it. Knows nothing about images, files or labels.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pixelkin.checks import SettingError, check_choice
from pixelkin.ops.host import at_hand

Padding = Literal["reflect", "replicate", "zeros"]


class PaddedConv(nn.Conv2d):
    """A convolution whose borders are padded in the precision in which it is computed.

    Left to itself, autocast on the CPU pads reflected borders in float32: the conversions there and
    back, of every activation and its gradient, took a fifth of a bfloat16 training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """B x cin x H x W -> B x cout x ceil(H/stride) x ceil(W/stride)."""
        if self.padding_mode == "zeros":
            return super().forward(x)
        device, margin = x.device.type, self.kernel_size[0] // 2
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        with torch.autocast(device, enabled=False):
            if self.padding_mode == "reflect" and not at_hand(x):
                x = reflected(x, margin)
            else:
                x = F.pad(x, (margin,) * 4, mode=self.padding_mode)
        return F.conv2d(x, self.weight, self.bias, self.stride)


def reflected(x: Tensor, margin: int) -> Tensor:
    """B x C x H x W with `margin` reflected rows and columns on each side, channels last.

    What `F.pad` gives; on CUDA that knows channels-first memory alone, and adds up gradients in
    an order that differs from call to call.
    """
    padded: Tensor = _Reflected.apply(x, margin)  # type: ignore[no-untyped-call]
    return padded


class _Reflected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, margin: int) -> Tensor:
        ctx.margin = margin
        for axis in (2, 3):
            n = x.shape[axis]
            before = [x.narrow(axis, k, 1) for k in range(margin, 0, -1)]
            after = [x.narrow(axis, n - 1 - k, 1) for k in range(1, margin + 1)]
            x = torch.cat([*before, x, *after], axis)
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        m = ctx.margin
        gradient = gradient.contiguous(memory_format=torch.channels_last).clone()
        for axis in (2, 3):
            n = gradient.shape[axis] - 2 * m
            for k in range(1, m + 1):  # thin slices, added to those that they are copies of
                gradient.narrow(axis, m + k, 1).add_(gradient.narrow(axis, m - k, 1))
                inner = gradient.narrow(axis, m + n - 1 - k, 1)
                inner.add_(gradient.narrow(axis, m + n - 1 + k, 1))
            gradient = gradient.narrow(axis, m, n)
        return gradient, None


def _conv(cin: int, cout: int, size: int, stride: int, padding: Padding) -> nn.Conv2d:
    margin = size // 2
    return PaddedConv(cin, cout, size, stride, margin, bias=False, padding_mode=padding)


def _fold(conv: nn.Module, norm: nn.Module) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut; the last ReLU can be left out."""

    def __init__(
        self, cin: int, cout: int, stride: int, padding: Padding, *, last_relu: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = _conv(cin, cout, 3, stride, padding)
        self.bn1: nn.Module = nn.BatchNorm2d(cout)
        self.conv2 = _conv(cout, cout, 3, 1, padding)
        self.bn2: nn.Module = nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)
        self.last_relu = last_relu
        self.downsample = _shortcut(cin, cout, stride)

    def forward(self, x: Tensor) -> Tensor:
        """B x cin x H x W -> B x cout x H/stride x W/stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x)) + shortcut
        return cast(Tensor, self.relu(x)) if self.last_relu else x


def _shortcut(cin: int, cout: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output; None where it has it already."""
    if stride == 1 and cin == cout:
        return None
    return nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut, four times as many channels out [P].

    The stride is that of the 3x3 convolution, as torchvision has it.
    """

    expansion = 4

    def __init__(
        self, cin: int, width: int, stride: int, padding: Padding, *, last_relu: bool = True
    ) -> None:
        super().__init__()
        cout = width * self.expansion
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride, padding)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, cout, 1, bias=False)
        self.bn3: nn.Module = nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)
        self.last_relu = last_relu
        self.downsample = _shortcut(cin, cout, stride)

    def forward(self, x: Tensor) -> Tensor:
        """B x cin x H x W -> B x (4 width) x H/stride x W/stride."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x)) + shortcut
        return cast(Tensor, self.relu(x)) if self.last_relu else x


class ResNet(nn.Module):
    """ResNet of stride 8 (or 4, without the max-pool).

    The stride is a property of the call, not of the weights: the same weights serve both [S],
    "the max-pool is removed" for YouTube-VOS.

    Args:
        stride: 8, or 4 to leave out the max-pool.
        padding: How borders are padded; "zeros" is ImageNet's, "reflect" gives absolute position
            less of a chance to leak into the features.
        widths: Channels of layer1..layer4; leave out the last to end at conv4. Of bottlenecks,
            those of the 3x3 convolutions.
        last_relu: Whether the embedding is after the last ReLU (the paper's table) or before it.
        head: Channels of a last 1x1 convolution without bias, or None for none.
        blocks: Blocks of each stage.
        bottleneck: Whether they are bottlenecks.
    """

    def __init__(
        self,
        stride: int = 8,
        padding: Padding = "reflect",
        widths: tuple[int, ...] = (64, 128, 256, 256),
        *,
        last_relu: bool = True,
        head: int | None = None,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        check_choice("stride", stride, (4, 8))
        check_choice("padding", padding, get_args(Padding))
        if not 2 <= len(widths) <= 4:
            raise SettingError("widths", f"{widths} must be channels of two to four stages")
        block, grows = (Bottleneck, Bottleneck.expansion) if bottleneck else (BasicBlock, 1)
        self.stride = stride
        self.channels = widths[-1] * grows
        self.conv1 = _conv(3, widths[0], 7, 2, padding)
        self.bn1: nn.Module = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = len(widths)
        cin = widths[0]
        for i, (width, count) in enumerate(zip(widths, blocks, strict=False), start=1):
            parts = []
            for n in range(count):
                ends = i == self.stages and n == count - 1
                down = 2 if i == 2 and n == 0 else 1
                parts.append(block(cin, width, down, padding, last_relu=last_relu or not ends))
                cin = width * grows
            self.add_module(f"layer{i}", nn.Sequential(*parts))
        self.head: nn.Module = nn.Identity()
        if head is not None:
            self.head = nn.Conv2d(self.channels, head, 1, bias=False)
            self.channels = head
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W (normalised) -> B x C x ceil(H/stride) x ceil(W/stride)."""
        x = self.relu(self.bn1(self.conv1(x)))
        if self.stride == 8:
            x = self.maxpool(x)
        for i in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{i}")(x)
        return headed(self.head, x)

    def folded(self) -> ResNet:
        """A copy for inference: batch norms folded into the convolutions, channels last.

        Its features are the same up to rounding; its state dict is another.
        """
        net = copy.deepcopy(self).eval()
        if isinstance(net.bn1, nn.Identity):
            return net
        for m in list(net.modules()):
            if isinstance(m, ResNet | BasicBlock | Bottleneck):
                m.conv1, m.bn1 = _fold(m.conv1, m.bn1), nn.Identity()
            if isinstance(m, BasicBlock | Bottleneck):
                m.conv2, m.bn2 = _fold(m.conv2, m.bn2), nn.Identity()
                if m.downsample is not None:
                    m.downsample = nn.Sequential(_fold(*m.downsample))
            if isinstance(m, Bottleneck):
                m.conv3, m.bn3 = _fold(m.conv3, m.bn3), nn.Identity()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net


def headed(head: nn.Module, x: Tensor) -> Tensor:
    """What a network's head gives, in the precision of its weights; `x` where it has none."""
    if isinstance(weight := getattr(head, "weight", None), Tensor):
        x = x.to(weight.dtype)
    found: Tensor = head(x)
    return found


class ResNet18(ResNet):
    """ResNet-18 of stride 8 (or 4, without the max-pool), 256 channels out by default.

    | stage  | stride of output | blocks            |
    |--------|------------------|-------------------|
    | conv1  | 2                | 7x7, 64           |
    | pool   | 4 (or 2)         | 3x3 max           |
    | layer1 | 4 (or 2)         | 2 x [3x3, 64]     |
    | layer2 | 8 (or 4)         | 2 x [3x3, 128]    |
    | layer3 | 8 (or 4)         | 2 x [3x3, 256]    |
    | layer4 | 8 (or 4)         | 2 x [3x3, 256]    |

    layer1..layer4 are the paper's conv2..conv5. Arguments are those of `ResNet`.
    """


DEPTHS: dict[str, tuple[type[ResNet], dict[str, Any]]] = {
    "resnet18": (ResNet18, {}),
    "resnet34": (ResNet, {"blocks": (3, 4, 6, 3)}),
    "resnet50": (ResNet, {"blocks": (3, 4, 6, 3), "bottleneck": True}),
}
"""By name: the class, and what it is made with besides stride, padding and widths."""
