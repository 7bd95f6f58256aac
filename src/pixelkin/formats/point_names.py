"""Points of several files: one name is one point in all of them, wherever it stands in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from pixelkin.types import Annotations, Labels, Objects, PointLabels


def one_id_a_name(found: Sequence[Annotations]) -> list[Annotations]:
    """The same annotations with ids of points that mean one name each.

    Points count from 0 in every file. A name keeps the id that the first frame gives it; another
    name at the same place gets a number of its own. Points without names are told by their place.
    """
    tables = [labels.objects for labels in _points(found)]
    if any(len(set(named)) < len(named) for named in map(_names, tables)):
        return list(found)  # names that are there twice tell nothing
    ids: dict[str, int] = {}
    taken: dict[int, str | None] = {}
    for o in (o for table in tables for o in table):
        if o.name is None:
            taken.setdefault(o.id, None)
        elif o.name not in ids:
            free = o.id not in taken or taken[o.id] is None
            ids[o.name] = o.id if free else next(i for i in count(1 + max(taken)) if i not in taken)
            taken[ids[o.name]] = o.name
    return [_renumbered(one, ids) for one in found]


def _points(found: Sequence[Annotations]) -> list[Labels]:
    """The points of all frames, from the first one on."""
    every = [(number, labels) for one in found for number, labels in one]
    return [x for _, x in sorted(every, key=lambda e: e[0]) if isinstance(x, PointLabels)]


def _names(objects: Objects) -> list[str]:
    return [o.name for o in objects if o.name is not None]


def _renumbered(found: Annotations, ids: Mapping[str, int]) -> Annotations:
    new = {o.id: o.id if o.is_map or o.name is None else ids[o.name] for o in found.objects}
    if all(old == i for old, i in new.items()):
        return found
    return replace(
        found,
        objects=_moved(found.objects, new),
        frames={
            number: tuple(replace(one, objects=_moved(one.objects, new)) for one in frame)
            for number, frame in found.frames.items()
        },
        details={(number, new[i]): detail for (number, i), detail in found.details.items()},
    )


def _moved(objects: Objects, new: Mapping[int, int]) -> Objects:
    table = tuple(replace(o, id=new[o.id]) for o in objects)
    return Objects(table, tuple((new[a], new[b]) for a, b in objects.skeleton))
