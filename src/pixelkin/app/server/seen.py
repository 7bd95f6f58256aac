"""What the page is shown of a session, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.plan import ranges
from pixelkin.annotation.session import Session
from pixelkin.formats.catalogue import FORMATS
from pixelkin.ops import rle
from pixelkin.types import Labels, MaskLabels, Object

NONE = 255
"""In place of a confidence, where nothing is known."""

Json = dict[str, Any]


def of_session(session: Session) -> Json:
    """The session as a whole."""
    info = session.video.info
    return {
        "name": Path(info.path).name,
        "folder": session.folder.name,
        "width": info.width,
        "height": info.height,
        "frames": len(session),
        "fps": info.fps,
        "fingerprint": session.video.digest,
        "read_only": session.read_only,
        "revision": session.snapshot().revision,
        "objects": [
            {
                "id": o.id, "name": o.called, "kind": o.kind, "parent": o.parent,
                "colour": o.colour, "locked": e.locked, "hidden": e.hidden, "position": e.position,
            }
            for e in session.entries.values()
            for o in [e.object]
        ],
        "skeleton": list(session.edges),
        "formats": [
            {"name": f.name, "about": f.about, "masks": "masks" not in f.loses,
             "points": "points" not in f.loses}
            for f in FORMATS
            if f.save is not None and not f.one_frame
        ],
    }  # fmt: skip


def of_timeline(session: Session) -> Json:
    """All frames at once: of each object labels, confidence, and what is stale."""
    found = session.annotations()
    confidence = {o.id: np.full(len(session), NONE, np.uint8) for o in session.objects}
    absent: dict[int, list[int]] = {i: [] for i in confidence}
    for (frame, i), detail in found.details.items():
        sure = 1.0 if detail.confidence is None else detail.confidence
        confidence[i][frame] = round(254 * min(1.0, max(0.0, sure)))
        if detail.state == "absent":
            absent[i].append(frame)
    lacking = _by_object(session.stale())
    missing = _by_object(session.missing())
    unreached = _by_object(session.unreached())
    return {
        "revision": session.snapshot().revision,
        "objects": [
            {
                "id": o.id,
                "labels": [[f, found.details[f, o.id].state] for f in session.labels(o)],
                "confidence": base64.b64encode(confidence[o.id].tobytes()).decode(),
                "stale": _pairs(lacking.get(o.id, set()) - missing.get(o.id, set())),
                "missing": _pairs(missing.get(o.id, set()) - set(session.labels(o))),
                "unreached": _pairs(unreached.get(o.id, ())),
                "absent": _pairs(absent[o.id]),
            }
            for o in session.objects
        ],
        "reviewed": _pairs(session.reviewed()),
        "flagged": [{"frame": f, "note": note} for f, note in session.flagged().items()],
        "contested": session.contested(),
        "cuts": session.cuts,
        "to_compute": len(set().union(*lacking.values())),
    }


def of_frame(session: Session, frame: int) -> Json:
    """All that is known of the objects in a frame: state, origin, confidence, and the place."""
    shown = session[frame]
    found = {i: place for labels in shown.labels for i, place in places(labels).items()}
    return {
        "frame": frame,
        "name": session.video.info.name(frame),
        "revision": session.snapshot().revision,
        "reviewed": frame in session.reviewed(),
        "note": session.flagged().get(frame),
        "labels": [
            {
                "object": i, "state": one.state, "origin": one.origin,
                "confidence": one.confidence, **_written(found.get(i)),
            }
            for i, one in shown.objects.items()
        ],
    }  # fmt: skip


def places(labels: Labels) -> dict[int, NDArray[Any]]:
    """By object where it is: H x W bool, or 2 (x, y); of those that are there."""
    if isinstance(labels, MaskLabels):
        return {i: labels.ids == i for i in labels.present}
    known = labels.as_points()
    return {i: known.points[known.objects.ids.index(i)] for i in known.present}


def _written(place: NDArray[Any] | None) -> Json:
    if place is None:
        return {}
    if place.ndim == 2:
        return {"counts": rle.encode(place)["counts"]}
    return {"x": float(place[0]), "y": float(place[1])}


def of_checks(session: Session, count: int) -> list[Json]:
    """The frames that ask for a look most, the worst first."""
    return [
        {"frame": c.frame, "object": c.object, "confidence": c.confidence, "why": c.why}
        for c in session.suggest(count)
    ]


def _by_object(found: list[tuple[Object, range]]) -> dict[int, set[int]]:
    frames: dict[int, set[int]] = {}
    for one, some in found:
        frames.setdefault(one.id, set()).update(some)
    return frames


def _pairs(frames: Iterable[int]) -> list[list[int]]:
    """Frames as [first, last] of consecutive ones."""
    return [[r[0], r[-1]] for r in ranges(sorted(frames))]
