"""What the labels of a session ask for, at one moment: passes, and what shows each frame."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.blend import DEPTH
from pixelkin.annotation.compute import Pass, find_pass, inputs_of
from pixelkin.annotation.deciding import GROUND
from pixelkin.annotation.geometry import label_of
from pixelkin.annotation.history import revision
from pixelkin.annotation.layers import Layer, layers_of
from pixelkin.annotation.model import Entry, Label
from pixelkin.annotation.plan import (
    Mark,
    Piece,
    Source,
    piece_at,
    pieces,
    reaches,
)
from pixelkin.annotation.store import Store
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import LabelKind, Object

VERSION = 1
"""Of the way in which votes become what is shown; results of another are computed again."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Consecutive frames in which the objects of a layer come from the same labels.

    Attributes:
        layer: The map with all of its objects, or one point.
        frames: Their numbers.
        pieces: By object, where it comes from.
        key: Digest of all that decides what is shown.
        ground: The one pass that all objects come from, where there is no other: the background
            is then carried as they are. Elsewhere it has what they leave.
    """

    layer: Layer
    frames: range
    pieces: Mapping[int, Piece]
    key: str
    ground: Source | None = None


@dataclass(frozen=True)
class Video:
    """What a session knows of its video.

    Attributes:
        size: (height, width) of a frame.
        frames: Their number.
        digest: Of its content.
    """

    size: tuple[int, int]
    frames: int
    digest: str


class Snapshot:
    """The labels of a session at one moment, and all that follows without computing.

    Args:
        store: The session's file.
        video: What it is about.
        protocols: By kind of label.
        encoder: Digest of the encoder.
    """

    def __init__(
        self, store: Store, video: Video, protocols: Mapping[LabelKind, Protocol], encoder: str
    ) -> None:
        self._store, self._video, self._encoder = store, video, encoder
        self._inputs: dict[tuple[int, Source], str] = {}
        with store.reading():  # others may be editing
            self.revision = revision(store)
            self.entries = entries(store)
            rows = store.rows("SELECT * FROM label ORDER BY object, frame")
            self._cuts = cuts(store)
        own = [self.entries[i].object for i in sorted(self.entries)]  # lists order them otherwise
        self.layers = layers_of(own, video.size, protocols)
        self.labels: dict[int, dict[int, Label]] = {o.id: {} for o in own}
        for row in rows:
            self.labels[row["object"]][row["frame"]] = label_of(dict(row), video.size)
        self._ground = dict(self._grounds())
        self.pieces = {
            i: pieces(
                [_mark(x) for x in labels.values()], video.frames, self._cuts,
                DEPTH if self.entries[i].object.is_map else 1,
            )
            for i, labels in self.labels.items()
        }  # fmt: skip

    def layer(self, i: int) -> Layer:
        """The layer that an object belongs to, or the ground."""
        return next(x for x in self.layers if i == GROUND or i in {o.id for o in x.objects})

    def label(self, i: int, keyframe: int) -> Label:
        """The label of an object, or of the ground, that its passes begin with."""
        return self._ground[keyframe] if i == GROUND else self.labels[i][keyframe]

    def inputs(self, i: int, source: Source) -> str:
        """Digest of all that decides a pass."""
        known = self._inputs.get((i, source))
        if known is None:
            facts = self._video.digest, self._encoder
            label = self.label(i, source.keyframe)
            known = inputs_of(self.layer(i), label, source.direction, *facts)
            self._inputs[i, source] = known
        return known

    def begun(self, keyframe: int) -> list[Label]:
        """Labels of a frame's map with which passes begin, in the order of their objects."""
        maps = [o.id for layer in self.layers if layer.is_map for o in layer.objects]
        found = (self.labels[i].get(keyframe) for i in maps)
        return [label for label in found if label is not None and label.seeds]

    def wanted(self, frames: range | None = None) -> Iterator[tuple[int, Source, str, int]]:
        """The passes: object, source, inputs, and how many frames each must have.

        Args:
            frames: Only for these consecutive ones; for all if None.
        """
        for i, found in self.pieces.items():
            for source, reach in reaches(found, frames).items():
                yield i, source, self.inputs(i, source), reach + 1
        ground = [Piece(s.frames, (s.ground,)) for s in self.segments if s.ground is not None]
        for source, reach in reaches(ground, frames).items():
            yield GROUND, source, self.inputs(GROUND, source), reach + 1

    def kept(self, i: int, source: Source) -> Pass | None:
        """What there is of a pass."""
        return find_pass(self._store, i, source, self.inputs(i, source))

    def _grounds(self) -> Iterator[tuple[int, Label]]:
        """By keyframe, what no label of its map covers."""

        def free(own: Sequence[Label]) -> NDArray[np.bool_]:
            places = [label.place for label in own]
            taken = [place.astype(bool) for place in places if place is not None]
            return np.asarray(~np.logical_or.reduce(taken))

        maps = [o.id for layer in self.layers if layer.is_map for o in layer.objects]
        for frame in sorted({f for i in maps for f in self.labels[i]}):
            own = self.begun(frame)
            if own:
                digest = " ".join(f"{label.object} {label.digest}" for label in own)
                place = partial(free, own)
                yield frame, Label(GROUND, frame, "present", "drawn", digest, True, place)

    @cached_property
    def segments(self) -> list[Segment]:
        """What shows each frame, layer by layer, point by point; ascending in each."""
        found = []
        for layer in self.layers:
            groups = [layer.objects] if layer.is_map else [(o,) for o in layer.objects]
            found += [s for group in groups for s in self._segments(layer, group)]
        return found

    def _segments(self, layer: Layer, objects: tuple[Object, ...]) -> Iterator[Segment]:
        one = Layer(layer.kind, objects, layer.protocol, layer.frame)
        edges = {0, self._video.frames}
        edges |= {p.frames.start for o in objects for p in self.pieces[o.id]}
        for start, stop in pairwise(sorted(edges)):
            own = {o.id: piece_at(self.pieces[o.id], start) for o in objects}
            ground = self._common(own) if one.is_map else None
            yield Segment(one, range(start, stop), own, self._key(one, own), ground)

    def _common(self, own: Mapping[int, Piece]) -> Source | None:
        """The one pass that all objects of its keyframe come from, and all others from none."""
        passes = {source for piece in own.values() for source in piece.sources}
        if len(passes) != 1 or any(piece.label for piece in own.values()):
            return None
        (source,) = passes
        begun = [i for i in own if (x := self.labels[i].get(source.keyframe)) and _mark(x).seeds]
        return source if all(own[i].sources for i in begun) else None

    def _key(self, layer: Layer, own: Mapping[int, Piece]) -> str:
        facts: list[object] = [VERSION]
        for i, piece in own.items():
            label = self.labels[i].get(piece.frames.start) if piece.label else None
            passes = [[*source, self.inputs(i, source)] for source in piece.sources]
            facts.append([i, piece.absent, passes, label.digest if label else None])
            if layer.is_map and len(piece.sources) > 1:
                facts.append("expected J")
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]

    def segment(self, i: int, frame: int) -> Segment:
        """What shows an object in a frame."""
        own = self._by_object[i]
        return own[bisect_right(own, frame, key=lambda s: s.frames.start) - 1]

    @cached_property
    def _by_object(self) -> dict[int, list[Segment]]:
        found: dict[int, list[Segment]] = {i: [] for i in self.entries}
        for segment in self.segments:
            for i in segment.pieces:
                found[i].append(segment)
        return found


def cuts(store: Store) -> list[int]:
    """Frames with which a new shot begins, found or said by somebody."""
    rows = store.rows(
        "SELECT frame FROM found_cut UNION SELECT frame FROM cut WHERE state='set' "
        "EXCEPT SELECT frame FROM cut WHERE state='ignored' ORDER BY frame"
    )
    return [row["frame"] for row in rows]


def entries(store: Store) -> dict[int, Entry]:
    """The objects of a session by id, in their order."""
    found = {}
    for row in store.rows("SELECT * FROM object ORDER BY position, id"):
        colour = row["colour"]
        r, g, b = map(int, colour.split()) if colour else (0, 0, 0)
        about = (row["name"], row["category"], (r, g, b) if colour else None, row["parent"])
        found[row["id"]] = Entry(
            Object(row["id"], row["kind"], *about),
            row["position"],
            bool(row["locked"]),
            bool(row["hidden"]),
        )
    return found


def _mark(label: Label) -> Mark:
    return Mark(label.frame, label.seeds, label.state == "absent", label.edit)
