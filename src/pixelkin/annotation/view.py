"""What a session shows of a frame, as labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelkin.annotation.geometry import place_of
from pixelkin.annotation.model import Origin, View
from pixelkin.annotation.snapshot import Snapshot
from pixelkin.annotation.store import Store
from pixelkin.types import (
    Annotations,
    Detail,
    Labels,
    LazyFrames,
    MapKind,
    MaskLabels,
    Objects,
    PointKind,
    PointLabels,
    State,
)

Edges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class FrameView:
    """One frame of a session.

    Attributes:
        frame: Frame number.
        labels: The map, the points, or both, of the objects of which something is known.
        objects: By id, what is known of each object beside its place.
    """

    frame: int
    labels: tuple[Labels, ...]
    objects: Mapping[int, View]

    @property
    def confidence(self) -> dict[int, float]:
        """By id, in [0, 1]; 1 for labels, 0 where nothing is known."""
        return {i: one.confidence for i, one in self.objects.items()}

    @property
    def origin(self) -> dict[int, Origin]:
        """By id: "label", "reviewed", "result", "stale" or "none"; see `View`."""
        return {i: one.origin for i, one in self.objects.items()}


def view(
    store: Store, snapshot: Snapshot, edges: Edges, size: tuple[int, int], frame: int
) -> FrameView:
    """What is known of a frame: labels, what was accepted, and results.

    Args:
        store: The session's file.
        snapshot: The labels as they are.
        edges: Of its skeleton.
        size: (height, width) of a frame.
        frame: Frame number.
    """
    objects = [e.object for e in snapshot.entries.values()]
    accepted = (
        "accepted WHERE frame IN (SELECT frame FROM frame WHERE state='reviewed') AND frame=?"
    )
    tables = ("label WHERE frame=?", accepted, "shown WHERE frame=?")
    found = (store.rows(f"SELECT * FROM {table}", frame) for table in tables)
    said, kept, computed = ({r["object"]: dict(r) for r in own} for own in found)
    rows: dict[int, dict[str, Any]] = {}
    origins: dict[int, Origin] = dict.fromkeys(snapshot.entries, "none")
    for i in origins:
        if i in said:
            rows[i], origins[i] = said[i], "label"
        elif i in kept:
            rows[i], origins[i] = kept[i], "reviewed"
        elif i in computed:
            rows[i], origins[i] = computed[i], origin_of(snapshot, frame, i, computed[i]["inputs"])
    places = {i: place_of(row, size) for i, row in rows.items()}
    known = {i for i, origin in origins.items() if origin != "none"}
    layers: list[Labels] = []
    there = {i for i in known if places[i] is not None}
    if maps := [o for o in objects if o.is_map and o.id in known]:
        ids = np.zeros(size, np.int32)
        # What a person said lies above, and below it what a person has seen.
        above = ("stale", "result", "reviewed", "label")
        for o in sorted(maps, key=lambda o: above.index(origins[o.id])):
            place = places[o.id]
            if place is not None:
                ids[place.astype(bool)] = o.id
        kind: MapKind = "mask" if maps[0].kind == "mask" else "parts"
        layers.append(MaskLabels(kind, Objects(tuple(maps)), ids))
        there -= {o.id for o in maps} - set(layers[0].present)
    if points := [o for o in objects if not o.is_map and o.id in known]:
        found_at = [places[o.id] for o in points]
        xy = np.array([(np.nan, np.nan) if p is None else p for p in found_at], np.float32)
        lines = tuple((a, b) for a, b in edges if a in known and b in known)
        point_kind: PointKind = "keypoints" if points[0].kind == "keypoints" else "points"
        layers.append(PointLabels(point_kind, Objects(tuple(points), lines), xy, size))
    views = {}
    for i, origin in origins.items():
        if origin == "label":
            views[i] = View(said[i]["state"], origin, 1.0)
        elif origin == "reviewed" and kept[i]["said"] == "occluded":
            views[i] = View("occluded", origin, kept[i]["confidence"])
        else:
            sure = rows[i]["confidence"] if i in known else 0.0
            visible = rows[i]["visible"] if i in known else None
            views[i] = View(_state(visible, there=i in there), origin, sure)
    return FrameView(frame, tuple(layers), views)


def origin_of(snapshot: Snapshot, frame: int, i: int, inputs: str) -> Origin:
    """What a result that was computed is by now.

    Args:
        snapshot: The labels as they are.
        frame: Frame number.
        i: Id of its object.
        inputs: Digest of what it was computed from.
    """
    segment = snapshot.segment(i, frame)
    if inputs != segment.key:
        return "stale"
    return "none" if segment.pieces[i].unreached else "result"


def annotations_of(
    store: Store,
    snapshot: Snapshot,
    edges: Edges,
    read: Callable[[int], FrameView],
) -> Annotations:
    """Labels and results of all frames that have any; each is decoded when it is asked for.

    Args:
        store: The session's file.
        snapshot: The labels as they are.
        edges: Of its skeleton.
        read: Gives what is known of a frame.
    """
    known = snapshot.entries  # what was computed of others stays for undo
    there = "SELECT object, frame, rle IS NOT NULL OR x IS NOT NULL AS there, confidence, visible"
    reviewed = "accepted JOIN frame USING(frame) WHERE state='reviewed'"
    details: dict[tuple[int, int], Detail] = {}
    for row in store.rows(f"{there}, inputs FROM shown"):
        key = row["frame"], row["object"]
        origin = origin_of(snapshot, *key, row["inputs"]) if row["object"] in known else "none"
        if origin != "none":
            details[key] = _detail(row, stale=origin == "stale")
    kept = {
        (r["frame"], r["object"]): _detail(r, hidden=r["said"] == "occluded")
        for r in store.rows(f"{there}, said FROM {reviewed}")
    }
    labels = store.rows("SELECT object, frame, state FROM label")
    said = {(r["frame"], r["object"]): Detail(r["state"]) for r in labels}
    frames = {frame for frame, _ in kept}
    for key in details.keys() - kept.keys() - said.keys():
        if key[0] in frames:  # below what was accepted, which may cover it
            details[key] = replace(details[key], state=read(key[0]).objects[key[1]].state)
    details |= {key: detail for key, detail in (kept | said).items() if key[1] in known}
    numbers = sorted({frame for frame, _ in details})
    return Annotations(
        Objects(tuple(e.object for e in known.values()), tuple(edges)),
        LazyFrames(numbers, lambda number: read(number).labels),
        details=details,
    )


def _detail(row: Any, *, stale: bool = False, hidden: bool = False) -> Detail:
    state = "occluded" if hidden else _state(row["visible"], there=bool(row["there"]))
    return Detail(state, row["confidence"], "propagated", stale)


def _state(visible: int | None, *, there: bool) -> State:
    """Of what is shown: a point that is there, but not seen, is taken to be hidden."""
    if not there:
        return "absent"
    return "occluded" if visible == 0 else "present"
