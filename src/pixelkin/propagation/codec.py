"""Between the labels of a frame and soft labels on the grid of its features, and back.

A codec is built once for objects, frame size and protocol; then it only encodes and decodes. Here,
and nowhere else, labels are checked against the frame and against the labels before them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.ops import resample
from pixelkin.ops.devices import computing
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, MaskLabels, Objects, PointLabels, check_size

Confidence = NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """The sizes of a video, (height, width) each.

    Attributes:
        frame: Of its frames, in pixels.
        encoded: Of the frames as they are encoded, in pixels.
        grid: Of the features, in cells.
    """

    frame: tuple[int, int]
    encoded: tuple[int, int]
    grid: tuple[int, int]

    @classmethod
    def of(cls, frame: tuple[int, int], protocol: Protocol) -> Sizes:
        """The sizes that a protocol gives for frames of a size."""
        p, encoded = protocol, frame
        if p.input_size is not None:
            encoded = p.input_size, p.input_size
        elif p.short_side is not None and min(frame) > p.short_side:
            scale = p.short_side / min(frame)
            encoded = round(frame[0] * scale), round(frame[1] * scale)
        return cls(frame, encoded, (-(-encoded[0] // p.stride), -(-encoded[1] // p.stride)))

    def cell(self, stride: int) -> tuple[float, float]:
        """(x, y) pixels of the frame that a step of one cell covers."""
        (h, w), (ih, iw) = self.frame, self.encoded
        return w / iw * stride, h / ih * stride


@dataclass(frozen=True)
class Codec(ABC):
    """Encodes the labels of one video, and decodes its soft labels.

    Attributes:
        first: The labels of the first keyframe; all later ones are of its kind.
        objects: Who is followed. Channel 0 of soft labels is the background, n + 1 the n-th object.
        sizes: Of the video.
        protocol: How labels come to the grid and back.
    """

    first: Labels
    objects: Objects
    sizes: Sizes
    protocol: Protocol

    @abstractmethod
    def encode(self, labels: Labels) -> Tensor:
        """Labels of a keyframe as soft labels, L x h x w float32 on the CPU."""

    @abstractmethod
    def decode(self, soft: Tensor) -> tuple[Labels, Confidence]:
        """Soft labels L x h x w as labels of the frame, and the confidence of each object.

        The confidence is 0 for objects that have joined since the soft labels were made. Masks are
        made where the soft labels are, and come from there as a map of ids.
        """

    @abstractmethod
    def given(self, labels: Labels) -> tuple[Labels, Confidence]:
        """Labels of a keyframe as they are shown, and the confidence of each object."""

    @abstractmethod
    def merge(
        self, predicted: Labels, confidence: Confidence, labels: Labels
    ) -> tuple[Labels, Confidence]:
        """What a keyframe marks, with confidence 1, and the prediction elsewhere."""

    @abstractmethod
    def with_objects(self, objects: Objects, where: str) -> Codec:
        """The codec that follows these objects too; `where` says whose they are in errors."""

    def accept(self, labels: Labels, where: str) -> Codec:
        """Check the labels of one more keyframe.

        Args:
            labels: Of the keyframe.
            where: What they are called in errors.

        Returns:
            The codec that follows their objects too.

        Raises:
            InputError: If they are of another size than the frame or another kind than the first,
                or bring objects that cannot join.
        """
        self.check(labels, where)
        return self.with_objects(labels.objects, where)

    def check(self, labels: Labels, where: str) -> None:
        """Check that labels are of the frame's size and of the first labels' kind.

        Raises:
            InputError: If they are not.
        """
        check_size(labels.size, self.sizes.frame, where)
        if labels.kind != self.first.kind:
            raise InputError(
                f"{where}: {labels.kind}, the first labels are {self.first.kind}, and one run "
                "carries one kind: give one kind"
            )


@dataclass(frozen=True)
class MapCodec(Codec):
    """Masks and parts: one channel an id; a map is the arg-max of the upsampled channels."""

    def encode(self, labels: Labels) -> Tensor:
        """See `Codec.encode`."""
        p, ids = self.protocol, torch.from_numpy(labels.as_map().ids)
        channels = (0, *self.objects.ids)
        if p.label_resize == "area":  # from the pixels that were given, however frames are encoded
            maps = resample.one_hot(ids, channels)
            return resample.cell_means(resample.resize_area(maps, self.sizes.encoded), p.stride)
        if p.label_resize != "nearest":
            ids = resample.resize_nearest(ids, self.sizes.encoded)
        return resample.mask_to_grid(ids, channels, self.sizes.grid, p.label_resize, p.stride)

    def decode(self, soft: Tensor) -> tuple[Labels, Confidence]:
        """See `Codec.decode`; the confidence is the mean share of the votes over an object."""
        with computing(soft.device):
            ids, shares = self._decode(soft)
            confidence = shares[1:].clamp(0, 1).float().cpu().numpy()
            lacking = len(self.objects) - len(confidence)
            return self._labels(ids.int().cpu().numpy()), np.pad(confidence, (0, lacking))

    def _decode(self, soft: Tensor) -> tuple[Tensor, Tensor]:
        """Ids of the frame's size, and the share of the votes of the background and each object."""
        stretched, frame = self.protocol.stretch_output, self.sizes.frame
        if self.protocol.label_resize == "area":
            winner, shares = resample.decode_map(
                soft, frame, stretched=stretched, upsample=self._upsample
            )
        else:
            winner, shares = resample.decode_map(soft, self.sizes.encoded, stretched=stretched)
        channels = torch.tensor((0, *self.objects.ids), device=soft.device)
        return resample.resize_nearest(channels[winner], frame), shares

    def given(self, labels: Labels) -> tuple[Labels, Confidence]:
        """See `Codec.given`; it is 1."""
        confidence = np.ones(len(self.objects), np.float32)
        return self._labels(labels.as_map().ids), confidence

    def merge(
        self, predicted: Labels, confidence: Confidence, labels: Labels
    ) -> tuple[Labels, Confidence]:
        """See `Codec.merge`."""
        new, known = labels.as_map(), predicted.as_map()
        ids = np.where(new.ids > 0, new.ids, known.ids)
        marked = np.isin(np.array(self.objects.ids), new.present)
        return self._labels(ids), np.where(marked, np.float32(1), confidence)

    def with_objects(self, objects: Objects, where: str) -> Codec:  # noqa: ARG002
        """See `Codec.with_objects`."""
        return replace(self, objects=self.objects.joined(objects))

    def _upsample(self, maps: Tensor) -> Tensor:
        encoded = resample.upsample_cells(maps, self.sizes.encoded, self.protocol.stride)
        return resample.resize_bilinear(encoded, self.sizes.frame)

    def _labels(self, ids: NDArray[np.int32]) -> MaskLabels:
        return MaskLabels(self.first.kind, self.objects, ids)


@dataclass(frozen=True)
class PointCodec(Codec):
    """Keypoints and points: one heat map an object; its highest cells give the position."""

    def encode(self, labels: Labels) -> Tensor:
        """See `Codec.encode`."""
        points = torch.from_numpy(labels.as_points().points)
        heat = resample.heatmaps(
            points.double() / self._pixels_per_cell, self.sizes.grid, self.protocol.sigma
        )
        return resample.with_background(heat)

    def decode(self, soft: Tensor) -> tuple[Labels, Confidence]:
        """See `Codec.decode`; the confidence is the share of the heat map around the position."""
        heat = soft[1:].cpu()
        cells = resample.decode_points(heat, self.protocol.decode_top)
        confidence = resample.concentration(heat, cells).clamp(0, 1).float().numpy()
        points = (cells.double() * self._pixels_per_cell).float().numpy()
        return self._labels(points), confidence

    def given(self, labels: Labels) -> tuple[Labels, Confidence]:
        """See `Codec.given`; it is 1, and 0 for absent points."""
        own = labels.as_points()
        return self._labels(own.points), own.visible.astype(np.float32)

    def merge(
        self, predicted: Labels, confidence: Confidence, labels: Labels
    ) -> tuple[Labels, Confidence]:
        """See `Codec.merge`."""
        new, known = labels.as_points(), predicted.as_points()
        points = np.where(new.visible[:, None], new.points, known.points)
        return self._labels(points), np.where(new.visible, np.float32(1), confidence)

    def with_objects(self, objects: Objects, where: str) -> Codec:
        """See `Codec.with_objects`; points do not join later."""
        if objects.ids != self.objects.ids:
            raise InputError(
                f"{where} have {len(objects)} points, the first ones {len(self.objects)}: give "
                "the same points, null where one is absent"
            )
        return replace(self, objects=self.objects.joined(objects))

    @property
    def _pixels_per_cell(self) -> Tensor:
        """(x, y) pixels of the frame that a step of one cell covers."""
        return torch.tensor(self.sizes.cell(self.protocol.stride), dtype=torch.float64)

    def _labels(self, points: NDArray[np.float32]) -> PointLabels:
        return PointLabels(self.first.kind, self.objects, points, self.sizes.frame)


def codec_for(
    labels: Labels, frame: tuple[int, int], protocol: Protocol, where: str = "the labels"
) -> Codec:
    """The codec of a video.

    Args:
        labels: Of its first keyframe.
        frame: (height, width) of its frames.
        protocol: How labels come to the grid and back.
        where: What the labels are called in errors.

    Raises:
        InputError: If the labels are of another size, or mark no object.
    """
    is_map = isinstance(labels, MaskLabels)
    kind = MapCodec if is_map else PointCodec
    codec = kind(labels, labels.objects, Sizes.of(frame, protocol), protocol).accept(labels, where)
    if not (labels.present if is_map else labels.objects.ids):
        raise InputError(f"{where} mark no object")
    return codec
