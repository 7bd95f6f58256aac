"""Made-up checkpoints with the names of published ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pixelkin.models.resnet import DEPTHS

State = dict[str, Tensor]
WIDTHS = (4, 8, 16, 8)


def resnet(network: str = "resnet18", widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> State:
    """Weights by torchvision's names, of no special value anywhere."""
    torch.manual_seed(seed)
    kind, more = DEPTHS[network]
    state = kind(8, "zeros", widths, **more).state_dict()
    for name, value in state.items():
        if value.ndim == 1:
            state[name] = torch.rand_like(value) + 0.5
    return state


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def walked(name: str) -> str:
    """A name as a padding layer before each convolution with borders makes it."""
    first, last = name.rpartition(".")[::2]
    padded = first.endswith(("conv1", "conv2")) and last == "weight"
    return f"{first}.1.weight" if padded else name


def crw(state: State) -> dict[str, object]:
    own = {walked(name): value for name, value in prefixed(state, "encoder.model.").items()}
    return {"model": own | {"selfsim_fc.0.weight": torch.rand(4, 4)}, "epoch": 3}


def moco(state: State) -> dict[str, object]:
    other = prefixed(resnet("resnet50", seed=1), "module.encoder_k.")
    own = prefixed(state, "module.encoder_q.") | {"module.encoder_q.fc.0.weight": torch.rand(2, 2)}
    return {"state_dict": other | own | {"module.queue": torch.rand(2, 2)}, "arch": "resnet50"}


def timecycle(state: State) -> dict[str, object]:
    deep = {k: v[:, :, None] if v.ndim == 4 else v for k, v in state.items()}
    other = {"module.afterconv1.weight": torch.rand(2, 2, 1, 1)}
    return {"state_dict": prefixed(deep, "module.encoderVideo.") | other}


def uvc(state: State) -> dict[str, object]:
    other = {"module.rgb_encoder.conv1.weight": torch.rand(4, 3, 7, 7)}
    return {"state_dict": prefixed(state, "module.gray_encoder.") | other}


def vfs(state: State) -> dict[str, object]:
    head = {"img_head.projection_fcs.0.weight": torch.rand(2, 2)}
    return {"state_dict": prefixed(state, "backbone.") | head, "meta": {"epoch": 500}}


def dino(state: State) -> dict[str, object]:
    student = prefixed(resnet("resnet50", seed=1), "module.backbone.")
    return {"student": student, "teacher": prefixed(state, "backbone."), "epoch": 1}


def torchvision(state: State) -> dict[str, object]:
    return dict(state) | {"fc.weight": torch.rand(3, 8), "fc.bias": torch.rand(3)}


FORMS: dict[str, tuple[str, Callable[[State], dict[str, object]]]] = {
    "crw": ("resnet18", crw),
    "moco": ("resnet50", moco),
    "timecycle": ("resnet50", timecycle),
    "uvc": ("resnet18", uvc),
    "vfs": ("resnet18", vfs),
    "dino": ("resnet50", dino),
    "torchvision": ("resnet34", torchvision),
}
"""By family: the network, and its weights as the family writes them."""
