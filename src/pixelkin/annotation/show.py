"""From the votes of passes to what is shown of a frame: the map, and points.

All of it can be made again from labels and votes, without the network, and is the same then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation import echoes
from pixelkin.annotation.blend import agreement, blend_points, share_of, weights
from pixelkin.annotation.compute import Pass, Passes
from pixelkin.annotation.deciding import GROUND
from pixelkin.annotation.geometry import columns
from pixelkin.annotation.model import Label
from pixelkin.annotation.plan import Piece, Source
from pixelkin.annotation.snapshot import Segment, Snapshot
from pixelkin.annotation.store import Store


class _Blend(NamedTuple):
    """What passes say of an object together: votes h x w, their weights, how far they agree."""

    votes: NDArray[np.float32]
    weights: tuple[float, ...]
    agreement: float | None


class Display:
    """What is shown of each frame, kept until something decides otherwise.

    Args:
        store: The session's file.
        passes: Its passes.
    """

    def __init__(self, store: Store, passes: Passes) -> None:
        self._store, self._passes = store, passes

    def ready(self, snapshot: Snapshot, segment: Segment, frame: int) -> bool:
        """Whether all votes that a frame needs are kept."""
        wanted = [(i, source) for i, piece in segment.pieces.items() for source in piece.sources]
        if segment.ground is not None:
            wanted.append((GROUND, segment.ground))
        found = (snapshot.kept(*one) for one in wanted)
        return all(one is not None and one.has(frame) for one in found)

    def show(self, snapshot: Snapshot, segment: Segment, frame: int) -> None:
        """Decide what is shown of a frame, whose votes are kept."""
        make = self._map if segment.layer.is_map else self._point
        rows = make(snapshot, segment, frame)
        with self._store.transaction(durable=False):
            for i, row in rows.items():
                key = {"object": i, "frame": frame}
                self._store.put("shown", key, row | {"inputs": segment.key})

    def _kept(
        self, snapshot: Snapshot, i: int, sources: Iterable[Source], frame: int
    ) -> list[Pass]:
        """The passes that have an object in a frame."""
        found = [kept for source in sources if (kept := snapshot.kept(i, source)) is not None]
        if not found or not all(kept.has(frame) for kept in found):
            raise ValueError(f"the votes of object {i} for frame {frame} are not there")
        return found

    def _echoes(
        self, snapshot: Snapshot, i: int, sources: Iterable[Source], frame: int
    ) -> list[float | None]:
        kept = [snapshot.kept(i, source) for source in sources]
        return [None if one is None else self._passes.echo(one, frame) for one in kept]

    def _weights(
        self,
        snapshot: Snapshot,
        segment: Segment,
        i: int,
        passes: Sequence[Pass],
        votes: Sequence[NDArray[np.float32]],
        frame: int,
    ) -> tuple[float, ...]:
        """How much each pass of a mask counts in a frame where several meet."""
        expected, passed = [], []
        nearer: dict[int, Label] = {}  # by direction, the label between the pass before and this
        for one, soft in zip(passes, votes, strict=True):
            back = self._passes.echo(one, frame)
            expected.append(echoes.confidence(share_of(soft), [back], (1.0,), None))
            gone = nearer.get(one.source.direction)
            passed.append(1.0 if gone is None else self._passes.likeness(segment.layer, one, gone))
            nearer[one.source.direction] = snapshot.label(i, one.source.keyframe)
        return weights([one.number(frame) for one in passes], expected, passed)

    def _map(self, snapshot: Snapshot, segment: Segment, frame: int) -> dict[int, dict[str, Any]]:
        rows: dict[int, dict[str, Any]] = {}
        given: dict[int, NDArray[Any]] = {}
        carried: dict[int, Piece] = {}
        for i, piece in segment.pieces.items():
            label = snapshot.labels[i].get(frame)
            place = None if label is None else label.place
            if place is not None:
                given[i] = place
            elif piece.sources:
                carried[i] = piece
            else:  # absent, hidden wholly, or unknown
                sure = piece.absent or label is not None
                rows[i] = columns(None) | {"confidence": float(sure), "agreement": None}
        if segment.ground is not None:
            return rows | self._decided(snapshot, segment.ground, frame)
        blends = {i: self._blend(snapshot, segment, i, p, frame) for i, p in carried.items()}
        ids = np.zeros(segment.layer.frame, np.int32)
        shares: Mapping[int, float] = {}
        if blends:
            ids, shares = segment.layer.decode_map({i: b.votes for i, b in blends.items()})
        for i, own in given.items():
            ids[own.astype(bool)] = i
            rows[i] = columns(own) | {"confidence": 1.0, "agreement": None}
        for i, blend in blends.items():
            found = ids == i
            back = self._echoes(snapshot, i, carried[i].sources, frame)
            rows[i] = columns(found if found.any() else None) | {
                "confidence": echoes.confidence(shares[i], back, blend.weights, blend.agreement),
                "agreement": blend.agreement,
            }
        return rows

    def _decided(self, snapshot: Snapshot, ground: Source, frame: int) -> dict[int, dict[str, Any]]:
        """Rows of the objects of the one pass that all come from."""
        (kept,) = self._kept(snapshot, GROUND, (ground,), frame)
        rows = {}
        for i, (mask, share) in self._passes.decided(kept, frame).items():
            back = self._echoes(snapshot, i, (ground,), frame)
            sure = echoes.confidence(share, back, (1.0,), None)
            place = columns(None) | {"rle": mask}
            rows[i] = place | {"confidence": sure, "agreement": None}
        return rows

    def _blend(
        self, snapshot: Snapshot, segment: Segment, i: int, piece: Piece, frame: int
    ) -> _Blend:
        kept = self._kept(snapshot, i, piece.sources, frame)
        votes = [self._passes.votes(segment.layer, one, frame) for one in kept]
        if len(votes) == 1:
            return _Blend(votes[0], (1.0,), None)
        parts = self._weights(snapshot, segment, i, kept, votes, frame)
        blended = np.zeros_like(votes[0])
        nearest: dict[int, NDArray[np.float32]] = {}  # by direction
        for one, soft, part in zip(kept, votes, parts, strict=True):
            blended += np.float32(part) * soft
            nearest.setdefault(one.source.direction, soft)
        alike = agreement(*nearest.values()) if len(nearest) == 2 else None
        return _Blend(blended, parts, alike)

    def _point(self, snapshot: Snapshot, segment: Segment, frame: int) -> dict[int, dict[str, Any]]:
        ((i, piece),) = segment.pieces.items()
        label = snapshot.labels[i].get(frame)
        if label is not None or not piece.sources:
            place = label.place if label is not None else None
            sure = piece.absent or label is not None
            row = {"confidence": float(sure), "agreement": None, "visible": None}
            return {i: columns(place) | row}
        kept = self._kept(snapshot, i, piece.sources, frame)
        first, *others = (self._passes.point(one, frame) for one in kept)
        x, y, confidence, alike = (*first, None)
        if others:
            before, after = (source.keyframe for source in piece.sources)
            share = (after - frame) / (after - before)
            x, y, confidence, alike = blend_points(first, others[0], share, segment.layer.cell)
        place = None if math.isnan(x) else np.array([x, y])
        seen = echoes.visible(self._echoes(snapshot, i, piece.sources, frame))
        return {i: columns(place) | {"confidence": confidence, "agreement": alike, "visible": seen}}


def stale(store: Store, segment: Segment) -> list[int]:
    """Frames of a segment of which something else is shown, or nothing; not reviewed ones."""
    done = _complete(store, "shown", segment, "inputs=?", segment.key)
    if len(done) < len(segment.frames):
        reviewed = "frame IN (SELECT frame FROM frame WHERE state='reviewed')"
        done |= _complete(store, "accepted", segment, reviewed)
    return [frame for frame in segment.frames if frame not in done]


def missing(store: Store, segment: Segment) -> list[int]:
    """Frames of a segment of which nothing is shown yet, of one object at least."""
    done = _complete(store, "shown", segment, "1")
    return [frame for frame in segment.frames if frame not in done]


def _complete(
    store: Store, table: str, segment: Segment, condition: str, *values: object
) -> set[int]:
    """Frames of a segment of which all objects have rows in a table, under a condition."""
    ids = list(segment.pieces)
    rows = store.rows(
        f"SELECT frame FROM {table} WHERE object IN ({','.join('?' * len(ids))}) "
        f"AND frame BETWEEN ? AND ? AND {condition} GROUP BY frame HAVING COUNT(*)=?",
        *ids, segment.frames.start, segment.frames.stop - 1, *values, len(ids),
    )  # fmt: skip
    return {row["frame"] for row in rows}


def contested(store: Store, segment: Segment) -> list[int]:
    """Reviewed frames of a segment that show something else than follows from the labels now.

    An object whose label a frame has shows this one, whatever was accepted before.
    """
    ids = [i for i, piece in segment.pieces.items() if not piece.label]
    rows = store.rows(
        "SELECT DISTINCT frame FROM accepted JOIN frame USING(frame) WHERE state='reviewed' AND "
        f"object IN ({','.join('?' * len(ids))}) AND inputs<>? AND frame BETWEEN ? AND ?",
        *ids, segment.key, segment.frames.start, segment.frames.stop - 1,
    )  # fmt: skip
    return [row["frame"] for row in rows]
