"""What labels say, fact by fact, and which facts are no longer there in other labels.

This goes by the labels alone, and knows nothing of any format.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pixelkin.types import Annotations, Detail, Labels, MaskLabels, Object, Objects

WORDS = {  # for each kind of fact, what the lines say that name it as lost
    "id": ("numbers of objects", "which object is which from frame to frame"),
    "name": ("names", "names beside categories"),
    "category": ("categories", "names beside categories"),
    "colour": ("own colours",),
    "kind": ("parts of a body as such", "points as such"),
    "parent": ("whose a keypoint is", "names beside categories"),
    "line": ("skeletons", "keypoints", "keypoints that no frame shows"),
    "frame": ("empty frames", "masks", "keypoints"),
    "object": (
        "objects that no frame shows", "keypoints that no frame shows", "masks", "keypoints",
    ),
    "mask": ("masks", "holes", "pieces beside the largest one", "more of a mask than its box"),
    "point": ("keypoints",),
    "state": ("occlusion", "occlusion without a place"),
    "confidence": ("confidence",),
    "origin": ("which labels are results",),
    "stale": ("which results are older than the labels",),
    "confidence of absence": ("confidence and origin of what is absent", "masks", "keypoints"),
    "origin of absence": (
        "confidence and origin of what is absent", "which labels are results", "masks", "keypoints",
    ),
}  # fmt: skip
ABSENT = {"state": "absent", "origin of absence": ("given", False)}
"""What labels say of an object that they do not list in a labelled frame: it is not there."""
Fact = tuple[Hashable, ...]


@dataclass
class Facts:
    """What labels say.

    Attributes:
        objects: By id, the facts of each object.
        frames: Those that are labelled.
        lines: Pairs of ids of keypoints.
    """

    objects: dict[int, dict[Fact, Hashable]] = field(default_factory=lambda: defaultdict(dict))
    frames: set[int] = field(default_factory=set)
    lines: set[tuple[int, int]] = field(default_factory=set)


def facts_of(
    objects: Objects,
    frames: Mapping[int, Iterable[Labels]],
    details: Mapping[tuple[int, int], Detail],
) -> Facts:
    """The facts of labels.

    Args:
        objects: All objects.
        frames: By frame number, its labels.
        details: By frame number and id.
    """
    found = Facts(lines={(min(pair), max(pair)) for pair in objects.skeleton})
    for o in objects:
        own = found.objects[o.id]
        own["kind",] = o.kind
        if o.is_map:
            own["id",] = o.id
        own |= {
            (key,): value
            for key in ("name", "category", "colour", "parent")
            if (value := getattr(o, key)) is not None
        }
    for number, layers in frames.items():
        found.frames.add(number)
        for labels in layers:
            for o, place in _places(labels):
                detail = details.get((number, o.id), Detail())
                own = found.objects[o.id]
                if place is not None:
                    own["mask" if o.is_map else "point", number] = place
                gone = place is None and detail.state != "occluded"
                own["state", number] = "absent" if gone else detail.state
                sure = None if detail.confidence is None else round(detail.confidence, 4)
                if place is None:
                    own["origin of absence", number] = (detail.origin, detail.stale)
                    if sure is not None:
                        own["confidence of absence", number] = sure
                    continue
                own["origin", number] = detail.origin
                if sure is not None:
                    own["confidence", number] = sure
                if detail.stale:
                    own["stale", number] = True
    return found


def facts(annotations: Annotations) -> Facts:
    """The facts of annotations."""
    frames = {n: annotations.frames[n] for n in annotations.frames}
    return facts_of(annotations.objects, frames, annotations.details)


def _places(labels: Labels) -> list[tuple[Object, Hashable]]:
    """Each object of a frame's labels, and its place, None where it has none."""
    if isinstance(labels, MaskLabels):
        masks = [(o, labels.ids == o.id) for o in labels.objects]
        return [(o, np.packbits(mask).tobytes() if mask.any() else None) for o, mask in masks]
    points = labels.as_points()
    return [
        (o, None if np.isnan(xy).any() else tuple(np.round(xy.astype(float), 2).tolist()))
        for o, xy in zip(points.objects, points.points, strict=True)
    ]


def lost(before: Facts, after: Facts) -> set[str]:
    """The kinds of facts that are in `before` and no longer in `after`."""
    pairs = _matched(before, after)
    gone: set[str] = set()
    for i, own in before.objects.items():
        if i not in pairs:
            shown = any(key[0] in ("mask", "point") for key in own)
            gone |= {"mask" if ("id",) in own else "point"} if shown else {"object"}
            gone |= {
                str(kind)
                for (kind, *_), value in own.items()
                if "absence" in str(kind) and value != ABSENT.get(kind)
            }
            continue
        there = after.objects[pairs[i]]
        for key, value in own.items():
            if there.get(key, ABSENT.get(key[0])) != value:
                gone.add(str(key[0]))
    if before.frames - after.frames:
        gone.add("frame")
    lines = {(pairs.get(a, -1), pairs.get(b, -1)) for a, b in before.lines}
    if {(min(p), max(p)) for p in lines} - after.lines:
        gone.add("line")
    return gone


def _matched(before: Facts, after: Facts) -> dict[int, int]:
    """Who is who: the pairs that have most facts in common."""
    ours, theirs = list(before.objects), list(after.objects)
    common: NDArray[np.int64] = np.zeros((len(ours), len(theirs)), int)
    for a, i in enumerate(ours):
        for b, j in enumerate(theirs):
            one, other = before.objects[i], after.objects[j]
            if ("id",) in one and ("id",) not in other:
                continue
            if ("id",) in other and ("id",) not in one:
                continue
            labels = {one.get(("name",)), one.get(("category",))} - {None}
            same = 10 * len(labels & {other.get(("name",)), other.get(("category",))})
            same += 10 * (one.get(("parent",)) == other.get(("parent",)))
            common[a, b] = 1 + same + sum(other.get(key) == value for key, value in one.items())
    rows, columns = linear_sum_assignment(-common)
    return {ours[a]: theirs[b] for a, b in zip(rows, columns, strict=True) if common[a, b] > 0}


def unsaid(gone: set[str], said: Iterable[str]) -> set[str]:
    """The kinds of lost facts that no line names, as in "coco does not keep holes: 2 labels"."""
    told = {line.partition(" does not keep ")[2].rpartition(":")[0] for line in said}
    return {kind for kind in gone if not told & set(WORDS[kind])}
