"""The data that the parts of pixelkin hand to each other: videos, labels and predictions.

Plain validated dataclasses over numpy arrays. This module knows nothing about torch, files or
networks. Pixel coordinates are (x, y) with (0, 0) at the *centre* of the top-left pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

LabelKind = Literal["mask", "parts", "keypoints", "points"]
Origin = Literal["given", "propagated"]


class InputError(ValueError):
    """What the user gave is wrong; the message says what, where, and what would be right.

    The command line prints it as one line and exits with code 2.
    """


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    Attributes:
        path: The file, folder or glob pattern it came from.
        width: Frame width in pixels.
        height: Frame height in pixels.
        frames: Number of frames, or None where the container does not say.
        fps: Frames per second, or None for folders of images.
    """

    path: str
    width: int
    height: int
    frames: int | None = None
    fps: float | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of one frame.

    Masks and parts are a map of integer ids (0 = background); keypoints and points are
    coordinates. Build one with :meth:`from_mask` or :meth:`from_points`.

    Attributes:
        kind: "mask" | "parts" | "keypoints" | "points".
        size: (height, width) of the frame in pixels.
        ids: H x W int32, non-negative, for masks and parts; else None.
        points: P x 2 float32 of (x, y) pixels, NaN where absent, for keypoints and points.
        names: One name for each object or point, in the order of `objects`; or None.
        palette: N x 3 uint8 colours by id or index, or None for the default palette.

    Raises:
        InputError: If arrays are missing, of the wrong shape, or contradict the kind.
    """

    kind: LabelKind
    size: tuple[int, int]
    ids: NDArray[np.int32] | None = None
    points: NDArray[np.float32] | None = None
    names: tuple[str, ...] | None = None
    palette: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(LabelKind):
            raise InputError(f"{self.kind = }: must be one of {', '.join(get_args(LabelKind))}")
        if self.is_map:
            if self.ids is None or self.points is not None:
                raise InputError(f"labels of kind {self.kind!r} need ids (H x W) and no points")
            if self.ids.shape != tuple(self.size):
                raise InputError(
                    f"label map is {self.ids.shape[0]}x{self.ids.shape[-1]} (HxW), "
                    f"its frame {self.size[0]}x{self.size[1]}"
                )
            if self.ids.size and int(self.ids.min()) < 0:
                raise InputError(f"label ids must not be negative, found {int(self.ids.min())}")
        else:
            if self.points is None or self.ids is not None:
                raise InputError(f"labels of kind {self.kind!r} need points (P x 2) and no ids")
            if self.points.ndim != 2 or self.points.shape[1] != 2:
                raise InputError(f"points must be P x 2 (x, y), got shape {self.points.shape}")
            if np.isinf(self.points).any():
                raise InputError("points must be finite, or NaN where absent")
        if self.names is not None and len(self.names) != len(self.objects):
            raise InputError(
                f"{len(self.names)} names for {len(self.objects)} objects: give one for each"
            )

    @classmethod
    def from_mask(
        cls,
        ids: NDArray[Any],
        *,
        kind: Literal["mask", "parts"] = "mask",
        names: tuple[str, ...] | None = None,
        palette: NDArray[np.uint8] | None = None,
    ) -> Labels:
        """Labels from a map of ids, H x W of any integer (or bool) type; 0 is background."""
        ids = np.asarray(ids)
        if ids.ndim != 2 or ids.dtype.kind not in "biu":
            raise InputError(
                f"a mask must be H x W of integers, got shape {ids.shape} of {ids.dtype}"
            )
        highest = np.iinfo(np.int32).max
        if ids.size and int(ids.max()) > highest:
            raise InputError(f"label ids must be at most {highest}, found {int(ids.max())}")
        size = (int(ids.shape[0]), int(ids.shape[1]))
        return cls(kind, size, ids=ids.astype(np.int32), names=names, palette=palette)

    @classmethod
    def from_points(
        cls,
        points: NDArray[Any],
        size: tuple[int, int],
        *,
        kind: Literal["keypoints", "points"] = "keypoints",
        names: tuple[str, ...] | None = None,
    ) -> Labels:
        """Labels from P x 2 (x, y) pixel coordinates on a frame of `size` (height, width)."""
        return cls(kind, size, points=np.asarray(points, dtype=np.float32), names=names)

    @property
    def is_map(self) -> bool:
        """Whether the labels are a map of ids (masks, parts) rather than coordinates."""
        return self.kind in ("mask", "parts")

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids present in the map without background, ascending; or the indices 0..P-1."""
        if self.ids is not None:
            return tuple(int(i) for i in np.unique(self.ids) if i != 0)
        assert self.points is not None
        return tuple(range(len(self.points)))

    def __repr__(self) -> str:
        what = f"ids={list(self.objects)}" if self.is_map else f"points={len(self.objects)}"
        return f"Labels({self.kind}, size={self.size[0]}x{self.size[1]} (HxW), {what})"


@dataclass(frozen=True, eq=False)
class Prediction:
    """The labels of one frame as propagated (or as given, on a keyframe).

    Attributes:
        index: Frame number, from 0.
        labels: The labels at the frame's own size.
        objects: Ids (masks, parts) or indices (keypoints, points) that are being followed,
            including those not visible in this frame.
        confidence: One value in [0, 1] for each of `objects`, float32. Masks and parts: the mean,
            over the pixels given to the object, of its share of the votes (0 where it has no
            pixel); keypoints and points: the share of the heat map's mass within one cell of
            the decoded position. On keyframes 1, and 0 for points that they lack.
        origin: "given" on keyframes, else "propagated".
        name: The frame's file stem where the input is a folder, else None.
    """

    index: int
    labels: Labels
    objects: tuple[int, ...]
    confidence: NDArray[np.float32]
    origin: Origin = "propagated"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.confidence.shape != (len(self.objects),):
            raise ValueError(
                f"confidence of shape {self.confidence.shape} for {len(self.objects)} objects"
            )

    @property
    def frame_confidence(self) -> float:
        """The lowest confidence of the frame's objects: one lost object asks for a look."""
        return float(self.confidence.min()) if len(self.confidence) else 0.0

    def renumbered(self, index: int, name: str | None) -> Prediction:
        """The same prediction under another frame number and name."""
        return replace(self, index=index, name=name)

    def __repr__(self) -> str:
        return (
            f"Prediction(frame {self.index}, {self.labels!r}, {self.origin}, "
            f"confidence={self.frame_confidence:.2f})"
        )
