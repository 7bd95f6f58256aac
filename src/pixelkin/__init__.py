"""Learn from unlabelled video which pixels belong together, and carry labels through a video.

Example:
    >>> import pixelkin
    >>> labels = pixelkin.read_mask("first_frame.png")
    >>> for prediction in pixelkin.propagate("video.mp4", labels):
    ...     ids = prediction.labels.ids  # H x W int32
    ...     confidence = prediction.confidence  # one value in [0, 1] for each object

The method is that of Sangryul Jeon, Dongbo Min, Seungryong Kim and Kwanghoon Sohn, "Mining Better
Samples for Contrastive Learning of Temporal Correspondence", CVPR 2021, pp. 1034-1044;
docs/method/index.md says where each part of it is, and what [S], [A], [B], [R], [L] and [D] mean.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public names and where they live; resolved on first use, so that importing the package is quick
# and does not import torch.
_PUBLIC = {
    "Encoder": "pixelkin.models.encoder",
    "InputError": "pixelkin.types",
    "Labels": "pixelkin.types",
    "Prediction": "pixelkin.types",
    "Propagator": "pixelkin.propagation.propagator",
    "Protocol": "pixelkin.propagation.protocol",
    "VideoInfo": "pixelkin.types",
    "load_encoder": "pixelkin.models.encoder",
    "open_video": "pixelkin.video.reader",
    "propagate": "pixelkin.propagation.session",
    "propagate_to_folder": "pixelkin.propagation.session",
    "read_mask": "pixelkin.video.masks",
    "save_encoder": "pixelkin.models.encoder",
    "write_mask": "pixelkin.video.masks",
}

if TYPE_CHECKING:
    from pixelkin.models.encoder import Encoder, load_encoder, save_encoder
    from pixelkin.propagation.propagator import Propagator
    from pixelkin.propagation.protocol import Protocol
    from pixelkin.propagation.session import propagate, propagate_to_folder
    from pixelkin.types import InputError, Labels, Prediction, VideoInfo
    from pixelkin.video.masks import read_mask, write_mask
    from pixelkin.video.reader import open_video

__all__ = [
    "Encoder",
    "InputError",
    "Labels",
    "Prediction",
    "Propagator",
    "Protocol",
    "VideoInfo",
    "load_encoder",
    "open_video",
    "propagate",
    "propagate_to_folder",
    "read_mask",
    "save_encoder",
    "write_mask",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
