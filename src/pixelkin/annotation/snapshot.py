"""What the labels of a session ask for, at one moment: passes, and what shows each frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from pixelkin.annotation.compute import Pass, find_pass, inputs_of
from pixelkin.annotation.geometry import label_of
from pixelkin.annotation.history import revision
from pixelkin.annotation.layers import Layer, layers_of
from pixelkin.annotation.model import Entry, Label
from pixelkin.annotation.plan import Mark, Piece, Source, piece_at, pieces, reaches
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
    """

    layer: Layer
    frames: range
    pieces: Mapping[int, Piece]
    key: str


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
        cuts: Frames with which a new shot begins.
    """

    def __init__(
        self,
        store: Store,
        video: Video,
        protocols: Mapping[LabelKind, Protocol],
        encoder: str,
        cuts: Collection[int] = (),
    ) -> None:
        self._store, self._video, self._encoder, self._cuts = store, video, encoder, cuts
        self.revision = revision(store)
        self.entries = entries(store)
        own = [e.object for e in self.entries.values()]
        self.layers = layers_of(own, video.size, protocols)
        self.labels: dict[int, dict[int, Label]] = {o.id: {} for o in own}
        for row in store.rows("SELECT * FROM label ORDER BY object, frame"):
            self.labels[row["object"]][row["frame"]] = label_of(dict(row), video.size)
        self.pieces = {
            i: pieces([_mark(x) for x in labels.values()], video.frames, cuts)
            for i, labels in self.labels.items()
        }

    def layer(self, i: int) -> Layer:
        """The layer that an object belongs to."""
        return next(x for x in self.layers if i in {o.id for o in x.objects})

    def inputs(self, i: int, source: Source) -> str:
        """Digest of all that decides a pass."""
        label = self.labels[i][source.keyframe]
        digest, video = self._encoder, self._video.digest
        return inputs_of(self.layer(i), label, source.direction, video, digest)

    def wanted(self) -> Iterator[tuple[int, Source, str, int]]:
        """The passes: object, source, inputs, and how many frames each must have."""
        for i, found in self.pieces.items():
            for source, reach in reaches(found).items():
                yield i, source, self._inputs[i, source], reach + 1

    def kept(self, i: int, source: Source) -> Pass | None:
        """What there is of a pass."""
        return find_pass(self._store, i, source, self._inputs[i, source])

    @cached_property
    def _inputs(self) -> dict[tuple[int, Source], str]:
        return {
            (i, source): self.inputs(i, source)
            for i, found in self.pieces.items()
            for source in reaches(found)
        }

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
            yield Segment(one, range(start, stop), own, self._key(own))

    def _key(self, own: Mapping[int, Piece]) -> str:
        facts: list[object] = [VERSION]
        for i, piece in own.items():
            label = self.labels[i].get(piece.frames.start) if piece.label else None
            passes = [[*source, self._inputs[i, source]] for source in piece.sources]
            facts.append([i, piece.absent, passes, label.digest if label else None])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


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
    seeds = label.place is not None and bool(label.place.any() if label.place.ndim == 2 else True)
    return Mark(label.frame, seeds, label.state == "absent")
