"""Label propagation on feature grids: the engine, without video, encoder or pixels.

`FeaturePropagator.step` takes one frame's features at a time and keeps a bounded memory;
`propagate_features` runs it over a whole array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.ops import resample
from pixelkin.ops.affinity.bounds import Bounds
from pixelkin.ops.affinity.cells import Cells, bounds_for
from pixelkin.ops.affinity.shorter import shorter_bounds
from pixelkin.ops.devices import computing
from pixelkin.propagation.memory import Memory
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules import RULES, references
from pixelkin.propagation.rules.base import Context


class FeaturePropagator:
    """Carries soft labels from frame to frame over feature grids, with bounded memory.

    Args:
        protocol: What to do.
        size: (height, width) in pixels at which hard labels are formed, for protocols with a hard
            memory; None: stride times the grid.
    """

    def __init__(self, protocol: Protocol, size: tuple[int, int] | None = None) -> None:
        self.protocol = protocol
        self.size = size
        self.rule = RULES[protocol.rule]
        self.memory = Memory(protocol)
        self._next = 0
        self._bounds: Bounds | None = None

    @property
    def started(self) -> bool:
        """Whether it has seen a frame."""
        return self._next > 0

    @torch.inference_mode()
    def step(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Process the next frame.

        Args:
            features: C x h x w as the encoder gives them; where they are, all is computed.
            labels: L x h x w soft labels where the frame is a keyframe (the first must be). Later
                keyframes may bring more classes; they become long-term references.

        Returns:
            L x h x w: the labels given, or the prediction.
        """
        with computing(features.device):
            return self._step(features, None if labels is None else labels.to(features.device))

    def _step(self, features: Tensor, labels: Tensor | None) -> Tensor:
        p = self.protocol
        if labels is None and self._next == 0:
            raise ValueError("the first frame needs labels")
        frame = self._next
        cells = self._prepared(features)
        if labels is None:
            out = self._predict(frame, cells)
            stored = self._stored(out)
        else:
            self.memory.grow(len(labels))
            out = stored = labels
            if frame == 0 and self.rule.predicts_first(p):
                out = stored = self._stored(self._predict(frame, cells, labels))
        self.memory.add(frame, cells, stored, given=labels)
        self._next += 1
        # The published code with min-max memory reports what it stores.
        return stored if p.normalize_labels else out

    @torch.inference_mode()
    def peek(self, features: Tensor) -> Tensor:
        """The prediction L x h x w for the next frame, without taking it into the memory."""
        with computing(features.device):
            return self._predict(self._next, self._prepared(features))

    def restore(
        self,
        state: Mapping[str, NDArray[Any]],
        frame: int,
        encode: Callable[[int], Tensor],
    ) -> None:
        """Continue at frame `frame` from `Memory.state`; `encode` gives a frame's features."""
        self.memory.restore(state, lambda number: self._prepared(encode(number)))
        self._next = frame

    def _prepared(self, features: Tensor) -> Cells:
        if self.protocol.normalize_features:
            features = F.normalize(features, dim=0, eps=1e-12)
        elif not bool(torch.isfinite(features.square().sum())):
            raise ValueError("features are not finite, or too large for their dot products to be")
        if self.rule.searches and self._bounds is None:
            bounds = shorter_bounds if self.protocol.fast else bounds_for
            self._bounds = bounds(features[None])
        return Cells.of(features[None], self._bounds)

    def _predict(self, frame: int, cells: Cells, own: Tensor | None = None) -> Tensor:
        """Prediction of a frame from the memory, or of frame 0 from copies of itself."""
        wanted = references(self.protocol, frame, self.memory.keyframes or (0,))
        if own is None:
            keys = self.memory.cells
            slots, labels = self.memory.collect(wanted)
        else:
            keys, slots, labels = cells, [0], own[None]
        return self.rule.step(self.protocol, frame, cells, Context(keys, slots, labels, wanted))

    def _stored(self, labels: Tensor) -> Tensor:
        """What the memory keeps of a prediction."""
        p = self.protocol
        if p.normalize_labels == "minmax":
            return resample.stretch(labels)
        if p.hard_memory:
            grid = (labels.shape[1], labels.shape[2])
            size = self.size or (grid[0] * p.stride, grid[1] * p.stride)
            upsample = None
            if p.label_resize == "area":
                upsample = partial(resample.upsample_cells, size=size, stride=p.stride)
            hard, _ = resample.decode_map(labels, size, upsample=upsample)
            classes = range(len(labels))
            return resample.mask_to_grid(hard, classes, grid, p.label_resize, p.stride)
        return labels


def propagate_features(
    features: Tensor, labels: Tensor, protocol: Protocol, size: tuple[int, int] | None = None
) -> Tensor:
    """Carry the soft labels of frame 0 through a whole array of features.

    Args:
        features: F x C x h x w as the encoder gives them.
        labels: L x h x w soft labels of frame 0, float32.
        protocol: What to do.
        size: Frame size in pixels, for protocols with a hard memory; see `FeaturePropagator`.

    Returns:
        F x L x h x w; index 0 is the labels given, or frame 0's own prediction where the protocol
        predicts it.
    """
    if features.ndim != 4 or labels.ndim != 3 or features.shape[2:] != labels.shape[1:]:
        raise ValueError(
            f"features {tuple(features.shape)} must be F x C x h x w, labels "
            f"{tuple(labels.shape)} L x h x w on the same grid"
        )
    engine = FeaturePropagator(protocol, size)
    return torch.stack([engine.step(f, labels if i == 0 else None) for i, f in enumerate(features)])
