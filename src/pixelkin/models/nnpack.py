"""3x3 convolutions by Winograd's minimal filtering, in a fifth of the products.

By NNPACK, which torch carries. Tiles of 8 x 8 pixels and the weights are transformed, multiplied,
and transformed back to 6 x 6. Rounding is that of float32: in the mean, features are as far from
those in float64 as the ones of direct convolutions are.

An image is computed in strips, which bounds what its tiles take. NNPACK keeps the number of threads
of its first call for good. It is asked for one, and strips are divided between threads here, each
with what follows the convolution: threads of torch wait busily between two of its operations, and
would take the time of these. Images have channels first throughout, as NNPACK asks for it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelkin.models.fused import DirectConv, FusedResNet, PointwiseConv
from pixelkin.models.resnet import ResNet
from pixelkin.ops.products import one_dnn

LEAST = 24 * 24  # pixels of an image: the weights are transformed anew for each call
TILE = 6  # rows that are computed at once: strips of whole tiles have the bits of the image
TRANSFORMED = 8 * 8  # numbers of a tile
STRIP = 2 * TILE  # rows that are worth a thread
LARGEST = 2**22  # numbers of all tiles that are transformed at once


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this torch has NNPACK for this processor, an x86 with AVX2, and it is right."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    pattern = torch.arange(8 * 8 * 9, dtype=torch.float32) % 7 - 3
    weight, bias = pattern.view(8, 8, 3, 3), pattern[:8].clone()
    x = (torch.arange(8 * 25 * 31, dtype=torch.float32) % 11 - 5).view(1, 8, 25, 31)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if not torch._nnpack_available():
            return False
        found = torch._nnpack_spatial_convolution(x, weight, bias, [1, 1])
    except (AttributeError, RuntimeError):  # a torch without it
        return False
    finally:
        torch.set_num_threads(threads)
    return torch.allclose(found, F.conv2d(x, weight, bias, padding=1), rtol=0, atol=1e-2)


@lru_cache(maxsize=4)
def _threads(count: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001
    """Of this process, as a fork has none of its parent's; each with one thread of torch."""
    before, started = torch.get_num_threads(), Barrier(count)
    pool = ThreadPoolExecutor(count, "nnpack", torch.set_num_threads, (1,))
    list(pool.map(lambda _: started.wait(), range(count)))
    torch.set_num_threads(before)  # for threads that others begin
    return pool


class NnpackConv(nn.Module):
    """A 3x3 convolution of stride 1, for inference.

    Args:
        conv: Which serves itself where images are small, on devices, and in other precisions.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.direct = DirectConv(conv)
        self.weight = conv.weight.detach().contiguous()
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode

    def forward(self, x: Tensor, *, relu: bool = False, onto: Tensor | None = None) -> Tensor:
        """See `DirectConv.forward`."""
        height, width = x.shape[2:]
        plain = x.device.type == "cpu" and x.dtype == torch.float32
        if not plain or x.requires_grad or height * width < LEAST:
            result: Tensor = self.direct(x, relu=relu, onto=onto)
            return result
        x, onto = x.contiguous(), None if onto is None else onto.contiguous()
        threads = max(1, min(torch.get_num_threads(), height // STRIP))
        ends = _ends(x, threads)
        size = len(x), len(self.weight), height, width
        found = None if len(ends) == 2 else x.new_empty(size)

        @torch.inference_mode()
        def strip(first: int, last: int) -> Tensor:
            part = self._strip(x, first, last)
            out = part if found is None else found[:, :, first:last]
            if onto is not None:
                part = torch.add(part, onto[:, :, first:last], out=out)
            if relu:
                torch.clamp_min(part, 0, out=out)
            elif part is not out:
                out.copy_(part)
            return out

        if found is None:
            return strip(0, height)
        parts = ends[:-1], ends[1:]
        if threads == 1:
            list(map(strip, *parts))
        else:
            list(_threads(threads, os.getpid()).map(strip, *parts))
        return found

    def _strip(self, x: Tensor, first: int, last: int) -> Tensor:
        """Some rows of the result."""
        above, below = int(first == 0), int(last == x.shape[2])
        rows = x[:, :, first - 1 + above : last + 1 - below]
        rows = F.pad(rows, (1, 1, above, below), mode=self.mode)
        # One by one, as NNPACK treats several in another way.
        found = [
            torch._nnpack_spatial_convolution(one, self.weight, self.bias, [0, 0])
            for one in torch.split(rows, 1)
        ]
        return found[0] if len(found) == 1 else torch.cat(found)


def _ends(x: Tensor, threads: int) -> list[int]:
    """Rows between which strips lie: as many as there are threads, and none too large."""
    _, channels, height, width = x.shape
    tiles, across = -(-height // TILE), -(-width // TILE)
    least = -(-tiles * across * channels * TRANSFORMED // LARGEST)
    count = min(max(threads, least), tiles)
    return sorted({min(-(-tiles * i // count) * TILE, height) for i in range(count + 1)})


def by_nnpack(net: ResNet) -> nn.Module:
    """A network that convolves by NNPACK; the network itself where that cannot be.

    Args:
        net: As `ResNet.folded` gives it.
    """
    fit = all(p.dtype == torch.float32 and p.device.type == "cpu" for p in net.parameters())
    return FusedResNet(net, _made, channels_first=True) if fit and available() else net


def _made(conv: nn.Conv2d) -> nn.Module:
    if conv.kernel_size == (3, 3) and conv.stride == (1, 1):
        return NnpackConv(conv)
    if conv.kernel_size == (1, 1) and one_dnn() is not None:
        return PointwiseConv(conv)
    return DirectConv(conv)
