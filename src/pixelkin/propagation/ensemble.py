"""Several propagators as one: each carries some of the objects, from labels of its own.

The soft labels of an object depend on its own labels and on the frames, not on what else is
labelled: references are weighted by features alone. So an object may come from another keyframe
than the rest; its soft labels are joined with theirs on the grid, and decoded with them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.propagation.codec import Codec, codec_for
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels, Objects, PointLabels, Prediction


class Steps(Protocol):
    """What labels one frame after the other: a `Propagator`, or an `Ensemble`."""

    def features(self, frame: NDArray[np.uint8]) -> Tensor:
        """Features C x h x w of a frame."""

    def step(
        self,
        frame: NDArray[np.uint8],
        labels: Labels | None = None,
        *,
        merge: bool = False,
        features: Tensor,
    ) -> Prediction:
        """Process the next frame; see `Propagator.step`."""


@dataclass(frozen=True)
class Voice:
    """A propagator, and the objects for which it speaks.

    Attributes:
        propagator: It may carry more objects than these.
        objects: Their ids.
    """

    propagator: Propagator
    objects: Collection[int]


class Ensemble:
    """Propagators from several keyframes, from the frame of the last one on.

    Args:
        main: For the last keyframe; new, or already on its way.
        labels: Of that keyframe.
        others: From earlier keyframes, for objects that `labels` do not show.
        objects: What is known of these objects, for each of `others`.
    """

    def __init__(
        self, main: Propagator, labels: Labels, others: Sequence[Voice], objects: Sequence[Objects]
    ) -> None:
        elsewhere = {i for voice in others for i in voice.objects}
        own = [i for i in labels.objects.ids if i not in elsewhere]
        table = Objects()
        for one in (*objects, labels.objects):
            table = table.joined(one)
        codec = codec_for(labels, labels.size, main.protocol)
        self._codec: Codec = replace(codec, objects=table.sorted())
        self._main = Voice(main, own)
        self._others = others
        self._index = 0

    def features(self, frame: NDArray[np.uint8]) -> Tensor:
        """See `Propagator.features`."""
        return self._main.propagator.features(frame)

    @torch.inference_mode()
    def step(
        self,
        frame: NDArray[np.uint8],  # noqa: ARG002
        labels: Labels | None = None,
        *,
        merge: bool = False,  # noqa: ARG002
        features: Tensor,
    ) -> Prediction:
        """Process the next frame: the keyframe, with its labels, or one after it."""
        main, codec = self._main, self._codec
        votes = [(voice, voice.propagator.votes(features)) for voice in self._others]
        if labels is None:
            votes.append((main, main.propagator.votes(features)))
            shown, confidence = codec.decode(join(votes, codec.objects.ids))
            return Prediction(0, shown, confidence)
        main.propagator.votes(features, labels)
        shown, confidence = codec.decode(join(votes, codec.objects.ids))
        merged = codec.merge(shown, confidence, _spread(labels, codec.objects))
        return Prediction(0, *merged, origin="given")


def join(votes: Sequence[tuple[Voice, Tensor]], ids: Sequence[int]) -> Tensor:
    """Soft labels of several propagators as those of one.

    The background has what the objects leave of all votes, whose sum is the mean of what the
    propagators have in a cell (1 by most protocols). Nothing is left where they claim the same one.

    Args:
        votes: The soft labels of each, L x h x w: background, then its propagator's objects.
        ids: The objects that are wanted.

    Returns:
        (1 + len(ids)) x h x w; 0 for objects for which none of them speaks.
    """
    first = votes[0][1]
    joined = first.new_zeros(1 + len(ids), *first.shape[1:])
    for voice, soft in votes:
        joined[0] += soft.sum(0) / len(votes)
        for channel, i in enumerate(voice.propagator.objects.ids, start=1):
            if i in voice.objects:
                joined[1 + ids.index(i)] = soft[channel]
    joined[0] = (joined[0] - joined[1:].sum(0)).clamp(min=0)
    return joined


def _spread(labels: Labels, objects: Objects) -> Labels:
    """Labels of some of the objects as labels of all."""
    if not isinstance(labels, PointLabels):
        return replace(labels, objects=objects)
    points = np.full((len(objects), 2), np.nan, np.float32)
    points[[objects.ids.index(i) for i in labels.objects.ids]] = labels.points
    return replace(labels, objects=objects, points=points)
