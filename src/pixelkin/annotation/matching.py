"""Which object of a session is meant by an object of labels that come from elsewhere.

Files number their objects each for itself: the same object may be 1 in one and 2 in the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from pixelkin.types import Labels, MaskLabels, Object, Objects
from pixelkin.video.palette import davis_palette


def same_objects(given: Objects, known: Sequence[Object], highest: int) -> dict[int, int]:
    """By id among the given objects, the id in the session: of an object there, or a free one.

    An object is known by its name, else by its colour, else by its id, as far as kinds go together
    and no name or colour says otherwise.

    Args:
        given: The objects of labels.
        known: Those of the session.
        highest: No object has had an id above this one.
    """
    found: dict[int, int] = {}
    for tells in (_same_name, _same_colour, _same_id):
        for o in given:
            left = [k for k in known if k.id not in found.values() and k.is_map == o.is_map]
            alike = [k.id for k in left if tells(o, k)]
            if o.id not in found and len(alike) == 1:
                found[o.id] = alike[0]
    taken = {*found.values(), *(k.id for k in known)}
    free = (i for i in count(1 + max([highest, *taken, *given.ids])))
    for o in given:
        if o.id not in found:
            found[o.id] = o.id if o.id not in taken else next(free)
            taken.add(found[o.id])
    return found


def renumbered(labels: Labels, ids: dict[int, int]) -> Labels:
    """The same labels with other ids."""
    old = labels.objects
    if all(ids[i] == i for i in old.ids):
        return labels
    lines = tuple((ids[a], ids[b]) for a, b in old.skeleton)
    objects = Objects(tuple(replace(o, id=ids[o.id]) for o in old), lines)
    if not isinstance(labels, MaskLabels):
        return replace(labels, objects=objects)
    new = np.zeros_like(labels.ids)
    for i in labels.present:
        new[labels.ids == i] = ids[i]
    return replace(labels, objects=objects, ids=new)


def _name(o: Object) -> str | None:
    """Its name, if it says more than its number."""
    return None if o.name is None or o.name.isdecimal() else o.name


def _same_name(o: Object, known: Object) -> bool:
    kin = None in (o.parent, known.parent) or o.parent == known.parent
    return _name(o) is not None and _name(o) == _name(known) and kin


def _same_colour(o: Object, known: Object) -> bool:
    palette = davis_palette()
    usual = palette[known.id].tolist() if known.is_map and known.id < len(palette) else ()
    return o.colour is not None and o.colour == (known.colour or tuple(usual)) and _may_be(o, known)


def _same_id(o: Object, known: Object) -> bool:
    differ = None not in (o.colour, known.colour) and o.colour != known.colour
    return o.id == known.id and not differ and _may_be(o, known)


def _may_be(o: Object, known: Object) -> bool:
    return None in (_name(o), _name(known)) or _name(o) == _name(known)
