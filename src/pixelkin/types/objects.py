"""The objects of a video: who is followed, under which number, name and colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

from pixelkin.types.video import InputError, whole_number

LabelKind = Literal["mask", "parts", "keypoints", "points"]
MapKind = Literal["mask", "parts"]
PointKind = Literal["keypoints", "points"]
Colour = tuple[int, int, int]

HIGHEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Object:
    """One thing that is followed through a video: an object, a body part, a keypoint, a point.

    Attributes:
        id: Its number, which never changes. Masks and parts count from 1, as 0 is the background
            of a label map; keypoints and points from 0.
        kind: "mask" | "parts" | "keypoints" | "points": how its labels are given.
        name: What people call it, if they do.
        category: What it is ("dog"), where a format or a benchmark says.
        colour: (r, g, b) in which it is drawn and stored, or None for the usual one of its id.
        parent: Name of the body that it is a part or keypoint of, where there are several.
    """

    id: int
    kind: LabelKind = "mask"
    name: str | None = None
    category: str | None = None
    colour: Colour | None = None
    parent: str | None = field(default=None, repr=False)  # not part of what labels say

    @property
    def is_map(self) -> bool:
        """Whether it has pixels of a map (masks, parts) rather than coordinates."""
        return self.kind in get_args(MapKind)

    @property
    def called(self) -> str:
        """What messages and lists call it: its name, or its number."""
        return self.name or str(self.id)

    def __post_init__(self) -> None:
        if self.kind not in get_args(LabelKind):
            raise InputError(
                f"kind = {self.kind!r} must be one of {', '.join(get_args(LabelKind))}"
            )
        if type(self.id) is not int:
            wrong = f"the id of an object is a whole number, not {self.id!r}"
            object.__setattr__(self, "id", whole_number(self.id, wrong))
        least = 1 if self.is_map else 0
        if not least <= self.id <= HIGHEST_ID:
            raise InputError(
                f"id {self.id} of kind {self.kind} must be from {least} to {HIGHEST_ID}"
            )


@dataclass(frozen=True)
class Objects:
    """The objects of a video, in a fixed order, found by their ids.

    Attributes:
        table: The objects; every id once.
        skeleton: Pairs of ids of keypoints that a line connects.

    Raises:
        InputError: If an id is there twice, or the skeleton names one that is not there.

    Example:
        >>> objects = Objects((Object(1, name="dog"), Object(3)))
        >>> objects.ids, objects[1].name, 3 in objects, len(objects)
        ((1, 3), 'dog', True, 2)
    """

    table: tuple[Object, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if len(self._by_id) < len(self.table):
            twice = next(i for i in self.ids if self.ids.count(i) > 1)
            raise InputError(f"two objects have the id {twice}")
        if unknown := [i for pair in self.skeleton for i in pair if i not in self]:
            raise InputError(f"the skeleton names the keypoint {unknown[0]}, which is no object")

    @cached_property
    def _by_id(self) -> dict[int, Object]:
        return {o.id: o for o in self.table}

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Their ids, in order."""
        return tuple(o.id for o in self.table)

    @property
    def names(self) -> tuple[str | None, ...]:
        """Their names, in order."""
        return tuple(o.name for o in self.table)

    def __iter__(self) -> Iterator[Object]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, i: object) -> bool:
        return i in self._by_id

    def __getitem__(self, i: int) -> Object:
        return self._by_id[i]

    def joined(self, other: Objects) -> Objects:
        """These objects, and those of `other` that are not among them; the first word counts.

        Raises:
            InputError: If an id is of one kind here and of another there.
        """
        for o in other:
            if o.id in self and self[o.id].kind != o.kind:
                kinds = f"{self[o.id].kind} and {o.kind}"
                raise InputError(f"object {o.id} is of kinds {kinds}: an id is one object")
        own = (_filled(o, other[o.id]) if o.id in other else o for o in self)
        skeleton = dict.fromkeys((*self.skeleton, *other.skeleton))
        return Objects((*own, *(o for o in other if o.id not in self)), tuple(skeleton))

    def described(self, others: Objects) -> Objects:
        """The objects that `others` has, in its order, as this table describes them."""
        lines = (pair for pair in self.skeleton if set(pair) <= set(others.ids))
        return Objects(tuple(self[i] for i in others.ids), tuple(lines))

    def chosen(self, ids: Collection[int]) -> Objects:
        """Those of these ids, in the order of this table."""
        lines = (pair for pair in self.skeleton if set(pair) <= set(ids))
        return Objects(tuple(o for o in self if o.id in ids), tuple(lines))

    def sorted(self) -> Objects:
        """The same in the order of ids."""
        return Objects(tuple(sorted(self.table, key=lambda o: o.id)), self.skeleton)

    def of_maps(self, maps: bool) -> Objects:
        """The objects that are given as maps of ids, or those that are not."""
        table = tuple(o for o in self if o.is_map == maps)
        return Objects(table, () if maps else self.skeleton)

    def moved(self, offset: int) -> Objects:
        """The same with `offset` added to the ids of points."""
        if not offset:
            return self
        table = tuple(o if o.is_map else replace(o, id=o.id + offset) for o in self)
        return Objects(table, tuple((a + offset, b + offset) for a, b in self.skeleton))

    def __repr__(self) -> str:
        return f"Objects({', '.join(o.name or str(o.id) for o in self)})"


def _filled(known: Object, other: Object) -> Object:
    """An object with what another description of it adds."""
    return replace(
        known,
        name=known.name if known.name is not None else other.name,
        category=known.category if known.category is not None else other.category,
        colour=known.colour if known.colour is not None else other.colour,
        parent=known.parent if known.parent is not None else other.parent,
    )
