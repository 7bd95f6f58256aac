"""Which frames ask for a look: those of which least is to be expected, spread over the video."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.blend import LEAST_AGREEMENT
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
        f"WHERE f.frame IS NULL AND s.object IN ({marks}) ORDER BY s.frame, s.object",
        *ids,
    )  # fmt: skip
    if not rows:
        return []
    of, frames, sure = (np.array([r[k] for r in rows]) for k in ("object", "frame", "confidence"))
    alike = np.array([1.0 if r["agreement"] is None else r["agreement"] for r in rows])
    split = (alike < LEAST_AGREEMENT) & (alike <= sure)
    near = np.full(len(rows), np.inf)
    for i in ids:
        labels = store.rows("SELECT frame FROM label WHERE object=? ORDER BY frame", i)
        own = of == i
        near[own] = _nearest(frames[own], np.array([r["frame"] for r in labels]))
    found = []
    for n in spread(np.where(split, alike, sure), frames, near, count, apart):
        why = "nothing of it is found" if sure[n] == 0 else "low confidence"
        why = "passes from both sides disagree" if split[n] else why
        found.append(Check(rows[n]["frame"], rows[n]["object"], rows[n]["confidence"], why))
    return found


def spread(
    confidence: NDArray[np.float64],
    frames: NDArray[np.int64],
    labelled: NDArray[np.floating],
    count: int,
    apart: int,
) -> list[int]:
    """The least confident results, one after the other, as far as they are not close together.

    What is looked at says something of the frames around it: right beside it confidence counts as
    0.2 more, e times less with each `apart` frames. Nothing is closer than those to a label.

    Args:
        confidence: Of each result.
        frames: Its frame number.
        labelled: Frames from there to the nearest label of its object; infinite without one.
        count: How many at most.
        apart: Frames.

    Returns:
        Their places in `confidence`; no two of one frame.
    """
    far = np.asarray(labelled, np.float64)
    left, found = np.where(far < apart, np.inf, confidence), list[int]()
    while len(found) < count and np.isfinite(left).any():
        n = int(np.argmin(left + CLOSE * np.exp(-far / apart)))
        found.append(n)
        distance = np.abs(frames - frames[n])
        left[distance == 0] = np.inf
        far = np.minimum(far, distance)
    return found


def _nearest(frames: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Frames from each to the nearest label; labels ascend."""
    if not len(labels):
        return np.full(len(frames), np.inf)
    after = np.searchsorted(labels, frames)
    there = [labels[after.clip(max=len(labels) - 1)], labels[(after - 1).clip(min=0)]]
    return np.asarray(np.min([np.abs(frames - x) for x in there], axis=0), np.float64)
