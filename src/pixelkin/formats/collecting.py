"""What readers put the content of a file into, object by object; it makes annotations of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.damages import DAMAGES, told
from pixelkin.formats.listed_frames import one_line
from pixelkin.ops import rle
from pixelkin.types import (
    Annotations,
    Colour,
    Detail,
    InputError,
    Labels,
    LazyFrames,
    MapKind,
    MaskLabels,
    Object,
    Objects,
    PointKind,
    PointLabels,
    VideoInfo,
    check_size,
)

NOBODY = "body"  # what a body is called of which nobody said anything
MASK_VALUE = dict[str, Any]  # run lengths as `ops.rle` has them


def confidence_of(value: object) -> float | None:
    """A score in [0, 1] that a file states; None for any other."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value <= 1 else None  # type: ignore[arg-type,operator]


@dataclass
class _Body:
    name: str | None
    category: str | None
    kind: PointKind
    points: dict[str, str | None] = field(default_factory=dict)  # by key: the name
    lines: dict[tuple[str, str], None] = field(default_factory=dict)


class Collector:
    """The labels of a file, as it is read.

    Objects and bodies are told apart by keys. A key that is a number from 1 to 2^31 - 1 becomes the
    id of an object; others get the lowest ids that are free. Masks are kept as run lengths, and
    painted when a frame is asked for: where two overlap, the later one is on top.

    Args:
        video: What the labels belong to.
        source: What they are called in messages.
    """

    def __init__(self, video: VideoInfo, source: object) -> None:
        self.video = video
        self.source = str(source)
        self.here = self.source  # with the place in the file that is being read
        self._objects: dict[Hashable, dict[str, Any]] = {}
        self._labels: dict[Hashable, str | None] = {}
        self._bodies: dict[Hashable, _Body] = {}
        self._masks: dict[int, dict[Hashable, list[MASK_VALUE]]] = {}
        self._points: dict[int, dict[tuple[Hashable, str], tuple[float, float]]] = {}
        self._details: dict[tuple[int, Hashable, str | None], Detail] = {}
        self._notes: dict[str, int] = {}

    @contextmanager
    def at(self, place: str, file: object = None) -> Iterator[None]:
        """Errors within the block name this place of the file, or of one of several files.

        Raises:
            InputError: For whatever goes wrong with what is there.
        """
        before, self.here = self.here, f"{file or self.source}: {place}"
        try:
            yield
        except InputError:
            raise
        except DAMAGES as error:
            raise InputError(f"{self.here}: {told(error)}") from error
        finally:
            self.here = before

    def object(
        self,
        key: Hashable,
        *,
        name: str | None = None,
        category: str | None = None,
        colour: Colour | None = None,
        kind: MapKind = "mask",
        label: str | None = None,
    ) -> None:
        """An object of masks; the first word on it counts.

        A label, where formats have but one word, is what the object is, and its name if no other
        object has it.
        """
        if key not in self._objects:
            category = category if label is None else label
            known = {"name": name, "category": category, "colour": colour, "kind": kind}
            self._objects[key] = known
            self._labels[key] = label

    def body(
        self,
        key: Hashable,
        points: Iterable[str] = (),
        *,
        name: str | None = None,
        category: str | None = None,
        kind: PointKind = "keypoints",
        lines: Iterable[tuple[str, str]] = (),
        label: str | None = None,
    ) -> None:
        """A body, its points in their order, and the lines between them; more may come later.

        A label is what it is, and its name if there are others that are called otherwise.
        """
        if label is not None and label != NOBODY:
            category = label
            self._labels.setdefault(("body", key), label)
        body = self._bodies.setdefault(key, _Body(name, category, kind))
        for point in points:
            body.points.setdefault(point, point)
        body.lines.update(dict.fromkeys(lines))

    def frame(self, number: int) -> None:
        """A frame that is labelled, if only as one without objects."""
        self._masks.setdefault(number, {})

    def mask(
        self,
        number: int,
        key: Hashable,
        mask: NDArray[np.bool_] | MASK_VALUE | None,
        detail: Detail = Detail(),  # noqa: B008 (it is immutable)
        *,
        joins: bool = True,
    ) -> None:
        """The mask of an object in a frame.

        Args:
            number: Of the frame.
            key: Of an object.
            mask: H x W, or its run lengths; None where the object is absent.
            detail: What is known beside it.
            joins: Whether it may be one of several pieces.

        Raises:
            InputError: If its size is not the video's, or it is one too many.
        """
        there = self._masks.setdefault(number, {}).setdefault(key, [])
        if there and not joins:
            raise InputError(
                f"{self.here} is a second mask of object {one_line(str(key))} in frame {number}"
            )
        if mask is not None:
            runs = rle.encode(mask) if isinstance(mask, np.ndarray) else mask
            height, width = runs["size"]
            check_size((height, width), self.video.size, self.here)
            if not isinstance(runs["counts"], str):
                counts = runs["counts"]
                small = all(type(n) is int and 0 <= n < 2**31 for n in counts)
                runs = runs | {"counts": np.array(counts, np.int32) if small else counts}
            there.append(runs | {"here": self.here})
        self._details[number, key, None] = detail

    def point(
        self,
        number: int,
        body: Hashable,
        point: str,
        xy: Sequence[float] | None,
        detail: Detail = Detail(),  # noqa: B008 (it is immutable)
    ) -> None:
        """A point of a body in a frame: x and y in pixels, None (or NaN) where it is absent.

        Raises:
            InputError: If it is there already, or infinite.
        """
        self._bodies[body].points.setdefault(point, point)
        there = self._points.setdefault(number, {})
        if (body, point) in there:
            raise InputError(f"{self.here} has the point {one_line(point)} of frame {number} twice")
        x, y = (np.nan, np.nan) if xy is None else (float(xy[0]), float(xy[1]))
        if np.isinf(x) or np.isinf(y):
            raise InputError(
                f"{self.here}: the point {one_line(point)} of frame {number} is infinite"
            )
        there[body, point] = (x, y)
        self._details[number, body, point] = detail

    def note(self, text: str) -> None:
        """Something that the file says and labels have no place for."""
        self._notes[text] = self._notes.get(text, 0) + 1

    def annotations(self) -> Annotations:
        """What was collected.

        Raises:
            InputError: If that is nothing.
        """
        if not self._masks and not self._points:
            raise InputError(f"{self.source} holds no labels of this video")
        self._name()
        objects = {key: Object(i, **self._objects[key]) for key, i in self._ids().items()}
        points: dict[tuple[Hashable, str], Object] = {}
        lines: list[tuple[int, int]] = []
        for key, body in self._bodies.items():
            for point, name in body.points.items():
                n = len(points)
                one = Object(n, body.kind, name, body.category, parent=body.name)
                points[key, point] = one
            lines += [(points[key, a].id, points[key, b].id) for a, b in body.lines]
        details = {
            (n, objects[key] if point is None else points[key, point]): detail
            for (n, key, point), detail in self._details.items()
            if detail != Detail()
        }

        def make(number: int) -> tuple[Labels, ...]:
            found: list[Labels] = []
            if number in self._masks:
                found.append(self._painted(number, objects))
            if number in self._points:
                found.append(self._placed(number, points))
            return tuple(found)

        return Annotations.assembled(
            [*objects.values(), *points.values()],
            LazyFrames({*self._masks, *self._points}, make),
            details,
            skeleton=tuple(lines),
            source=self.source,
            notes=tuple(f"{text} ({n})" for text, n in self._notes.items()),
        )

    def _name(self) -> None:
        """Labels become names where they are not shared."""
        times = Counter(self._labels.values())
        for key, known in self._objects.items():
            label = self._labels[key]
            if label is not None and known["name"] is None and times[label] == 1:
                known["name"] = label
        for key, body in self._bodies.items():
            label = self._labels.get(("body", key))
            if label is not None and times[label] == 1 and len(self._bodies) > 1:
                body.name = body.name or label
        unnamed = [body for body in self._bodies.values() if body.name is None]
        taken = {body.name for body in self._bodies.values()}
        for body in unnamed if len(unnamed) > 1 else ():  # who has no name of its own gets a number
            names = (f"{body.category or NOBODY} {n}" for n in count(1))
            body.name = next(name for name in names if name not in taken)
            taken.add(body.name)

    def _ids(self) -> dict[Hashable, int]:
        """The id of each object."""
        taken = {key for key in self._objects if type(key) is int and 0 < key < 2**31}
        free = (i for i in range(1, len(self._objects) + len(taken) + 1) if i not in taken)
        return {key: key if key in taken else next(free) for key in self._objects}

    def _painted(self, number: int, objects: dict[Hashable, Object]) -> MaskLabels:
        ids = np.zeros(self.video.size, dtype=np.int32)
        shown = self._masks[number]
        for key, masks in shown.items():
            for runs in masks:
                counts = runs["counts"]
                counts = counts.tolist() if isinstance(counts, np.ndarray) else counts
                try:
                    ids[rle.decode(runs | {"counts": counts})] = objects[key].id
                except ValueError as error:
                    raise InputError(f"{runs['here']}, frame {number}: {error}") from error
        table = tuple(objects[key] for key in shown)
        kind: Any = next((o.kind for o in objects.values()), "mask")
        return MaskLabels(kind, Objects(table), ids)

    def _placed(self, number: int, points: dict[tuple[Hashable, str], Object]) -> PointLabels:
        there = self._points[number]
        bodies = {body for body, _ in there}
        shown = {key: o for key, o in points.items() if key[0] in bodies}
        places = np.array([there.get(key, (np.nan, np.nan)) for key in shown], dtype=np.float32)
        kind: Any = next(iter(shown.values())).kind
        return PointLabels(kind, Objects(tuple(shown.values())), places, self.video.size)
