"""Learn from unlabelled video which pixels belong together, and carry labels through a video.

Example:
    >>> import pixelkin
    >>> labels = pixelkin.read_mask("first_frame.png")
    >>> for prediction in pixelkin.propagate("video.mp4", labels):
    ...     ids = prediction.ids  # H x W int32
    ...     confidence = prediction.confidence  # one value in [0, 1] for each object

The method is that of Sangryul Jeon, Dongbo Min, Seungryong Kim and Kwanghoon Sohn, "Mining Better
Samples for Contrastive Learning of Temporal Correspondence", CVPR 2021, pp. 1034-1044;
docs/method/index.md says where each part of it is, and what [S], [A], [B], [R], [L], [D] and [P]
mean.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public names and where they live; resolved on first use, so that importing the package is quick
# and does not import torch.
_PUBLIC = {
    "Annotations": "pixelkin.types",
    "Encoder": "pixelkin.models.encoder",
    "InputError": "pixelkin.types",
    "Labels": "pixelkin.types",
    "MaskLabels": "pixelkin.types",
    "Object": "pixelkin.types",
    "Objects": "pixelkin.types",
    "PointLabels": "pixelkin.types",
    "Prediction": "pixelkin.types",
    "Propagator": "pixelkin.propagation.propagator",
    "Protocol": "pixelkin.propagation.protocol",
    "Session": "pixelkin.annotation.session",
    "VideoInfo": "pixelkin.types",
    "evaluate": "pixelkin.evaluation.run",
    "load_annotations": "pixelkin.formats.registry",
    "load_encoder": "pixelkin.models.encoder",
    "open_video": "pixelkin.video.reader",
    "propagate": "pixelkin.propagation.passes",
    "propagate_to_folder": "pixelkin.propagation.run",
    "read_mask": "pixelkin.formats.mask_png",
    "save_annotations": "pixelkin.formats.registry",
    "save_encoder": "pixelkin.models.saving",
    "to_supervision": "pixelkin.formats.supervision",
    "tune": "pixelkin.training.tuning",
    "write_mask": "pixelkin.formats.mask_png",
}

if TYPE_CHECKING:  # for type checkers and editors, which cannot follow `_PUBLIC`
    from pixelkin.annotation.session import Session as Session
    from pixelkin.evaluation.run import evaluate as evaluate
    from pixelkin.formats.mask_png import read_mask as read_mask
    from pixelkin.formats.mask_png import write_mask as write_mask
    from pixelkin.formats.registry import load_annotations as load_annotations
    from pixelkin.formats.registry import save_annotations as save_annotations
    from pixelkin.formats.supervision import to_supervision as to_supervision
    from pixelkin.models.encoder import Encoder as Encoder
    from pixelkin.models.encoder import load_encoder as load_encoder
    from pixelkin.models.saving import save_encoder as save_encoder
    from pixelkin.propagation.passes import propagate as propagate
    from pixelkin.propagation.propagator import Propagator as Propagator
    from pixelkin.propagation.protocol import Protocol as Protocol
    from pixelkin.propagation.run import propagate_to_folder as propagate_to_folder
    from pixelkin.training.tuning import tune as tune
    from pixelkin.types import Annotations as Annotations
    from pixelkin.types import InputError as InputError
    from pixelkin.types import Labels as Labels
    from pixelkin.types import MaskLabels as MaskLabels
    from pixelkin.types import Object as Object
    from pixelkin.types import Objects as Objects
    from pixelkin.types import PointLabels as PointLabels
    from pixelkin.types import Prediction as Prediction
    from pixelkin.types import VideoInfo as VideoInfo
    from pixelkin.video.reader import open_video as open_video

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
