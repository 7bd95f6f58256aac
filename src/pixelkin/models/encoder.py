"""Encoder: a frame in, a grid of features out. Preprocessing + network + normalisation.

`load_encoder` opens a named encoder, a folder (weights.safetensors and a config.json that a person
can read; stored.py), or an ONNX file. Knows nothing about videos, labels or protocols.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pixelkin.checks import check_choice
from pixelkin.models.config import EncoderConfig as EncoderConfig
from pixelkin.models.config import LightnessConfig, OtherConfig
from pixelkin.models.fused import pointwise
from pixelkin.models.given import encoder_of
from pixelkin.models.grid import NOT_FINITE, cells_of, whole_cells
from pixelkin.models.grid import check_frame as check_frame
from pixelkin.models.nnpack import by_nnpack
from pixelkin.models.onnx import Exported, OnnxNet, export
from pixelkin.models.quantised import quantised
from pixelkin.models.quantised import quick_dtype as quick_dtype
from pixelkin.models.resnet import DEPTHS, ResNet
from pixelkin.models.saving import describe_encoder as describe_encoder
from pixelkin.models.saving import save_encoder as save_encoder
from pixelkin.models.stored import make_network, read_folder
from pixelkin.ops.colour import rgb_to_lab
from pixelkin.ops.devices import CPU, computing, find_device
from pixelkin.types import InputError

WEIGHTS_DIR = Path(__file__).parent / "weights"
NAMED = ("default", "lab", "random")
Runtime = Literal["torch", "onnx"]


class Encoder(nn.Module):
    """Preprocessing, network and feature normalisation in one.

    Example:
        >>> encoder = load_encoder("random")
        >>> encoder.encode(np.zeros((480, 854, 3), np.uint8)).shape  # H x W x 3 uint8 RGB
        torch.Size([256, 60, 107])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig, net: nn.Module | None = None) -> None:
        """An encoder of a configuration; `net` where that does not say the network itself."""
        super().__init__()
        self.config = config
        self.runtime: Runtime = "torch"
        self._exported: dict[int, Encoder] = {}  # by stride
        # With the weights on their device, to which a copy would wait; not saved with them.
        for name in ("mean", "std"):
            value = torch.tensor(getattr(config, name)).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.net: Any = make_network(config) if net is None else net

    @classmethod
    def wrap(
        cls,
        module: nn.Module,
        stride: int = 8,
        *,
        mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        input_scale: float = 1.0,
        temperature: float | None = 0.07,
    ) -> Encoder:
        """An encoder of any module. It is not saved.

        Args:
            module: B x 3 x H x W normalised RGB to B x C x H/p x W/p, where H and W are whole
                multiples of p, `stride` times `input_scale`. A copy in evaluation mode serves,
                which has its weights in common with it: what is learned later holds here, too.
            stride: Pixels of the frame that a cell covers.
            mean: Of its input, per channel of RGB in [0, 1].
            std: As `mean`.
            input_scale: How much larger than the frame the module's input is.
            temperature: As in `EncoderConfig`.

        Raises:
            InputError: If the module cannot encode a frame of 64 x 96 pixels, or gives another
                grid or what is not finite.

        Example:
            >>> encoder = Encoder.wrap(nn.Conv2d(3, 5, 16, 16), stride=16)
            >>> encoder.encode(np.zeros((480, 854, 3), np.uint8)).shape
            torch.Size([5, 30, 54])
        """
        config = OtherConfig(
            "given", stride, mean=mean, std=std, temperature=temperature, input_scale=input_scale
        )
        return encoder_of(module, config, cls)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mean.device

    def on(self, device: str | torch.device) -> Encoder:
        """The same encoder on a device: a copy, or self if it is there.

        Args:
            device: As in `find_device`; "auto" is the CPU for what onnxruntime computes.

        Raises:
            InputError: If there is none, it has too little memory, or onnxruntime computes.
        """
        onnx = "onnx" in (self.runtime, self.config.network)
        where = CPU if onnx and device == "auto" else find_device(device)
        if onnx and where.type != "cpu":
            raise InputError(
                f"device {where.type}: onnxruntime computes on the CPU alone here; take the device "
                "cpu, or weights and runtime of torch"
            )
        if where == self.device:
            return self
        with computing(where):
            return copy.deepcopy(self).to(where)

    @property
    def stride(self) -> int:
        """Pixels per feature cell."""
        return self.config.stride

    @property
    def channels(self) -> int:
        """Length of a feature vector."""
        return int(self.net.channels)

    @property
    def keeps_stride(self) -> bool:
        """Whether a protocol takes over the encoder's stride; otherwise it says which it needs."""
        config = self.config
        return isinstance(config, OtherConfig) and config.family not in (*DEPTHS, "lab")

    def with_stride(self, stride: int) -> Encoder:
        """The same weights at another stride; self if it fits.

        A ResNet leaves out its max-pool at 4. Networks of others are fed with larger frames.

        Raises:
            InputError: If it is a file of ONNX, which has one stride.
        """
        if stride == self.stride:
            return self
        if isinstance(self.config, OtherConfig):
            if self.config.network == "onnx":
                raise InputError(
                    f"this ONNX file was exported at a stride of {self.stride} pixels, and "
                    f"{stride} is needed: pixelkin encoder export --stride {stride}"
                )
            other = Encoder(self.config.at_stride(stride), self.net)
        else:
            other = Encoder(replace(self.config, stride=stride)).to(self.device)
            other.load_state_dict(self.state_dict())
        other.runtime = self.runtime
        return other.to(self.device).train(self.training)

    def for_inference(self, stride: int, dtype: torch.dtype = torch.float32) -> Encoder:
        """A copy at a stride that only encodes, faster: batch norms folded, and by NNPACK.

        Args:
            stride: As in `with_stride`.
            dtype: Of a ResNet's convolutions: bfloat16 and int8 are faster on processors made for
                them (`quick_dtype`), and rougher. float32 serves where there is no int8.
        """
        if self.runtime == "onnx" and self.config.network != "onnx":
            if stride not in self._exported:
                self._exported[stride] = _of_onnx(OnnxNet(self.to_onnx(stride).data, "the encoder"))
            return self._exported[stride]
        if isinstance(self.config, OtherConfig):
            return self.with_stride(stride).eval()
        other = self._folded(stride)
        if isinstance(other.net, ResNet):
            net, head = other.net, pointwise(other.net.head, dtype)
            if dtype != torch.int8:
                net.to(dtype)
            net.head = head
            other.net = quantised(net) if dtype == torch.int8 else by_nnpack(net)
        return other

    def _folded(self, stride: int) -> Encoder:
        other = copy.deepcopy(self.with_stride(stride)).eval()
        if isinstance(other.net, ResNet):
            other.net = other.net.folded()
        return other

    def to_onnx(self, stride: int | None = None, *, half: bool = False) -> Exported:
        """The whole encoder as ONNX: RGB in [0, 1] to features, for frames of any size.

        Args:
            stride: As in `with_stride`; its own if None.
            half: Store and compute in half precision.

        Raises:
            InputError: If it is of ONNX already, or as `models.onnx.export`.
        """
        if self.config.network == "onnx":
            raise InputError("this encoder is an ONNX file already")
        plain = copy.copy(self)
        plain.runtime, plain._exported = "torch", {}
        ready = plain._folded(stride or self.stride).to(CPU)
        if half:
            ready.net = ready.net.half()
        facts = {
            "stride": ready.stride,
            "channels": self.channels,
            "family": self.config.network,
            "encoder": describe_encoder(self),
        }
        return export(ready, facts, half=half)

    def preprocess(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W RGB in [0, 1] -> the network's input; ours is of the same shape."""
        if self.config.network in ("lab", "onnx"):
            return rgb
        if isinstance(self.config, OtherConfig):
            rgb = whole_cells(rgb, self.stride, self.config.patch)
        elif isinstance(self.config, LightnessConfig):
            rgb = (rgb_to_lab(rgb)[..., :1, :, :] / 100).expand(rgb.shape)
        return (rgb - self.mean) / self.std

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W float RGB in [0, 1] -> B x C x h x w, vectors of the configured length."""
        dtype = next((p.dtype for p in self.net.parameters()), rgb.dtype)
        x = self.net(self.preprocess(rgb).to(dtype, memory_format=torch.channels_last))
        if self.config.temperature is None:
            return cast(Tensor, x)
        length = float(self.config.temperature) ** -0.5
        unit: Tensor = F.normalize(x.float(), dim=1, eps=1e-12) * length
        return unit

    @torch.inference_mode()
    def encode(self, frame: NDArray[np.uint8]) -> Tensor:
        """One H x W x 3 uint8 RGB frame -> C x ceil(H/stride) x ceil(W/stride) float32.

        Raises:
            InputError: If it is no such frame, or too small for reflect padding, which needs a
                grid of 2 x 2 cells; if the features are of another grid, or not finite; if the
                memory of its device is too small.
        """
        check_frame(frame)
        reflects = self.config.network in DEPTHS and self.config.padding == "reflect"
        if reflects and min(frame.shape[:2]) <= self.stride:
            raise InputError(
                f"a frame of {frame.shape[1]}x{frame.shape[0]} (WxH) is too small for this "
                f"encoder: each side must be at least {self.stride + 1} pixels"
            )
        with computing(self.device):
            rgb = torch.tensor(np.ascontiguousarray(frame), device=self.device).permute(2, 0, 1)
            features: Tensor = self(rgb[None].float() / 255.0)[0].float()
        grid = cells_of((frame.shape[0], frame.shape[1]), self.stride)
        if features.shape[1:] != grid:
            raise InputError(
                f"the encoder gives {tuple(features.shape)} for {frame.shape[1]}x{frame.shape[0]} "
                f"pixels, and must give C x {grid[0]} x {grid[1]} at a stride of {self.stride}"
            )
        if not bool(torch.isfinite(features.sum())):
            raise InputError(NOT_FINITE)
        return features


def load_encoder(
    name_or_path: str | Path | Encoder = "default",
    runtime: Runtime = "torch",
    device: str | torch.device | None = None,
) -> Encoder:
    """An encoder ready for inference.

    Args:
        name_or_path: "default" (the checkpoint in the package), "random" (untrained, seed 0),
            "lab" (colour, no weights), a folder written by `save_encoder` or `pixelkin encoder
            import`, or an ONNX file by `pixelkin encoder export`. An encoder is returned as it is,
            or its copy on another device.
        runtime: "onnx" has onnxruntime compute it, on the CPU.
        device: Where it computes, as in `find_device`; None: on the CPU. An encoder that is given
            stays where it is for None and "auto".

    Raises:
        InputError: If there is no such name or folder, its files do not fit together, its weights
            are not complete and finite, or there is no such device.
    """
    if isinstance(name_or_path, Encoder):
        return name_or_path if device in (None, "auto") else name_or_path.on(device)
    check_choice("runtime", runtime, ("torch", "onnx"))
    return _loaded(str(name_or_path), runtime).on(CPU if device is None else device)


def _loaded(name: str, runtime: Runtime) -> Encoder:
    if Path(name).suffix == ".onnx":
        return _of_onnx(OnnxNet(Path(name)))
    if name == "lab":
        encoder = Encoder(EncoderConfig(network="lab", temperature=None)).eval()
    elif name == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            encoder = Encoder(EncoderConfig()).eval()
    else:
        folder = WEIGHTS_DIR / "default" if name == "default" else Path(name)
        encoder = Encoder(*read_folder(folder, name, NAMED)).eval()
    encoder.runtime = runtime
    return encoder


def _of_onnx(net: OnnxNet) -> Encoder:
    config = OtherConfig(
        "onnx", int(net.facts["stride"]), temperature=None, family=str(net.facts["family"])
    )
    return Encoder(config, net).eval()
