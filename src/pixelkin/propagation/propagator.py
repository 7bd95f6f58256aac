"""Propagator: frames in, labelled frames out, one at a time, with bounded memory.

Joins an encoder with the engine of features.py: resizes frames, brings labels to the feature grid
and decodes predictions at the frame's own size. Knows nothing about files or whole videos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.models.encoder import Encoder, check_frame, load_encoder
from pixelkin.ops import resample
from pixelkin.ops.cells import fast_bfloat16
from pixelkin.propagation.features import FeaturePropagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, Prediction


class Propagator:
    """Carries labels through a video frame by frame.

    Args:
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.

    Example:
        >>> propagator = Propagator("random", protocol="davis")
        >>> first = propagator.step(frame0, Labels.from_mask(ids))  # H x W x 3 uint8, H x W ids
        >>> for frame in frames:
        ...     prediction = propagator.step(frame)  # .labels.ids: H x W int32
    """

    def __init__(
        self, encoder: Encoder | str = "default", protocol: Protocol | str = "davis"
    ) -> None:
        self.protocol = Protocol.named(protocol) if isinstance(protocol, str) else protocol
        encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
        rough = self.protocol.fast and fast_bfloat16()
        dtype = torch.bfloat16 if rough else torch.float32
        self.encoder = encoder.for_inference(self.protocol.stride, dtype)
        self.engine: FeaturePropagator | None = None
        self._template: Labels | None = None
        self._classes: list[int] = []
        self._names: dict[int, str] = {}
        self._index = 0

    @torch.inference_mode()
    def step(
        self,
        frame: NDArray[np.uint8],
        labels: Labels | None = None,
        *,
        merge: bool = False,
        features: Tensor | None = None,
    ) -> Prediction:
        """Process the next frame.

        Args:
            frame: H x W x 3 uint8 RGB, the same size throughout.
            labels: Labels of this frame where it is a keyframe; the first frame must be one.
                A later keyframe supersedes all that came before: the propagation starts afresh
                from it.
            merge: Take only what a later keyframe marks (ids > 0, points that are not NaN) and
                predict the rest, as YouTube-VOS wants it for objects that appear later. The
                keyframe becomes one more long-term reference.
            features: What `features` gives for this frame, if it is known already.

        Raises:
            InputError: If it is no frame, its size changes, or the labels do not fit the frame or
                the earlier labels.
        """
        check_frame(frame)
        size = (int(frame.shape[0]), int(frame.shape[1]))
        if self.engine is None and labels is None:
            raise InputError("the first frame needs labels")
        if labels is not None and (self.engine is None or not merge):
            if self.engine is not None:
                self._check_size(size)
            self._start(size)
        assert self.engine is not None
        if labels is not None:
            self._accept(labels, size)
        else:
            self._check_size(size)
        features = self.features(frame) if features is None else features
        if labels is None:
            prediction = self.decode(self.engine.step(features))
        else:
            confidence = np.ones(len(self.objects), np.float32)
            if labels.points is not None:
                confidence[np.isnan(labels.points).any(axis=1)] = 0
            if self.engine.started:
                labels, confidence = self._merged(self.decode(self.engine.peek(features)), labels)
            self.engine.step(features, self._to_grid(labels))
            assert self._template is not None
            labels = replace(labels, palette=self._template.palette)
            prediction = Prediction(self._index, labels, self.objects, confidence, "given")
        self._index += 1
        return prediction

    def features(self, frame: NDArray[np.uint8]) -> Tensor:
        """Features C x h x w of a frame, whatever came before: another thread may compute them."""
        check_frame(frame)
        return self.encoder.encode(self._resized(frame))

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids (masks, parts) or indices (keypoints, points) that are followed."""
        return tuple(self._classes[1:])

    def state(self) -> dict[str, NDArray[Any]]:
        """What cannot be computed again from the frames: the soft labels in memory.

        Together with the frames it restores a propagator exactly; see `restore`.
        """
        assert self.engine is not None
        return {
            "classes": np.array(self._classes),
            "next": np.array(self._index),
            **self.engine.memory.state(),
        }

    @torch.inference_mode()
    def restore(
        self,
        state: Mapping[str, NDArray[Any]],
        first: Labels,
        frame: Callable[[int], NDArray[np.uint8]],
    ) -> None:
        """Continue where `state` was taken.

        Args:
            state: From `state` of a propagator with the same encoder and protocol.
            first: The labels that its first frame was given.
            frame: Gives the frame of a number, counted from that first frame.
        """
        self._start(first.size)
        assert self.engine is not None
        self._template, self._names = first, _names_of(first)
        self._classes = state["classes"].tolist()
        self._index = int(state["next"])
        self.engine.restore(state, self._index, lambda number: self.features(frame(number)))

    def decode(self, soft: Tensor) -> Prediction:
        """Soft labels on the grid, L x h x w, to labels at the frame's size."""
        assert self._template is not None
        if self._template.is_map:
            labels, confidence = self._decode_map(soft)
        else:
            labels, confidence = self._decode_points(soft)
        lacking = len(self.objects) - len(confidence)
        return Prediction(self._index, labels, self.objects, np.pad(confidence, (0, lacking)))

    def _start(self, size: tuple[int, int]) -> None:
        p = self.protocol
        self._size = size
        self._input = self._input_size(size)
        self._grid = (-(-self._input[0] // p.stride), -(-self._input[1] // p.stride))
        self.engine = FeaturePropagator(p, self._input)
        self._template = None
        self._classes = []
        self._names = {}

    def _input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """At which size a frame of this size is encoded."""
        p = self.protocol
        if p.input_size is not None:
            return p.input_size, p.input_size
        if p.short_side is not None and min(size) > p.short_side:
            scale = p.short_side / min(size)
            return round(size[0] * scale), round(size[1] * scale)
        return size

    def _check_size(self, size: tuple[int, int]) -> None:
        if size != self._size:
            raise InputError(
                f"frame {self._index} is {size[1]}x{size[0]}, the first one "
                f"{self._size[1]}x{self._size[0]} (WxH): all frames must have one size"
            )

    def _accept(self, labels: Labels, size: tuple[int, int]) -> None:
        """Check labels of a keyframe and add their new objects."""
        if tuple(labels.size) != size:
            raise InputError(
                f"labels of frame {self._index} are {labels.size[1]}x{labels.size[0]}, the frame "
                f"is {size[1]}x{size[0]} (WxH): they must have one size"
            )
        if self._template is None:
            if not labels.objects:
                raise InputError(f"the labels of frame {self._index} mark no object")
            self._template = labels
            self._classes = [0]
        elif labels.kind != self._template.kind:
            raise InputError(
                f"labels of frame {self._index} are {labels.kind}, the first ones "
                f"{self._template.kind}: one run carries one kind"
            )
        if labels.is_map:
            self._classes += [i for i in labels.objects if i not in self._classes]
            self._names |= _names_of(labels)
        elif len(self._classes) == 1:
            # Channel 0 is the background; objects are indices from 0, so they are kept shifted.
            self._classes = [-1, *labels.objects]
        elif len(labels.objects) != len(self.objects):
            raise InputError(
                f"frame {self._index} has {len(labels.objects)} points, the first one "
                f"{len(self.objects)}: give the same points, null where one is absent"
            )

    def _resized(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        size = self._input_size((height, width))
        if size == (height, width):
            return frame
        rgb = torch.tensor(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float()
        # The square sizes of the protocols are plain bilinear; a reduced short side is ours, and
        # shrinks without aliasing.
        smooth = self.protocol.input_size is None
        small = F.interpolate(
            rgb, size=size, mode="bilinear", align_corners=False, antialias=smooth
        )
        resized: NDArray[np.uint8] = small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
        return resized

    def _to_grid(self, labels: Labels) -> Tensor:
        """Labels of a keyframe as soft labels on the grid, L x h x w."""
        p = self.protocol
        if labels.ids is not None:
            ids = torch.from_numpy(labels.ids)
            if p.label_resize != "nearest":
                ids = resample.resize_nearest(ids, self._input)
            return resample.mask_to_grid(ids, self._classes, self._grid, p.label_resize, p.stride)
        assert labels.points is not None
        cells = torch.from_numpy(labels.points).double() / self._pixels_per_cell
        return resample.with_background(resample.heatmaps(cells, self._grid, p.sigma))

    @property
    def _pixels_per_cell(self) -> Tensor:
        """(x, y) pixels of the frame that a step of one cell covers."""
        (h, w), (ih, iw) = self._size, self._input
        return torch.tensor([w / iw, h / ih], dtype=torch.float64) * self.protocol.stride

    def _decode_map(self, soft: Tensor) -> tuple[Labels, NDArray[np.float32]]:
        assert self._template is not None
        stretched = self.protocol.stretch_output
        winner, shares = resample.decode_map(soft, self._input, stretched=stretched)
        ids = resample.resize_nearest(torch.tensor(self._classes)[winner], self._size)
        labels = replace(self._template, ids=ids.int().numpy(), names=None)
        return self._named(labels), shares[1:].clamp(0, 1).float().numpy()

    def _named(self, labels: Labels) -> Labels:
        """A map with the names that keyframes gave; the ids where they gave none."""
        if not self._names:
            return labels
        return replace(labels, names=tuple(self._names.get(i, str(i)) for i in labels.objects))

    def _decode_points(self, soft: Tensor) -> tuple[Labels, NDArray[np.float32]]:
        assert self._template is not None
        heat = soft[1:]
        cells = resample.decode_points(heat, self.protocol.decode_top)
        confidence = resample.concentration(heat, cells).clamp(0, 1).float().numpy()
        points = (cells.double() * self._pixels_per_cell).float().numpy()
        return replace(self._template, points=points), confidence

    def _merged(self, predicted: Prediction, labels: Labels) -> tuple[Labels, NDArray[np.float32]]:
        """What `labels` marks, and the prediction elsewhere; 1 is the confidence of the marked."""
        known = predicted.labels
        if labels.ids is not None:
            assert known.ids is not None
            ids = np.where(labels.ids > 0, labels.ids, known.ids)
            marked: NDArray[np.bool_] = np.isin(np.array(self.objects), labels.objects)
            labels = self._named(replace(labels, ids=ids, names=None))
        else:
            assert labels.points is not None and known.points is not None
            marked = np.asarray(~np.isnan(labels.points).any(axis=1))
            points = np.where(marked[:, None], labels.points, known.points)
            labels = replace(labels, points=points)
        return labels, np.where(marked, np.float32(1), predicted.confidence)


def _names_of(labels: Labels) -> dict[int, str]:
    """Names by id of a keyframe's map, if it has any."""
    return dict(zip(labels.objects, labels.names or (), strict=False)) if labels.is_map else {}
