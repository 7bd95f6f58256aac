"""The labels of a video: those that somebody gave, and those of one frame as propagated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.types.labels import Labels
from pixelkin.types.objects import Object, Objects
from pixelkin.types.video import InputError, frame_number

Origin = Literal["given", "propagated"]
State = Literal["present", "occluded", "absent"]


@dataclass(frozen=True)
class Detail:
    """What is known of one object in one frame beside its place.

    Attributes:
        state: "present"; "occluded", where it is said to be there but hidden, wholly or in part;
            "absent", where it is not in the frame, and so has no place.
        confidence: In [0, 1], or None where nothing is said of it.
        origin: Whether somebody gave the label.
        stale: Whether it is a result of labels that were changed since.
    """

    state: State = "present"
    confidence: float | None = None
    origin: Origin = "given"
    stale: bool = False


class LazyFrames(Mapping[int, tuple[Labels, ...]]):
    """Labels by frame number, made whenever they are asked for: a long video's are never all held.

    Args:
        numbers: The frames that have labels.
        make: The labels of one of them.
    """

    def __init__(self, numbers: Iterable[int], make: Callable[[int], tuple[Labels, ...]]) -> None:
        self._numbers = dict.fromkeys(sorted(map(frame_number, numbers)))
        self._make = make

    def __getitem__(self, number: int) -> tuple[Labels, ...]:
        if number not in self._numbers:
            raise KeyError(number)
        return self._make(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True, eq=False)
class Annotations:
    """What somebody labelled in a video: its objects, and their labels in some frames.

    Masks and keypoints may live side by side: a frame has at most one map and one set of points.

    Attributes:
        objects: Every object of the video; what it says of one counts for all frames.
        frames: By frame number, the labels of the frame; a dict, or a mapping that makes them when
            they are asked for (`LazyFrames`), whose labels are checked then.
        sources: By frame number, what its labels are called in messages, where they have a name.
        details: By frame number and id of an object, what is known beside its place; see `detail`.
        notes: What their file said that labels have no place for, a line each.
        offset: What was added to the ids of points, which count from 0 in files, to keep them
            apart from those of masks.

    Raises:
        InputError: If a frame has no labels or two of one form, or an object that is not listed,
            or its number is no integer.
    """

    objects: Objects
    frames: Mapping[int, tuple[Labels, ...]]
    sources: Mapping[int, str] = field(default_factory=dict)
    details: Mapping[tuple[int, int], Detail] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    offset: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.frames, dict):
            if any(type(number) is not int for number in self.frames):
                plain = {frame_number(number): labels for number, labels in self.frames.items()}
                object.__setattr__(self, "frames", plain)
            for number, labels in self.frames.items():
                self._check(number, labels)
        elif not isinstance(self.frames, LazyFrames):
            made = LazyFrames(self.frames, self.frames.__getitem__)
            object.__setattr__(self, "frames", made)

    def _check(self, number: int, labels: tuple[Labels, ...]) -> None:
        if len({type(one) for one in labels}) < len(labels):
            raise InputError(f"frame {number} has labels already: give it one file of a kind")
        if not labels:
            raise InputError(f"frame {number} is listed without labels")
        for o in (o for one in labels for o in one.objects):
            if o.id not in self.objects or self.objects[o.id].kind != o.kind:
                raise InputError(f"frame {number} has the object {o.id}, which is not listed")

    @classmethod
    def of(cls, frames: Mapping[int, Labels], source: str | None = None) -> Annotations:
        """The labels of some frames, and the objects that any of them has.

        Args:
            frames: By frame number.
            source: What they are called in messages.
        """
        plain = {frame_number(number): labels for number, labels in frames.items()}
        every = {number: (plain[number],) for number in sorted(plain)}
        sources = {} if source is None else dict.fromkeys(every, source)
        return _side_by_side([one.objects for one in frames.values()], every, sources)

    @classmethod
    def assembled(
        cls,
        objects: Iterable[Object],
        frames: Mapping[int, tuple[Labels, ...]],
        details: Mapping[tuple[int, Object], Detail],
        *,
        skeleton: tuple[tuple[int, int], ...] = (),
        source: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> Annotations:
        """What a file says, whose maps count from 1 and points from 0.

        Args:
            objects: Of maps and of points, whose ids may be the same.
            frames: By frame number; made when they are asked for, if it is no dict.
            details: By frame number and object.
            skeleton: Pairs of ids of points.
            source: What the labels are called in messages.
            notes: What the labels have no place for.
        """
        table = tuple(objects)
        maps = Objects(tuple(o for o in table if o.is_map))
        points = Objects(tuple(o for o in table if not o.is_map), skeleton)
        sources = {} if source is None else dict.fromkeys(frames, source)
        found = _side_by_side([maps, points], frames, sources)
        moved = {
            (n, o.id if o.is_map else o.id + found.offset): detail
            for (n, o), detail in details.items()
        }
        return replace(found, details=moved, notes=notes)

    def joined(self, other: Annotations) -> Annotations:
        """These annotations and those of `other`, whose labels may be of other frames or kinds.

        Points count from 0 in every file. Where their ids are those of masks they are moved, all
        alike, above the masks'; in what order annotations are joined does not matter.
        """
        both = (self, other)

        def at(number: int) -> tuple[Labels, ...]:
            return tuple(
                _moved(x, -one.offset)
                for one in both
                if number in one.frames
                for x in one.frames[number]
            )

        frames: Mapping[int, tuple[Labels, ...]] = LazyFrames({*self.frames, *other.frames}, at)
        if all(isinstance(one.frames, dict) for one in both):
            frames = dict(frames)
        tables = [one.objects.of_maps(True) for one in both]
        tables += [one.objects.of_maps(False).moved(-one.offset) for one in both]
        sources = {**other.sources, **self.sources}
        joined = _side_by_side(tables, frames, sources)
        details = {
            (number, i if one.objects[i].is_map else i - one.offset + joined.offset): detail
            for one in (other, self)
            for (number, i), detail in one.details.items()
        }
        return replace(joined, details=details, notes=(*self.notes, *other.notes))

    def __iter__(self) -> Iterator[tuple[int, Labels]]:
        """(frame number, labels) of all labels, ascending, as the table describes them."""
        for number in sorted(self.frames):
            labels = self.frames[number]
            self._check(number, labels)
            for one in labels:
                yield number, replace(one, objects=self.objects.described(one.objects))

    def detail(self, number: int, i: int) -> Detail:
        """What is known of an object in a frame beside its place: present and given, by default."""
        return self.details.get((number, i), Detail())

    def called(self, number: int) -> str:
        """What the labels of a frame are called in messages."""
        return self.sources.get(number, f"labels of frame {number}")

    def only(self) -> Labels:
        """The labels of the one frame that has any.

        Raises:
            InputError: If several frames have labels, or one has several kinds, or none.
        """
        found = [one for n in list(self.frames)[:2] for one in self.frames[n]]
        if len(found) != 1:
            some = sorted(self.frames)
            frames = ", ".join(map(str, some[:5])) + ("" if len(some) < 6 else ", ..") or "none"
            raise InputError(f"labels of one frame and one kind are wanted; labelled: {frames}")
        return found[0]

    def __repr__(self) -> str:
        return f"Annotations({len(self.objects)} objects, frames {sorted(self.frames)})"


def _side_by_side(
    tables: Iterable[Objects],
    frames: Mapping[int, tuple[Labels, ...]],
    sources: Mapping[int, str],
) -> Annotations:
    """Annotations of tables and labels whose points count from 0."""
    maps, points = Objects(), Objects()
    for table in tables:
        maps, points = maps.joined(table.of_maps(True)), points.joined(table.of_maps(False))
    offset = 1 + max(maps.ids) if set(maps.ids) & set(points.ids) else 0
    objects = Objects(maps.table + points.moved(offset).table, points.moved(offset).skeleton)
    if isinstance(frames, dict):
        moved: Mapping[int, tuple[Labels, ...]] = {n: _all(x, offset) for n, x in frames.items()}
    else:
        moved = LazyFrames(frames, lambda n: _all(frames[n], offset))
    return Annotations(objects, moved, sources, offset=offset)


def _all(labels: tuple[Labels, ...], offset: int) -> tuple[Labels, ...]:
    return tuple(_moved(one, offset) for one in labels)


def _moved(labels: Labels, offset: int) -> Labels:
    return replace(labels, objects=labels.objects.moved(offset)) if offset else labels


@dataclass(frozen=True, eq=False)
class Prediction:
    """The labels of one frame as propagated (or as given, on a keyframe).

    Attributes:
        index: Frame number, from 0.
        labels: The labels at the frame's own size; `labels.objects` are all that are followed.
        confidence: One value in [0, 1] for each of them, float32. Masks, as `propagate` gives
            them by the protocol davis: the J that is to be expected
            (`propagation.confidence`). Masks and parts elsewhere: the mean, over the pixels given
            to the object, of its share of the votes (0 where it has no pixel). Keypoints and
            points: the share of the heat map's mass within one cell of the decoded position. On
            keyframes 1, and 0 for points that they lack.
        origin: "given" on keyframes, else "propagated".
        name: The frame's file stem where the input is a folder, else None.
        votes: The shares of the votes where `confidence` is the J that is to be expected, else
            None.
        visible: For each point, whether it is seen where it is shown (`propagation.visibility`);
            None where nothing is said of it.
    """

    index: int
    labels: Labels
    confidence: NDArray[np.float32]
    origin: Origin = "propagated"
    name: str | None = None
    votes: NDArray[np.float32] | None = None
    visible: NDArray[np.bool_] | None = None

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
