"""Encoders as ONNX files, and back: the whole of one, RGB in [0, 1] to features.

The height and width of frames are free. A file says of itself, in its metadata, what encoder it is.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pixelkin.types import InputError

EXPORT_NEEDS = "ONNX files are written with onnx and onnxscript: pip install 'pixelkin[onnx]'"
RUN_NEEDS = "ONNX files are run by onnxruntime: pip install 'pixelkin[onnx]'"
KEY = "pixelkin"
TRACED = (157, 203)  # height and width, in pixels
TRIED = ((160, 208), (121, 250), (240, 163))
MOST, MOST_HALF = 1e-4, 2e-2
"""How far features of length 1 may be from PyTorch's, at the most distant number."""


@dataclass(frozen=True)
class Exported:
    """An encoder as ONNX.

    Attributes:
        data: The file's bytes.
        parity: The greatest difference from PyTorch's features, in units of their length, over
            frames of several sizes that were not traced.
    """

    data: bytes
    parity: float


def export(encoder: nn.Module, facts: dict[str, Any], *, half: bool = False) -> Exported:
    """An encoder as ONNX, tried against itself.

    Args:
        encoder: B x 3 x H x W RGB in [0, 1] to B x C x h x w; it is not changed.
        facts: What the file is to say of itself, for `OnnxNet`.
        half: Store and compute in half precision.

    Raises:
        InputError: If a package is missing, the network cannot be exported, or the result is
            farther from PyTorch's than `MOST` (`MOST_HALF`).
    """
    try:
        import onnx
        import onnxscript  # what torch.onnx writes with
    except ImportError as error:
        raise InputError(f"{EXPORT_NEEDS} ({error})") from error
    frame = torch.rand(1, 3, *TRACED, generator=torch.Generator().manual_seed(0))
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # lines of torch about what it tried
    try:
        with (
            torch.no_grad(),
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                encoder,
                (frame,),
                dynamo=True,
                dynamic_shapes=(sizes,),
                input_names=["rgb"],
                output_names=["features"],
                verbose=False,
            )
    except Exception as error:  # torch.export's own kinds, many
        by = f"torch {torch.__version__}, onnxscript {onnxscript.__version__}"
        raise InputError(f"this network cannot be exported by {by}: {_reason(error)}") from error
    finally:
        logging.disable(before)
    if program is None:
        raise InputError("this network cannot be exported: torch.onnx gave nothing")
    model = program.model_proto
    onnx.helper.set_model_props(model, {KEY: json.dumps(facts)})
    data = model.SerializeToString()
    parity = _parity(encoder, OnnxNet(data, "the exported file"))
    if parity > (MOST_HALF if half else MOST):
        raise InputError(
            f"the exported network differs from PyTorch's by {parity:.1e}, which is too much: "
            "it is not written"
        )
    return Exported(data, parity)


def _reason(error: BaseException) -> str:
    """The first cause, of which torch.onnx tells after a page of advice; one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = " ".join(str(error).split("Caused by:")[0].split())
    return f"{type(error).__name__}: {said[:200]}"


@torch.no_grad()
def _parity(encoder: nn.Module, net: OnnxNet) -> float:
    generator = torch.Generator().manual_seed(1)
    worst = 0.0
    for size in TRIED:
        frame = torch.rand(1, 3, *size, generator=generator)
        expected, found = encoder(frame).float(), net(frame)
        if expected.shape != found.shape:
            raise InputError(
                f"the exported network gives {tuple(found.shape)} for {size[1]}x{size[0]} pixels, "
                f"PyTorch {tuple(expected.shape)}: it is not written"
            )
        length = float(expected.norm(dim=1).max())
        worst = max(worst, float((found - expected).abs().max()) / length)
    return worst


class OnnxNet(nn.Module):
    """An ONNX file as a network, run by onnxruntime on the CPU.

    Its state is a digest of the file, so that encoders of different files are told apart.

    Args:
        source: The file, or its bytes.
        name: What it is called in errors; the file if None.

    Attributes:
        facts: What the file says of itself; empty where it was not written here.

    Raises:
        InputError: If onnxruntime is missing, or the file is no ONNX, or not of an encoder.
    """

    digest: Tensor

    def __init__(self, source: Path | bytes, name: str | None = None) -> None:
        super().__init__()
        name = name or str(source)
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(f"{RUN_NEEDS} ({error})") from error
        try:
            data = source if isinstance(source, bytes) else source.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {name}: {error.strerror}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own kinds
            said = " ".join(str(error).split())[:200]
            raise InputError(f"{name} is no ONNX file that can be run: {said}") from error
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        said = self.session.get_modelmeta().custom_metadata_map.get(KEY)
        if said is None or [i.name for i in inputs] != ["rgb"] or len(outputs) != 1:
            raise InputError(
                f"{name} is not an encoder that `pixelkin encoder export` wrote: from Python, "
                "pixelkin.Encoder.wrap takes any module"
            )
        self.facts: dict[str, Any] = json.loads(said)
        self.channels = int(self.facts["channels"])
        digest = np.frombuffer(hashlib.sha256(data).digest(), np.uint8).copy()
        self.register_buffer("digest", torch.from_numpy(digest))

    def forward(self, rgb: Tensor) -> Tensor:
        """B x 3 x H x W RGB in [0, 1] -> B x C x h x w, B = 1 at a time."""
        frames = rgb.detach().float().cpu().numpy()
        try:
            out = [self.session.run(None, {"rgb": frame[None]})[0] for frame in frames]
        except Exception as error:  # onnxruntime's own kinds
            said = " ".join(str(error).split())[:200]
            size = f"{rgb.shape[-1]}x{rgb.shape[-2]} pixels"
            raise InputError(f"onnxruntime cannot encode a frame of {size}: {said}") from error
        return torch.from_numpy(np.concatenate(out)).float()
