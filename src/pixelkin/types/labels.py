"""The labels of one frame: a map of ids, or coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pixelkin.types.objects import HIGHEST_ID, LabelKind, MapKind, Object, Objects, PointKind
from pixelkin.types.video import InputError


@dataclass(frozen=True, eq=False)
class Labels(ABC):
    """The labels of one frame: `MaskLabels` or `PointLabels`; nothing else derives from it.

    Attributes:
        kind: "mask" | "parts" | "keypoints" | "points".
        objects: The objects that are followed, whether they are visible in this frame or not.
    """

    kind: LabelKind
    objects: Objects

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame in pixels."""

    @property
    @abstractmethod
    def present(self) -> tuple[int, ...]:
        """Ids of the objects that are visible in this frame, in ascending order."""

    def as_map(self) -> MaskLabels:
        """These labels as what they are, a map of ids; ValueError if they are points."""
        raise ValueError(f"labels of kind {self.kind!r} are no map of ids")

    def as_points(self) -> PointLabels:
        """These labels as what they are, points; ValueError if they are a map of ids."""
        raise ValueError(f"labels of kind {self.kind!r} are not points")

    @staticmethod
    def from_mask(
        ids: NDArray[Any],
        *,
        kind: MapKind = "mask",
        names: Sequence[str] | None = None,
        palette: NDArray[np.uint8] | None = None,
    ) -> MaskLabels:
        """Labels from a map of ids alone; its objects are those that it shows.

        Args:
            ids: H x W of any integer (or bool) type; 0 is background.
            kind: What the ids stand for.
            names: One name for each id that is there, in ascending order.
            palette: N x 3 uint8 colours by id.

        Raises:
            InputError: If the map is of another shape or type, or the names do not fit.
        """
        ids = np.asarray(ids)
        if ids.ndim != 2 or ids.dtype.kind not in "biu":
            raise InputError(
                f"a mask must be H x W of integers, got shape {ids.shape} of {ids.dtype}"
            )
        if ids.size and int(ids.min()) < 0:
            raise InputError(f"label ids must not be negative, found {int(ids.min())}")
        if ids.size and int(ids.max()) > HIGHEST_ID:
            raise InputError(f"label ids must be at most {HIGHEST_ID}, found {int(ids.max())}")
        ids = ids.astype(np.int32)
        present = _present(ids)
        return MaskLabels(kind, _table(present, kind, names, palette), ids)

    @staticmethod
    def from_points(
        points: NDArray[Any],
        size: tuple[int, int],
        *,
        kind: PointKind = "keypoints",
        names: Sequence[str] | None = None,
    ) -> PointLabels:
        """Labels from coordinates; the objects have the ids 0 to P - 1.

        Args:
            points: P x 2 (x, y) pixels, NaN where absent; they are copied.
            size: (height, width) of the frame.
            kind: What the points stand for.
            names: One name for each.

        Raises:
            InputError: If the points are of another shape or infinite, or the names do not fit.
        """
        points = np.array(points, dtype=np.float32)
        objects = _table(range(len(points)), kind, names, None)
        return PointLabels(kind, objects, points, (int(size[0]), int(size[1])))


@dataclass(frozen=True, eq=False)
class MaskLabels(Labels):
    """A map of ids: masks of objects, or parts of a body. Make one with `Labels.from_mask`.

    Attributes:
        ids: H x W int32; 0 is background, every other value the id of one of `objects`.

    Raises:
        InputError: If the kind or the shape of the map is wrong, or an id is negative.
    """

    ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.kind not in get_args(MapKind):
            raise InputError(f"a map of ids is of kind mask or parts, not {self.kind!r}")
        if self.ids.ndim != 2:
            raise InputError(f"a map of ids must be H x W, got shape {self.ids.shape}")
        if self.ids.size and int(self.ids.min()) < 0:
            raise InputError(f"label ids must not be negative, found {int(self.ids.min())}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame in pixels."""
        return self.ids.shape[0], self.ids.shape[1]

    def as_map(self) -> MaskLabels:
        """The labels themselves."""
        return self

    @cached_property
    def present(self) -> tuple[int, ...]:
        """Ids that the map shows, in ascending order."""
        return _present(self.ids)

    def __repr__(self) -> str:
        return f"Labels({self.kind}, size={_hw(self.size)} (HxW), ids={list(self.present)})"


@dataclass(frozen=True, eq=False)
class PointLabels(Labels):
    """Keypoints of a body, or any points. Make one with `Labels.from_points`.

    Attributes:
        points: P x 2 float32 of (x, y) pixels, one for each of `objects`; NaN where absent.
        frame_size: (height, width) of the frame in pixels.

    Raises:
        InputError: If the kind or the shape is wrong, or a coordinate is infinite.
    """

    points: NDArray[np.float32]
    frame_size: tuple[int, int]

    def __post_init__(self) -> None:
        if self.kind not in get_args(PointKind):
            raise InputError(f"points are of kind keypoints or points, not {self.kind!r}")
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise InputError(f"points must be P x 2 (x, y), got shape {self.points.shape}")
        if len(self.points) != len(self.objects):
            raise InputError(f"{len(self.points)} points for {len(self.objects)} objects")
        if np.isinf(self.points).any():
            raise InputError("points must be finite, or NaN where absent")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame in pixels."""
        return self.frame_size

    def as_points(self) -> PointLabels:
        """The labels themselves."""
        return self

    @property
    def visible(self) -> NDArray[np.bool_]:
        """P: which points are there."""
        return np.asarray(np.isfinite(self.points).all(axis=1))

    @property
    def present(self) -> tuple[int, ...]:
        """Ids of the points that are there, in ascending order."""
        return tuple(sorted(np.array(self.objects.ids)[self.visible].tolist()))

    def check_places(self, what: str) -> None:
        """Check that the points are pixels of the frame.

        Args:
            what: What they are called in the message.

        Raises:
            InputError: If a point lies outside of the frame, or all look like fractions of it.
        """
        height, width = self.size
        there = self.points[self.visible]
        within = ((there >= 0) & (there <= 1)).all()
        if within and (len(there) > 1 or (there % 1 != 0).any()) and max(self.size) > 4:
            raise InputError(
                f"{what}: all points lie between 0 and 1, as fractions of the frame do: give "
                f"pixels, x up to {width - 1} and y up to {height - 1}"
            )
        for o, (x, y) in zip(self.objects, self.points.tolist(), strict=True):
            if np.isnan(x) or np.isnan(y):
                continue
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise InputError(
                    f"{what}: point {o.name or o.id} at ({x:g}, {y:g}) lies outside of the frame, "
                    f"which is {width}x{height} (WxH): give null where it is not visible"
                )

    def __repr__(self) -> str:
        return f"Labels({self.kind}, size={_hw(self.size)} (HxW), points={len(self.points)})"


def _present(ids: NDArray[np.int32]) -> tuple[int, ...]:
    return tuple(i for i in np.unique(ids).tolist() if i != 0)


def _table(
    ids: Iterable[int],
    kind: LabelKind,
    names: Sequence[str] | None,
    palette: NDArray[np.uint8] | None,
) -> Objects:
    ids = tuple(ids)
    if names is not None and len(names) != len(ids):
        raise InputError(f"{len(names)} names for {len(ids)} objects: give one for each")
    colours = [] if palette is None else palette.tolist()
    return Objects(
        tuple(
            Object(
                i,
                kind,
                name=None if names is None else names[n],
                colour=tuple(colours[i]) if i < len(colours) else None,
            )
            for n, i in enumerate(ids)
        )
    )


def _hw(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
