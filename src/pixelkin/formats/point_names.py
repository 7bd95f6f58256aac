"""Points of several files: one name is one point in all of them, wherever it stands in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from pixelkin.types import Annotations, InputError, Labels, Object, Objects, PointLabels

Key = tuple[str | None, str | None]  # the body of a point, and its name


def one_id_a_name(found: Sequence[Annotations]) -> list[Annotations]:
    """The same annotations with ids of points that mean one name each.

    Points count from 0 in every file. A name keeps the id that the first frame gives it; another
    name at the same place gets a number of its own. Points without names are told by their place;
    an absent one gives way where a name has it.

    Raises:
        InputError: If a point without a name stands at the place of a name in the same frame.
    """
    tables = [labels.objects for labels in _points(found)]
    names = [[_key(o) for o in table if _is_named(o)] for table in tables]
    if any(len(set(one)) < len(one) for one in names):
        return list(found)  # names that are there twice tell nothing
    ids: dict[Key, int] = {}
    taken: set[int] = set()
    for o in (o for table in tables for o in table if _is_named(o)):
        name = _key(o)
        if name not in ids:
            ids[name] = o.id if o.id not in taken else next(i for i in count() if i not in taken)
            taken.add(ids[name])
    return [_renumbered(one, ids) for one in found]


def _is_named(o: Object) -> bool:
    """Whether it has a name of its own: those of unnamed points are their numbers."""
    return not o.is_map and o.name is not None and o.name != str(o.id)


def _points(found: Sequence[Annotations]) -> list[Labels]:
    """The points of all frames, from the first one on."""
    every = [(number, labels) for one in found for number, labels in one]
    return [x for _, x in sorted(every, key=lambda e: e[0]) if isinstance(x, PointLabels)]


def _key(o: Object) -> Key:
    return o.parent, o.name


def _renumbered(found: Annotations, ids: Mapping[Key, int]) -> Annotations:
    new = {o.id: ids[_key(o)] if _is_named(o) else o.id for o in found.objects}
    if all(old == i for old, i in new.items()):
        return found
    frames = {
        number: tuple(_moved(labels, new, found.called(number)) for labels in frame)
        for number, frame in found.frames.items()
    }
    details = {(number, new[i]): detail for (number, i), detail in found.details.items()}
    objects = Objects()
    for labels in (labels for frame in frames.values() for labels in frame):
        objects = objects.joined(labels.objects)
    return replace(found, objects=objects, frames=frames, details=details)


def _moved(labels: Labels, new: Mapping[int, int], called: str) -> Labels:
    if not isinstance(labels, PointLabels):
        return labels
    objects = labels.objects
    named = {new[o.id] for o in objects if _is_named(o)}
    stay = [n for n, o in enumerate(objects) if _is_named(o) or new[o.id] not in named]
    for o in objects:
        if not _is_named(o) and o.id in named and o.id in labels.present:
            raise InputError(f"{called}: point {o.id} has no name, and its place is another one's")
    table = [replace(objects.table[n], id=new[objects.table[n].id]) for n in stay]
    kept = {o.id for o in table}
    lines = ((new[a], new[b]) for a, b in objects.skeleton)
    skeleton = tuple(line for line in lines if set(line) <= kept)
    return replace(labels, objects=Objects(tuple(table), skeleton), points=labels.points[stay])
