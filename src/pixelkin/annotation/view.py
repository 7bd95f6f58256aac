"""What a session shows of a frame, as labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelkin.annotation.geometry import place_of
from pixelkin.annotation.model import Origin, View
from pixelkin.annotation.store import Store
from pixelkin.types import (
    Annotations,
    Detail,
    Labels,
    LazyFrames,
    MapKind,
    MaskLabels,
    Object,
    Objects,
    PointKind,
    PointLabels,
    State,
)


@dataclass(frozen=True)
class FrameView:
    """One frame of a session.

    Attributes:
        frame: Frame number.
        labels: The map, the points, or both, of all objects; none where nothing is known.
        objects: By id, what is known of each beside its place.
    """

    frame: int
    labels: tuple[Labels, ...]
    objects: Mapping[int, View]

    @property
    def confidence(self) -> dict[int, float]:
        """By id, in [0, 1]; 1 for labels, 0 where nothing is known."""
        return {i: one.confidence for i, one in self.objects.items()}

    @property
    def origin(self) -> dict[int, str]:
        """By id: "label", "reviewed", "result", or "none" where nothing is known."""
        return {i: one.origin for i, one in self.objects.items()}


def view(
    store: Store,
    objects: Sequence[Object],
    edges: Sequence[tuple[int, int]],
    size: tuple[int, int],
    frame: int,
) -> FrameView:
    """What is known of a frame: labels, and results where there are none.

    Args:
        store: The session's file.
        objects: Of the session, in their order.
        edges: Of its skeleton.
        size: (height, width) of a frame.
        frame: Frame number.
    """
    labels = {r["object"]: dict(r) for r in store.rows("SELECT * FROM label WHERE frame=?", frame)}
    shown = {r["object"]: dict(r) for r in store.rows("SELECT * FROM shown WHERE frame=?", frame)}
    reviewed = store.value("SELECT state FROM frame WHERE frame=?", frame) == "reviewed"
    views, places = {}, {}
    for o in objects:
        said, found = labels.get(o.id), shown.get(o.id)
        row = said or found
        places[o.id] = None if row is None else place_of(row, size)
        if said is not None:
            views[o.id] = View(said["state"], "label", 1.0)
        elif found is None:
            views[o.id] = View("absent", "none", 0.0)
        else:
            there = places[o.id] is not None and bool(np.any(places[o.id]))
            origin: Origin = "reviewed" if reviewed else "result"
            views[o.id] = View(_state(found, there), origin, found["confidence"])
    layers: list[Labels] = []
    maps = [o for o in objects if o.is_map]
    if any(o.id in labels or o.id in shown for o in maps):
        ids = np.zeros(size, np.int32)
        for o in sorted(maps, key=lambda o: o.id in labels):  # what a person said lies above
            place = places[o.id]
            if place is not None:
                ids[place.astype(bool)] = o.id
        kind: MapKind = "mask" if maps[0].kind == "mask" else "parts"
        layers.append(MaskLabels(kind, Objects(tuple(maps)), ids))
    points = [o for o in objects if not o.is_map]
    if any(o.id in labels or o.id in shown for o in points):
        found_at = [places[o.id] for o in points]
        xy = np.array([(np.nan, np.nan) if p is None else p for p in found_at], np.float32)
        point_kind: PointKind = "keypoints" if points[0].kind == "keypoints" else "points"
        layers.append(PointLabels(point_kind, Objects(tuple(points), tuple(edges)), xy, size))
    return FrameView(frame, tuple(layers), views)


def annotations_of(
    store: Store,
    objects: Sequence[Object],
    edges: Sequence[tuple[int, int]],
    read: Callable[[int], FrameView],
) -> Annotations:
    """Labels and results of all frames that have any; each is decoded when it is asked for.

    Args:
        store: The session's file.
        objects: Of the session, in their order.
        edges: Of its skeleton.
        read: Gives what is known of a frame.
    """
    details = {
        (r["frame"], r["object"]): Detail(
            _state(dict(r), bool(r["rle"] or r["x"] is not None)), r["confidence"], "propagated"
        )
        for r in store.rows("SELECT object, frame, rle, x, confidence, visible FROM shown")
    }
    details |= {
        (r["frame"], r["object"]): Detail(r["state"])
        for r in store.rows("SELECT object, frame, state FROM label")
    }
    known = {o.id for o in objects}  # what was computed of others stays for undo
    details = {(frame, i): detail for (frame, i), detail in details.items() if i in known}
    numbers = sorted({frame for frame, _ in details})
    return Annotations(
        Objects(tuple(objects), tuple(edges)),
        LazyFrames(numbers, lambda number: read(number).labels),
        details=details,
    )


def _state(row: Mapping[str, Any], there: bool) -> State:
    """Of what is shown: a point that is there, but not seen, is taken to be hidden."""
    if not there:
        return "absent"
    return "occluded" if row["visible"] == 0 else "present"
