"""Passes of a session: votes of each object in each frame, computed once and kept.

A pass is one object's, from one label, in one direction. Passes that begin together are computed
together; what each gives does not depend on the others. A pass that was interrupted, or must go
farther than it went, continues from its own exact votes, to the bit.

The background of a keyframe is carried along with all of its objects: what they show is decided
between them, when it is computed, as `propagate` does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.annotation.abreast import Abreast
from pixelkin.annotation.blend import agreement
from pixelkin.annotation.deciding import packed
from pixelkin.annotation.echoes import Echoes, echo, keep
from pixelkin.annotation.features import Features
from pixelkin.annotation.history import revise
from pixelkin.annotation.layers import Layer
from pixelkin.annotation.model import Label
from pixelkin.annotation.plan import Source
from pixelkin.annotation.store import Store
from pixelkin.annotation.votes import (
    Decided,
    Point,
    goes_on_with,
    pack_exact,
    unpack_decided,
    unpack_exact,
    unpack_point,
    unpack_votes,
)
from pixelkin.propagation.cuts import is_cut
from pixelkin.propagation.features import FeaturePropagator


@dataclass(frozen=True)
class Pass:
    """One pass as it is kept.

    Attributes:
        id: Of its row.
        object: Whose it is.
        source: Keyframe and direction.
        done: Frames of it whose votes are kept, the keyframe's among them.
    """

    id: int
    object: int
    source: Source
    done: int

    def number(self, frame: int) -> int:
        """Which of its frames a frame of the video is, from 0."""
        return (frame - self.source.keyframe) * self.source.direction

    def frame(self, number: int) -> int:
        """The frame of the video that is its `number`-th."""
        return self.source.keyframe + number * self.source.direction

    def has(self, frame: int) -> bool:
        """Whether its votes for a frame are kept."""
        return 0 <= self.number(frame) < self.done


def inputs_of(layer: Layer, label: Label, direction: int, video: str, encoder: str) -> str:
    """Digest of all that decides the votes of a pass."""
    facts = [asdict(layer.protocol), layer.kind, video, encoder, label.frame, label.digest]
    content = json.dumps([*facts, direction], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


class Passes:
    """The passes of a session: what is kept of them, and how they go on.

    Args:
        store: The session's file.
        features: Of its video.
    """

    def __init__(self, store: Store, features: Features) -> None:
        self._store, self._features = store, features
        self._seen: set[tuple[bool, int]] = set()  # frames that were looked at for cuts
        self._likeness: dict[tuple[int, str], float] = {}

    def find(self, object: int, source: Source, inputs: str) -> Pass:
        """A pass, which is begun if there is none of these inputs."""
        known = find_pass(self._store, object, source, inputs)
        if known is not None:
            return known
        with self._store.transaction(durable=False):
            number = self._store.write(
                "INSERT INTO pass(object, keyframe, direction, inputs) VALUES(?,?,?,?)",
                object, *source, inputs,
            )  # fmt: skip
        return Pass(number, object, source, 0)

    def extend(
        self,
        layer: Layer,
        passes: Sequence[Pass],
        labels: Sequence[Label],
        until: int,
        goes_on: Callable[[], bool],
        beside: Sequence[Label] = (),
        *,
        abreast: Abreast,
    ) -> Iterator[int]:
        """Compute passes of one keyframe and direction, equally far, and keep what they give.

        Args:
            layer: Of their objects.
            passes: One for each object.
            labels: The label of each at the keyframe.
            until: How many frames each shall have.
            goes_on: Asked before each frame.
            beside: Labels of objects that are farther, but take part in what is decided of the
                background. How they went on is kept no longer: all begins anew with them.
            abreast: The threads in which this is computed, beside other passes.

        Yields:
            The number of each frame of which something is kept.
        """
        first, start = passes[0], 0 if beside else passes[0].done
        labels = [*labels, *beside]
        given = torch.stack([layer.encode(_placed(label)) for label in labels])
        engine = FeaturePropagator(layer.protocol, layer.sizes.encoded)
        if start:
            self._resume(engine, layer, passes, given)
        frames = range(first.frame(start), first.frame(until), first.source.direction)
        before = self._features.get(layer, first.frame(start - 1)) if start else None
        key = self._features.get(layer, first.source.keyframe)
        own = given * torch.tensor([label.object >= 0 for label in labels])[:, None, None]
        echoes = Echoes(layer, key, own, [_placed(label) for label in labels])  # not of the ground

        def step(features: Tensor) -> NDArray[np.float32]:
            return engine.step(features, None if engine.started else given).cpu().numpy()

        along = self._features.along(layer, frames, abreast.take_share)
        with closing(along), closing(abreast.ahead(step, along)) as found:
            for number, (features, result) in enumerate(found, start=start):
                self._look_for_cut(layer, first.frame(number), frames.step, before, features)
                before = features
                if not goes_on():  # a cut is a reason, too
                    return
                votes = result()
                if number < first.done:
                    continue
                by_object = {x.object: soft for x, soft in zip(labels, votes, strict=True)}
                self._keep(layer, passes, number, by_object, echoes.of(features, votes))
                yield first.frame(number)

    def likeness(self, layer: Layer, found: Pass, label: Label) -> float:
        """How far the pass of a mask, where it comes to another label, agrees with it.

        Args:
            layer: Of its object.
            found: The pass; it has the frame.
            label: The label; it has a place.
        """
        known = self._likeness.get((found.id, label.digest))
        if known is None:
            given = layer.encode(_placed(label)).numpy()
            known = agreement(given, self.votes(layer, found, label.frame))
            self._likeness[found.id, label.digest] = known
        return known

    def votes(self, layer: Layer, found: Pass, frame: int) -> NDArray[np.float32]:
        """Votes of the pass of a mask for a frame, h x w."""
        return unpack_votes(self._content(found, frame), layer.sizes.grid)

    def point(self, found: Pass, frame: int) -> Point:
        """Where the pass of a point has it in a frame."""
        return unpack_point(self._content(found, frame))

    def decided(self, found: Pass, frame: int) -> Decided:
        """What the pass of a background, and those of its objects, show in a frame."""
        return unpack_decided(self._content(found, frame))

    def _content(self, found: Pass, frame: int) -> bytes:
        query = "SELECT content FROM vote WHERE pass=? AND frame=?"
        content: bytes = self._store.value(query, found.id, frame)
        return content

    def _look_for_cut(
        self, layer: Layer, frame: int, step: int, before: Tensor | None, features: Tensor
    ) -> None:
        """Keep that a new shot begins between a frame and the one before it in a pass, if it does.

        Whatever somebody has said of it.
        """
        first = max(frame, frame - step)
        if before is None or (layer.is_map, first) in self._seen:
            return
        pair = (before, features) if step > 0 else (features, before)
        known = self._store.value("SELECT 1 FROM found_cut WHERE frame=?", first)
        if not known and is_cut(*pair):
            with self._store.transaction(durable=False):
                self._store.write("INSERT OR IGNORE INTO found_cut VALUES(?)", first)
                if not self._store.value("SELECT 1 FROM cut WHERE frame=?", first):
                    revise(self._store)
        self._seen.add((layer.is_map, first))

    def _resume(
        self, engine: FeaturePropagator, layer: Layer, passes: Sequence[Pass], given: Tensor
    ) -> None:
        """Fill an engine's memory with what it held when the passes were left."""
        first = passes[0]
        state: dict[str, NDArray[Any]] = {"given.0": given.numpy()}
        for number in sorted(goes_on_with(layer.protocol, first.done)):
            votes = [self._exact(layer, p, p.frame(number)) for p in passes]
            state[f"predicted.{number}"] = np.stack(votes)
        engine.restore(
            state, first.done, lambda number: self._features.get(layer, first.frame(number))
        )

    def _exact(self, layer: Layer, found: Pass, frame: int) -> NDArray[np.float32]:
        query = "SELECT soft FROM recent WHERE pass=? AND frame=?"
        return unpack_exact(self._store.value(query, found.id, frame), layer.sizes.grid)

    def echo(self, found: Pass, frame: int) -> float | None:
        """What came back of a pass's label from a frame; None where nothing was measured."""
        return echo(self._store, found.id, frame)

    def _keep(
        self,
        layer: Layer,
        passes: Sequence[Pass],
        number: int,
        votes: Mapping[int, NDArray[np.float32]],
        echoes: Sequence[float | None],
    ) -> None:
        store = self._store
        gone = goes_on_with(layer.protocol, number) - goes_on_with(layer.protocol, number + 1)
        with store.transaction(durable=False):
            for one, back in zip(passes, echoes, strict=False):  # not those beside
                frame, soft = one.frame(number), votes[one.object]
                keep(store, one.id, frame, back)
                content = packed(layer, one.object, votes)
                store.write("INSERT OR REPLACE INTO vote VALUES(?,?,?)", one.id, frame, content)
                exact = pack_exact(soft)
                store.write("INSERT OR REPLACE INTO recent VALUES(?,?,?)", one.id, frame, exact)
                old = ((one.id, one.frame(n)) for n in gone)
                store.many("DELETE FROM recent WHERE pass=? AND frame=?", old)
                store.write(
                    "UPDATE pass SET done=?, bytes=bytes+? WHERE id=?",
                    number + 1, len(content), one.id,
                )  # fmt: skip


def find_pass(store: Store, object: int, source: Source, inputs: str) -> Pass | None:
    """A pass that is kept, or None."""
    found = store.rows(
        "SELECT id, done FROM pass WHERE object=? AND keyframe=? AND direction=? AND inputs=?",
        object, *source, inputs,
    )  # fmt: skip
    return Pass(found[0]["id"], object, source, found[0]["done"]) if found else None


def _placed(label: Label) -> NDArray[Any]:
    place = label.place
    if place is None:
        raise ValueError(f"frame {label.frame}: a label without a place begins no pass")
    return place
