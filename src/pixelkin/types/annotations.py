"""The labels of a video: those that somebody gave, and those of one frame as propagated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.types.labels import Labels
from pixelkin.types.objects import Objects
from pixelkin.types.video import InputError

Origin = Literal["given", "propagated"]


@dataclass(frozen=True, eq=False)
class Annotations:
    """What somebody labelled in a video: its objects, and their labels in some frames.

    Masks and keypoints may live side by side: a frame has at most one map and one set of points.

    Attributes:
        objects: Every object of the video.
        frames: By frame number, the labels of the frame.

    Raises:
        InputError: If a frame is labelled twice in one way.
    """

    objects: Objects
    frames: Mapping[int, tuple[Labels, ...]]

    def __post_init__(self) -> None:
        for number, labels in self.frames.items():
            if len({type(one) for one in labels}) < len(labels):
                raise InputError(f"frame {number} has labels already; give NUMBER=FILE")

    @classmethod
    def of(cls, frames: Mapping[int, Labels]) -> Annotations:
        """The labels of some frames, and the objects that any of them has."""
        objects = Objects()
        for _, labels in sorted(frames.items()):
            objects = objects.joined(labels.objects)
        return cls(objects, {number: (labels,) for number, labels in frames.items()})

    def joined(self, other: Annotations) -> Annotations:
        """These annotations and those of `other`, whose labels may be of other frames or kinds.

        Points count from 0 in every file. Where their ids are those of masks in the other one,
        they become other ids, above all that there are.
        """
        a, b = self, other
        if a._points & b._maps or b._points & a._maps:
            above = 1 + max((*a.objects.ids, *b.objects.ids))
            a, b = a._points_from(above), b._points_from(above)
        numbers = sorted({*a.frames, *b.frames})
        frames = {n: a.frames.get(n, ()) + b.frames.get(n, ()) for n in numbers}
        return Annotations(a.objects.joined(b.objects), frames)

    @property
    def _points(self) -> set[int]:
        return {o.id for o in self.objects if not o.is_map}

    @property
    def _maps(self) -> set[int]:
        return {o.id for o in self.objects if o.is_map}

    def _points_from(self, above: int) -> Annotations:
        """The same with `above` added to the ids of points."""

        def moved(objects: Objects) -> Objects:
            return Objects(
                tuple(o if o.is_map else replace(o, id=o.id + above) for o in objects),
                tuple((a + above, b + above) for a, b in objects.skeleton),
            )

        frames = {
            number: tuple(replace(one, objects=moved(one.objects)) for one in labels)
            for number, labels in self.frames.items()
        }
        return Annotations(moved(self.objects), frames)

    def keyframes(self) -> dict[int, Labels]:
        """The labels by frame number, where all are of one kind.

        Raises:
            InputError: If they are of several kinds.
        """
        kinds = dict.fromkeys(one.kind for labels in self.frames.values() for one in labels)
        if len(kinds) > 1:
            raise InputError(
                f"labels are {' and '.join(kinds)}, and one run carries one kind: give one kind"
            )
        return {number: labels[0] for number, labels in sorted(self.frames.items())}

    def only(self) -> Labels:
        """The labels of the one frame that has any.

        Raises:
            InputError: If several frames have labels, or one has several kinds, or none.
        """
        found = [one for labels in self.frames.values() for one in labels]
        if len(found) != 1:
            frames = ", ".join(map(str, sorted(self.frames))) or "none"
            raise InputError(f"labels of one frame and one kind are wanted; labelled: {frames}")
        return found[0]

    def __repr__(self) -> str:
        return f"Annotations({len(self.objects)} objects, frames {sorted(self.frames)})"


@dataclass(frozen=True, eq=False)
class Prediction:
    """The labels of one frame as propagated (or as given, on a keyframe).

    Attributes:
        index: Frame number, from 0.
        labels: The labels at the frame's own size; `labels.objects` are all that are followed.
        confidence: One value in [0, 1] for each of them, float32. Masks and parts: the mean,
            over the pixels given to the object, of its share of the votes (0 where it has no
            pixel); keypoints and points: the share of the heat map's mass within one cell of
            the decoded position. On keyframes 1, and 0 for points that they lack.
        origin: "given" on keyframes, else "propagated".
        name: The frame's file stem where the input is a folder, else None.
    """

    index: int
    labels: Labels
    confidence: NDArray[np.float32]
    origin: Origin = "propagated"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.confidence.shape != (len(self.objects),):
            raise ValueError(
                f"confidence of shape {self.confidence.shape} for {len(self.objects)} objects"
            )

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of the objects that are followed, including those not visible in this frame."""
        return self.labels.objects.ids

    @property
    def ids(self) -> NDArray[np.int32]:
        """H x W int32: the map of ids; ValueError where the labels are points."""
        return self.labels.as_map().ids

    @property
    def points(self) -> NDArray[np.float32]:
        """P x 2 float32 (x, y) pixels, NaN where absent; ValueError where the labels are a map."""
        return self.labels.as_points().points

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
