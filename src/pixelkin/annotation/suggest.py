"""Which frames ask for a look: those of which least is to be expected, spread over the video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.echoes import LEAST_AGREEMENT
from pixelkin.annotation.model import Check
from pixelkin.annotation.store import Store

CLOSE = 0.2
"""How much confidence a frame must lack more than one that is far from all that were looked at, to
be suggested right beside one that was."""


def suggest(store: Store, count: int, apart: int, objects: Iterable[int]) -> list[Check]:
    """The most doubtful frames that nobody has labelled (nor those around) or reviewed.

    Args:
        store: The session's file.
        count: How many at most.
        apart: See `spread`.
        objects: Whose.

    Returns:
        In the order in which they are to be looked at; each frame once.
    """
    ids = list(objects)
    marks = ",".join("?" * len(ids))
    rows = store.rows(
        "SELECT s.object, s.frame, s.confidence, s.agreement FROM shown s "
        "LEFT JOIN frame f ON f.frame=s.frame AND f.state='reviewed' "
        "LEFT JOIN label l ON l.object=s.object AND l.frame=s.frame "
        f"WHERE f.frame IS NULL AND l.frame IS NULL AND s.object IN ({marks}) "
        "ORDER BY s.frame, s.object",
        *ids,
    )  # fmt: skip
    labels = store.rows(f"SELECT object, frame FROM label WHERE object IN ({marks})", *ids)
    sure = np.array([row["confidence"] for row in rows])
    alike = np.array([1.0 if row["agreement"] is None else row["agreement"] for row in rows])
    split = (alike < LEAST_AGREEMENT) & (alike < sure)
    near = [
        min((abs(row["frame"] - x["frame"]) for x in labels if x["object"] == row["object"]),
            default=None)
        for row in rows
    ]  # fmt: skip
    found = []
    frames = np.array([row["frame"] for row in rows])
    for n in spread(np.where(split, alike, sure), frames, near, count, apart):
        why = "passes from both sides disagree" if split[n] else "low confidence"
        found.append(Check(rows[n]["frame"], rows[n]["object"], rows[n]["confidence"], why))
    return found


def spread(
    confidence: NDArray[np.float64],
    frames: NDArray[np.int64],
    labelled: Sequence[int | None],
    count: int,
    apart: int,
) -> list[int]:
    """The least confident results, one after the other, as far as they are not close together.

    What is looked at says something of the frames around it: right beside it confidence counts as
    0.2 more, e times less with each `apart` frames. Nothing is closer than those to a label.

    Args:
        confidence: Of each result.
        frames: Its frame number.
        labelled: Frames from there to the nearest label of its object; None without one.
        count: How many at most.
        apart: Frames.

    Returns:
        Their places in `confidence`; no two of one frame.
    """
    far = np.array([np.inf if d is None else d for d in labelled], np.float64)
    left, found = np.where(far < apart, np.inf, confidence), list[int]()
    while len(found) < count and np.isfinite(left).any():
        n = int(np.argmin(left + CLOSE * np.exp(-far / apart)))
        found.append(n)
        distance = np.abs(frames - frames[n])
        left[distance == 0] = np.inf
        far = np.minimum(far, distance)
    return found
