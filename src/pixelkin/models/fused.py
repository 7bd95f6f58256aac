"""A ResNet for inference, whose convolutions do what follows them as well: the sum, the ReLU."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelkin.models.resnet import BasicBlock, Bottleneck, ResNet, headed
from pixelkin.ops.products import product

Make = Callable[[nn.Conv2d], nn.Module]
"""Of a convolution a module that is called as `DirectConv` is."""


class DirectConv(nn.Module):
    """A convolution as torch has it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, *, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """B x cin x H x W -> B x cout x ceil(H/stride) x ceil(W/stride).

        Args:
            x: Features.
            relu: Whether a ReLU follows.
            onto: What the result is added to, before the ReLU; it may be overwritten.
        """
        result: Tensor = self.conv(x)
        if onto is not None:
            result += onto
        return F.relu(result, inplace=True) if relu else result


class PointwiseConv(nn.Module):
    """A 1x1 convolution as a matrix product, with channels first: of any threads the same bits.

    Args:
        conv: Which serves itself on devices and in other precisions.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.direct = DirectConv(conv)

    @property
    def weight(self) -> Tensor:
        """cout x cin x 1 x 1, wherever the module is and in its precision."""
        return self.direct.conv.weight

    def forward(self, x: Tensor, *, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """See `DirectConv.forward`."""
        if x.device.type != "cpu" or x.dtype != torch.float32 or x.requires_grad:
            result: Tensor = self.direct(x, relu=relu, onto=onto)
            return result
        conv = self.direct.conv
        x = x[:, :, :: conv.stride[0], :: conv.stride[1]]
        cells, weight = x.flatten(2).mT.contiguous(), conv.weight.detach().flatten(1)
        images = [product(weight, one) for one in cells]
        found = images[0][None] if len(images) == 1 else torch.stack(images)
        found = found.view(*found.shape[:2], *x.shape[2:])
        bias = None if conv.bias is None else conv.bias.detach().view(-1, 1, 1)
        for other in (bias, onto):
            if other is not None:
                found += other
        return F.relu(found, inplace=True) if relu else found


def pointwise(head: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a head as such a product, in float32 at least: it makes larger what was small.

    Args:
        head: As `ResNet.head`.
        dtype: Of what comes before it; int8 leaves it in the precision that it has.
    """
    head = copy.deepcopy(head)
    if dtype != torch.int8:
        head.to(torch.promote_types(dtype, torch.float32))
    return PointwiseConv(head) if isinstance(head, nn.Conv2d) else head


class _Block(nn.Module):
    """Of a `BasicBlock` or `Bottleneck` without batch norms."""

    def __init__(self, block: BasicBlock | Bottleneck, make: Make) -> None:
        super().__init__()
        convs = [block.conv1, block.conv2]
        if isinstance(block, Bottleneck):
            convs.append(block.conv3)
        self.convs = nn.ModuleList(make(conv) for conv in convs)
        down = block.downsample
        self.shortcut = None if down is None else make(down.get_submodule("0"))  # type: ignore[arg-type]
        self.last_relu = block.last_relu

    def forward(self, x: Tensor) -> Tensor:
        onto = x if self.shortcut is None else self.shortcut(x)
        *first, last = self.convs
        for conv in first:
            x = conv(x, relu=True)
        result: Tensor = last(x, relu=self.last_relu, onto=onto)
        return result


class FusedResNet(nn.Module):
    """A `ResNet` of other convolutions; its first stays as it is.

    Args:
        net: As `ResNet.folded` gives it.
        make: Makes the convolutions of the blocks; a head is computed as it is.
        channels_first: Whether they want images in that layout.
    """

    def __init__(self, net: ResNet, make: Make, *, channels_first: bool = False) -> None:
        super().__init__()
        self.channels_first = channels_first
        self.channels, self.stride = net.channels, net.stride
        self.conv1 = net.conv1
        self.maxpool = net.maxpool
        stages = (net.get_submodule(f"layer{i}") for i in range(1, net.stages + 1))
        self.head = net.head
        self.blocks = nn.Sequential(*(_Block(block, make) for stage in stages for block in stage))  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W (normalised) -> B x C x ceil(H/stride) x ceil(W/stride)."""
        x = self.conv1(x)
        if self.stride == 8:
            x = self.maxpool(x)
        x = F.relu(x, inplace=True)
        if self.channels_first:
            x = x.contiguous()
        return headed(self.head, self.blocks(x))
