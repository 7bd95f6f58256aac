"""Bodies among the objects of a video, for formats that write a body's points together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pixelkin.formats.collecting import NOBODY
from pixelkin.formats.losses import Losses
from pixelkin.types import InputError, Object, Objects, PointKind


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
    """The bodies among the objects of a video, in order of appearance.

    Raises:
        InputError: If two points of a body have the same name, by which files tell them apart.
    """
    groups: dict[str | None, list[Object]] = {}
    for o in objects:
        if not o.is_map:
            if any(p.name == o.name is not None for p in groups.setdefault(o.parent, [])):
                raise InputError(
                    f"two points of a body are called {o.name!r}: call them otherwise (convert "
                    f"--names {o.id}=NAME)"
                )
            groups[o.parent].append(o)
    kinds: dict[str, PointKind] = {"keypoints": "keypoints", "points": "points"}
    return [
        Body(name, points[0].category, kinds[points[0].kind], tuple(points))
        for name, points in groups.items()
    ]


def note_unplaced(writing: Losses, every: Iterable[Body], shown: Collection[Body]) -> None:
    """Note that of points that no frame shows only those of bodies that some frame shows are kept.

    Args:
        writing: Whose frames have all been written.
        every: All bodies.
        shown: Those that were written.
    """
    writing.keeping("unplaced")
    for o in (o for body in every if body not in shown for o in body.points):
        writing.drop("unplaced", o.id)


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
