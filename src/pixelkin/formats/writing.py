"""What writers are given, and how they say what their format cannot keep."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import check_writable
from pixelkin.formats.collecting import NOBODY
from pixelkin.ops.outlines import Ring, area, outlines
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    MaskLabels,
    Object,
    Objects,
    PointKind,
    PointLabels,
    VideoInfo,
)
from pixelkin.video.palette import davis_palette

Shapes = Literal["masks", "polygons", "boxes"]

FEATURES = {
    "masks": "masks",
    "points": "keypoints",
    "ids": "which object is which from frame to frame",
    "numbers": "numbers of objects",
    "names": "names",
    "categories": "categories",
    "both": "names beside categories",
    "colours": "own colours",
    "parts": "parts of a body as such",
    "loose": "points as such",
    "bodies": "whose a keypoint is",
    "skeleton": "skeletons",
    "origin": "which labels are results",
    "stale": "which results are older than the labels",
    "confidence": "confidence",
    "occluded": "occlusion",
    "empty": "empty frames",
    "holes": "holes",
    "pieces": "pieces beside the largest one",
    "form": "more of a mask than its box",
}

OF_OBJECTS = (
    "ids",
    "numbers",
    "names",
    "categories",
    "both",
    "colours",
    "parts",
    "loose",
    "bodies",
)


@dataclass(frozen=True)
class Frame:
    """The labels of one frame, masks and points side by side.

    Attributes:
        number: Of the frame.
        maps: The map of ids, if there is one.
        points: The points, if there are any.
    """

    number: int
    maps: MaskLabels | None
    points: PointLabels | None

    def masks(self) -> Iterator[tuple[Object, NDArray[np.bool_]]]:
        """Each object of the map and its H x W mask, empty where it is absent."""
        if self.maps is not None:
            for o in self.maps.objects:
                yield o, self.maps.ids == o.id

    def places(self) -> dict[int, tuple[float, float]]:
        """By id the (x, y) of each point, NaN where it is absent."""
        if self.points is None:
            return {}
        there = zip(self.points.objects.ids, self.points.points.tolist(), strict=True)
        return {i: (x, y) for i, (x, y) in there}


@dataclass(frozen=True)
class Body:
    """Points that belong together: the keypoints of one body, or points of none.

    Attributes:
        name: Its name, where there are several bodies.
        category: What it is, where somebody says.
        kind: Of its points.
        points: Its points, in order.
    """

    name: str | None
    category: str | None
    kind: PointKind
    points: tuple[Object, ...]

    @property
    def label(self) -> str:
        """The one word for it that many formats have: what it is, or its name."""
        return self.category or self.name or NOBODY


def bodies(objects: Objects) -> list[Body]:
    """The bodies among the objects of a video, in order of appearance."""
    groups: dict[str | None, list[Object]] = {}
    for o in objects:
        if not o.is_map:
            groups.setdefault(o.parent, []).append(o)
    kinds: dict[str, PointKind] = {"keypoints": "keypoints", "points": "points"}
    return [
        Body(name, points[0].category, kinds[points[0].kind], tuple(points))
        for name, points in groups.items()
    ]


def point_names(found: Iterable[Body]) -> tuple[str, ...]:
    """What the points of bodies are called, each name once; a number where one has no name."""
    return tuple(dict.fromkeys(point_name(b, n) for b in found for n in range(len(b.points))))


def point_name(body: Body, n: int) -> str:
    """What the n-th point of a body is called."""
    name = body.points[n].name
    return str(n) if name is None else name


def skeleton(objects: Objects, found: Iterable[Body]) -> list[tuple[str, str]]:
    """The lines between the points of bodies, as pairs of names, each once."""
    names = {o.id: point_name(b, n) for b in found for n, o in enumerate(b.points)}
    pairs = ((names[a], names[b]) for a, b in objects.skeleton if a in names and b in names)
    return list(dict.fromkeys(pairs))


def label_of(o: Object) -> str:
    """The one word for an object that many formats have: what it is, or its name."""
    return o.category or o.name or f"object {o.id}"


def counted(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def largest_outline(writing: Writing, number: int, o: Object, mask: NDArray[np.bool_]) -> Ring:
    """The ring around the largest piece of a mask; what it leaves out is noted as lost."""
    rings = outlines(mask)
    around = [ring for ring in rings if area(ring) > 0]
    if len(around) < len(rings):
        writing.lose("holes", (number, o.id))
    if len(around) > 1:
        writing.lose("pieces", (number, o.id))
    return max(around, key=area)


class Writing:
    """One writing of annotations: what a writer reads them through.

    Args:
        annotations: What is written.
        video: What they belong to.
        title: What the format is called in messages.
        loses: Which of `FEATURES` the format does not keep.
        shapes: What masks are written as.
        uncompressed: Whether run lengths are lists, where there is a string for them.
        scorer: Who labelled, where the format has a place for it.
        overwrite: Whether files that are there are replaced.
    """

    def __init__(
        self,
        annotations: Annotations,
        video: VideoInfo,
        title: str,
        loses: Iterable[str],
        *,
        shapes: Shapes = "masks",
        uncompressed: bool = False,
        scorer: str = "pixelkin",
        overwrite: bool = True,
    ) -> None:
        self._loses = frozenset(loses)
        self._lost: dict[str, set[Hashable]] = {}
        kept = tuple(o for o in annotations.objects if self._takes(o.is_map))
        if annotations.objects and not kept:
            what = "masks" if self._takes(True) else "keypoints"
            raise InputError(f"{title} holds {what} alone, of which there are none")
        self.annotations = annotations
        self.objects = annotations.objects.described(Objects(kept))
        self.video = video
        self.title = title
        self.shapes = shapes
        self.uncompressed = uncompressed
        self.scorer = scorer
        self.overwrite = overwrite
        self.numbers = sorted(annotations.frames)

    @property
    def length(self) -> int:
        """Number of frames of the video, as far as it is known."""
        return self.video.frames or max(self.numbers, default=-1) + 1

    def stem(self, number: int, pattern: str = "{:05d}") -> str:
        """The file stem of a frame: its own, or its number."""
        name = self.video.name(number)
        return pattern.format(number) if name is None else name

    def check(self, *paths: Path) -> None:
        """Check that files may be written: see `files.check_writable`."""
        check_writable(*paths, overwrite=self.overwrite)

    def detail(self, number: int, o: Object) -> Detail:
        """What is known of an object in a frame beside its place."""
        return self.annotations.detail(number, o.id)

    def lose(self, feature: str, label: Hashable) -> None:
        """Note that a label or an object has something, in case that the format loses it."""
        if feature in self._loses:
            self._lost.setdefault(feature, set()).add(label)

    def losing(self, *features: str) -> None:
        """Say that the format does not keep these either, as it is written now."""
        self._loses |= set(features)

    def keeping(self, feature: str) -> None:
        """Say that of these labels, as it turned out, this was kept."""
        self._lost.pop(feature, None)

    def lost(self) -> tuple[str, ...]:
        """What the format did not keep, a line each."""
        return tuple(
            f"{self.title} does not keep {words}: "
            + counted(len(self._lost[feature]), "object" if feature in OF_OBJECTS else "label")
            for feature, words in FEATURES.items()
            if feature in self._lost
        )

    def _takes(self, maps: bool) -> bool:
        return ("masks" if maps else "points") not in self._loses

    def frames(self) -> Iterator[Frame]:
        """The labelled frames in ascending order, one at a time; what they have is noted."""
        for o in self.objects:
            self._see_object(o)
        for pair in self.objects.skeleton:
            self.lose("skeleton", pair)
        for number, group in groupby(self.annotations, key=lambda item: item[0]):
            maps = points = None
            for _, labels in group:
                if not self._takes(isinstance(labels, MaskLabels)):
                    self.lose("masks" if isinstance(labels, MaskLabels) else "points", number)
                    continue
                if isinstance(labels, MaskLabels):
                    maps = labels
                elif isinstance(labels, PointLabels):
                    points = labels
                for o in labels.objects:
                    self._see_label(number, o)
                if isinstance(labels, MaskLabels) and not labels.present:
                    self.lose("empty", number)
            if maps is not None or points is not None:
                yield Frame(number, maps, points)

    def _see_object(self, o: Object) -> None:
        usual = davis_palette()
        if o.is_map:
            self.lose("ids", o.id)
            self.lose("numbers", o.id)
        if o.name is not None:
            self.lose("names", o.id)
        name = o.name if o.is_map else o.parent
        if o.category is not None and o.category != name:
            self.lose("categories" if name is None else "both", o.id)
        own = o.colour is not None
        if own and not (o.id < len(usual) and tuple(usual[o.id]) == o.colour):
            self.lose("colours", o.id)
        if o.kind == "parts":
            self.lose("parts", o.id)
        if o.kind == "points":
            self.lose("loose", o.id)
        if o.parent is not None:
            self.lose("bodies", o.id)

    def _see_label(self, number: int, o: Object) -> None:
        detail = self.detail(number, o)
        if detail.confidence is not None:
            self.lose("confidence", (number, o.id))
        if detail.origin == "propagated":
            self.lose("origin", (number, o.id))
        if detail.stale:
            self.lose("stale", (number, o.id))
        if detail.state == "occluded":
            self.lose("occluded", (number, o.id))
