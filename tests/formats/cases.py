"""Labels of short videos at the edges of what formats can hold, and a comparison of two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import (
    Annotations,
    Detail,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    VideoInfo,
)

HEIGHT, WIDTH = 12, 16
SIZE = HEIGHT, WIDTH
FILE = VideoInfo("clips/dog.mp4", WIDTH, HEIGHT, 6, 25.0)
FOLDER = replace(FILE, path="clips/dog", fps=None, names=("a", "b x", "ç", "d1", "e", "f10"))


def of_maps(
    frames: dict[int, NDArray[np.int64]],
    objects: tuple[Object, ...],
    details: dict[tuple[int, int], Detail] | None = None,
) -> Annotations:
    """Annotations of maps; a frame's objects are those that it shows."""
    found: dict[int, tuple[Labels, ...]] = {}
    for number, ids in frames.items():
        shown = Objects(tuple(o for o in objects if (ids == o.id).any()))
        found[number] = (MaskLabels(objects[0].kind, shown, ids.astype(np.int32)),)
    return Annotations(Objects(objects), found, {}, details or {})


def squares(*places: tuple[int, int, int, int, int]) -> NDArray[np.int64]:
    """A map with rectangles of (id, top, left, height, width), the later on top."""
    ids = np.zeros(SIZE, int)
    for i, top, left, height, width in places:
        ids[top : top + height, left : left + width] = i
    return ids


DOG, CAT = Object(1, name="dog"), Object(2, name="cat")
BORDERS = squares((1, 0, 0, HEIGHT, WIDTH), (0, 1, 1, HEIGHT - 2, WIDTH - 2))
HOLE = squares((1, 2, 3, 5, 6), (0, 4, 5, 1, 2))
PIECES = squares((1, 2, 3, 4, 4), (1, 8, 9, 2, 2), (2, 0, 15, 1, 1))
MANY = np.arange(HEIGHT * WIDTH).reshape(SIZE) + 1

MASKS = {
    "one pixel": of_maps({0: squares((1, 5, 7, 1, 1))}, (DOG,)),
    "corners": of_maps({2: squares((1, 0, 0, 1, 1), (2, 11, 15, 1, 1))}, (DOG, CAT)),
    "all four borders": of_maps({0: BORDERS}, (DOG,)),
    "the whole frame": of_maps({5: squares((1, 0, 0, 12, 16))}, (DOG,)),
    "a hole": of_maps({0: HOLE, 4: HOLE}, (DOG,)),
    "pieces": of_maps({1: PIECES}, (DOG, CAT)),
    "an empty frame": of_maps({0: HOLE, 3: squares()}, (DOG,)),
    "absent, then back": of_maps(
        {0: squares((1, 2, 2, 3, 3), (2, 6, 6, 2, 2)), 1: squares((2, 6, 6, 2, 2)), 2: PIECES},
        (DOG, CAT),
    ),
    "ids with gaps": of_maps(
        {0: squares((7, 2, 2, 3, 3), (3, 6, 6, 2, 4))},
        (Object(7, name="dog"), Object(3, name="cat", colour=(9, 8, 7))),
    ),
    "unicode": of_maps({0: HOLE}, (Object(1, name="Kätzchen 猫 <&>\"'", category="муха, a"),)),
    "many objects": of_maps({0: MANY}, tuple(Object(i, name=f"o{i}") for i in range(1, 193))),
    "parts": of_maps({0: PIECES}, (Object(1, "parts", name="arm"), Object(2, "parts", name="leg"))),
    "results": of_maps(
        {0: PIECES, 1: HOLE, 2: PIECES},
        (DOG, CAT),
        {
            (0, 2): Detail("occluded"),
            (1, 1): Detail("present", 0.25, "propagated"),
            (2, 1): Detail("occluded", 0.5, "propagated", stale=True),
            (2, 2): Detail("present", 1.0, "propagated"),
        },
    ),
}

NAN = (np.nan, np.nan)


def of_points(
    frames: dict[int, list[tuple[float, float]]],
    objects: Objects,
    details: dict[tuple[int, int], Detail] | None = None,
) -> Annotations:
    """Annotations of keypoints."""
    kind = objects.table[0].kind
    plain = Objects(objects.table)
    found: dict[int, tuple[Labels, ...]] = {
        n: (PointLabels(kind, plain, np.array(xy, np.float32), SIZE),)  # type: ignore[arg-type]
        for n, xy in frames.items()
    }
    return Annotations(objects, found, {}, details or {})


def keypoints(*names: str, parent: str | None = None, first: int = 0) -> tuple[Object, ...]:
    return tuple(
        Object(n, "keypoints", name, parent=parent) for n, name in enumerate(names, start=first)
    )


ONE = Objects(keypoints("nose", "tail", "ear"), ((0, 1), (0, 2)))
TWO = Objects(
    keypoints("nose", "tail", parent="Mickey")
    + keypoints("nose", "tail", parent="Minnie", first=2),
    ((0, 1), (2, 3)),
)
POINTS = {
    "one body": of_points({0: [(0, 0), (15, 11), (3.25, 4.5)]}, ONE),
    "absent": of_points({0: [(1, 2), NAN, (3, 4)], 4: [NAN, (5.125, 6), NAN]}, ONE),
    "two bodies": of_points(
        {0: [(1, 2), (3, 4), (5, 6), (7.75, 8)], 3: [(2, 2), NAN, NAN, (7, 8)]}, TWO
    ),
    "results": of_points(
        {0: [(1, 2), (3, 4), (5, 6)], 1: [(2, 3), NAN, (5.5, 6)]},
        ONE,
        {
            (0, 1): Detail("occluded"),
            (1, 0): Detail("present", 0.5, "propagated"),
            (1, 1): Detail("absent", 0.0, "propagated"),
            (1, 2): Detail("occluded", 0.75, "propagated", stale=True),
        },
    ),
    "unicode": of_points({0: [(1, 2)]}, Objects(keypoints("näschen 鼻"))),
}


def differences(given: Annotations, found: Annotations, loses: tuple[str, ...]) -> list[str]:
    """What is not the same in both, other than what the format loses."""
    wrong: list[str] = []
    names = {o.id: o for o in found.objects}
    frames = set(given.frames)
    if "empty" in loses:
        frames = {n for n in frames if any(one.present for one in given.frames[n])}
    if frames != set(found.frames):
        return [f"frames {sorted(found.frames)}, not {sorted(frames)}"]
    renamed = {
        o.id: i for o, i in zip(_points(given), _point_ids(given, found, loses), strict=True)
    }
    for number in sorted(frames):
        for one in given.frames[number]:
            if isinstance(one, MaskLabels) and "ids" in loses:
                wrong += _pieces(given, one, found, number, loses)
                continue
            for o in one.objects:
                i = o.id if o.is_map else renamed[o.id]
                if o.is_map and o.id not in one.present:
                    continue
                if i not in names:
                    return [f"object {i} is missing: {sorted(names)}"]
                wrong += _objects(o, names[i], loses)
                if o.id not in one.present:
                    continue  # nothing more than that it is absent
                wrong += _details(given, found, number, o, i, loses)
        if "ids" not in loses or _points(given):
            wrong += _places(given, found, number, renamed)
    if "skeleton" not in loses:
        lines = {(renamed[a], renamed[b]) for a, b in given.objects.skeleton}
        if lines != set(found.objects.skeleton):
            wrong.append(f"skeleton {found.objects.skeleton}, not {lines}")
    return sorted(set(wrong))


def _pieces(
    given: Annotations, one: MaskLabels, found: Annotations, number: int, loses: tuple[str, ...]
) -> list[str]:
    """The masks of a frame and their labels, whichever object is which."""
    theirs = found.frames[number][0].as_map()

    def label(annotations: Annotations, i: int) -> str:
        o = annotations.objects[i]
        return o.category or o.name or ""

    shown = [
        sorted(
            ((x.ids == i).tobytes(), label(found if x is theirs else given, i)) for i in x.present
        )
        for x in (one, theirs)
    ]
    if "holes" in loses or "pieces" in loses:
        shown = [sorted(name for _, name in x) for x in shown]
    return [] if shown[0] == shown[1] else [f"frame {number} differs"]


def _points(annotations: Annotations) -> list[Object]:
    return [o for o in annotations.objects if not o.is_map]


def _point_ids(given: Annotations, found: Annotations, loses: tuple[str, ...]) -> list[int]:
    """The ids in `found` of the points of `given`."""
    keys: tuple[dict[object, int], dict[object, int]] = {}, {}
    for ids, each in zip(keys, (given, found), strict=True):
        for n, o in enumerate(_points(each)):
            ids[None if "bodies" in loses else o.parent, n if o.name is None else o.name] = o.id
    assert keys[0].keys() == keys[1].keys()
    return [keys[1][key] for key in keys[0]]


def _objects(o: Object, other: Object, loses: tuple[str, ...]) -> list[str]:
    wrong = []
    label = o.category or o.name
    if "names" not in loses and other.name != o.name and "both" not in loses:
        wrong.append(f"name {other.name!r} of {o!r}")
    if "both" in loses and "names" not in loses and label not in (other.name, other.category):
        wrong.append(f"label {other.name!r} of {o!r}")
    if "categories" not in loses and o.category and other.category != o.category:
        wrong.append(f"category {other.category!r} of {o!r}")
    if "colours" not in loses and o.colour and other.colour != o.colour:
        wrong.append(f"colour {other.colour!r} of {o!r}")
    if "bodies" not in loses and o.parent != other.parent:
        wrong.append(f"body {other.parent!r} of {o!r}")
    if not {"parts", "loose"} & set(loses) and o.kind != other.kind:
        wrong.append(f"kind {other.kind!r} of {o!r}")
    return wrong


def _details(
    given: Annotations, found: Annotations, number: int, o: Object, i: int, loses: tuple[str, ...]
) -> list[str]:
    ours, theirs = given.detail(number, o.id), found.detail(number, i)
    wrong = []
    if "confidence" not in loses and (
        (ours.confidence is None) != (theirs.confidence is None)
        or abs((ours.confidence or 0) - (theirs.confidence or 0)) > 1e-6
    ):
        wrong.append(f"confidence {theirs.confidence} of {o!r} in {number}, not {ours.confidence}")
    if "origin" not in loses and ours.origin != theirs.origin:
        wrong.append(f"origin {theirs.origin} of {o!r} in {number}")
    if "stale" not in loses and ours.stale != theirs.stale:
        wrong.append(f"{o!r} in {number} is stale: {theirs.stale}")
    occluded = [detail.state == "occluded" for detail in (ours, theirs)]
    if "occluded" not in loses and occluded[0] != occluded[1]:
        wrong.append(f"state {theirs.state} of {o!r} in {number}")
    return wrong


def _places(
    given: Annotations, found: Annotations, number: int, renamed: dict[int, int]
) -> list[str]:
    wrong = []
    maps = [[x for x in a.frames[number] if isinstance(x, MaskLabels)] for a in (given, found)]
    if maps[0] and (not maps[1] or (maps[0][0].ids != maps[1][0].ids).any()):
        wrong.append(f"the map of frame {number} differs")
    points = [[x for x in a.frames[number] if isinstance(x, PointLabels)] for a in (given, found)]
    if points[0]:
        ours = {
            renamed[i]: xy
            for i, xy in zip(points[0][0].objects.ids, points[0][0].points, strict=True)
        }
        there = points[1][0]
        theirs = dict(zip(there.objects.ids, there.points, strict=True))
        for i, xy in ours.items():
            if not np.allclose(xy, theirs[i], atol=1e-4, equal_nan=True):
                wrong.append(f"point {i} of frame {number}: {theirs[i]}, not {xy}")
    return wrong
