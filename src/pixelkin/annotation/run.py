"""A run: everything that is missing, passes first where somebody looks, and then what is shown."""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import cast

from pixelkin import __version__
from pixelkin.annotation.abreast import Abreast
from pixelkin.annotation.compute import Pass, Passes
from pixelkin.annotation.deciding import GROUND
from pixelkin.annotation.history import revision
from pixelkin.annotation.layers import Layer
from pixelkin.annotation.model import Label, Progress
from pixelkin.annotation.plan import Source
from pixelkin.annotation.show import Display
from pixelkin.annotation.show import stale as stale_frames
from pixelkin.annotation.snapshot import Segment, Snapshot
from pixelkin.annotation.store import Store, now
from pixelkin.propagation.rules import RULES


@dataclass(frozen=True)
class Job:
    """Passes that are computed together.

    Attributes:
        layer: Of their objects.
        passes: Equally far, from one keyframe in one direction.
        until: How many frames each shall have.
        beside: Labels of objects that are not as far; see `Passes.extend`.
    """

    layer: Layer
    passes: tuple[Pass, ...]
    until: int
    beside: tuple[Label, ...] = ()

    @property
    def source(self) -> Source:
        """Keyframe and direction."""
        return self.passes[0].source

    @property
    def units(self) -> int:
        """Frames of passes that are missing."""
        return len(self.passes) * (self.until - self.passes[0].done)


class Run:
    """Computes what is missing of a session, as long as its iterator is asked for more.

    Labels may be changed meanwhile, by whomever: it then goes on with what they ask for.

    Args:
        store: The session's file.
        snapshot: Gives the labels as they are.
        passes: Computes votes.
        display: Decides what is shown.
        device: What computes, in words; kept with the run.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Callable[[], Snapshot],
        passes: Passes,
        display: Display,
        device: str,
    ) -> None:
        self._store, self._snapshot, self._device = store, snapshot, device
        self._passes, self._display = passes, display
        self._done = 0

    def steps(self, near: int = 0, frames: range | None = None) -> Iterator[Progress]:
        """Do what is missing; frames near one are done first.

        Args:
            near: Frame number.
            frames: Consecutive ones that are wanted; all if None.
        """
        number = self._begin()
        status = "stopped"
        try:
            while True:
                snapshot = self._snapshot()
                yield from self._compute(snapshot, near, frames)
                if revision(self._store) == snapshot.revision and not self.jobs(snapshot, frames):
                    break
            status = "done"
        finally:
            with self._store.transaction(durable=False):
                ended = "UPDATE run SET ended=?, status=? WHERE id=?"
                self._store.write(ended, now(), status, number)

    def _begin(self) -> int:
        encoder = self._store.meta("encoder") or ""
        machine = f"{platform.platform()}, {self._device}"
        with self._store.transaction(durable=False):
            return self._store.write(
                "INSERT INTO run(started, status, pixelkin, encoder, machine) VALUES(?,?,?,?,?)",
                now(), "running", __version__, encoder, machine,
            )  # fmt: skip

    def _compute(self, snapshot: Snapshot, near: int, wanted: range | None) -> Iterator[Progress]:
        """Everything that one state of the labels asks for, or until they change."""

        def unchanged() -> bool:
            return revision(self._store) == snapshot.revision

        jobs = sorted(
            self.jobs(snapshot, wanted),
            key=lambda job: (abs(job.source.keyframe - near), job.source.keyframe),
        )
        stale = {s: set(stale_frames(self._store, s)) for s in snapshot.segments}
        total = self._done + sum(job.units for job in jobs)
        for pair in _pairs(jobs):
            abreast = _abreast(pair)
            runs = [self._extended(snapshot, job, unchanged, abreast) for job in pair]
            for frame in _in_turn(runs):
                for segment, frames in stale.items():
                    if frame in frames and self._shown(snapshot, segment, frame):
                        frames.discard(frame)
                yield Progress(frame, self._done, total)
            if not unchanged():
                return
        for segment, frames in stale.items():
            for frame in sorted(frames, key=lambda f: abs(f - near)):
                if not unchanged():
                    return
                if self._shown(snapshot, segment, frame):
                    yield Progress(frame, self._done, total)

    def _extended(
        self, snapshot: Snapshot, job: Job, goes_on: Callable[[], bool], abreast: Abreast
    ) -> Generator[int]:
        """Do a job; the number of each frame that there is more of."""
        labels = [snapshot.label(p.object, p.source.keyframe) for p in job.passes]
        found = cast(
            "Generator[int]",
            self._passes.extend(
                job.layer, job.passes, labels, job.until, goes_on, job.beside, abreast=abreast
            ),
        )
        with closing(found):
            for frame in found:
                self._done += len(job.passes)
                yield frame

    def _shown(self, snapshot: Snapshot, segment: Segment, frame: int) -> bool:
        if not self._display.ready(snapshot, segment, frame):
            return False
        self._display.show(snapshot, segment, frame)
        return True

    def jobs(self, snapshot: Snapshot, frames: range | None = None) -> list[Job]:
        """What is missing (for some frames), in groups that are computed together."""
        groups: dict[tuple[bool, Source, int], list[tuple[Layer, Pass, int]]] = {}
        shown = {s.ground for s in snapshot.segments if s.ground and stale_frames(self._store, s)}
        for i, source, inputs, count in snapshot.wanted(frames):
            if i == GROUND and source not in shown:  # all that it decides is shown already
                continue
            found = self._passes.find(i, source, inputs)
            if found.done < count:
                layer = snapshot.layer(i)
                key = layer.is_map, source, found.done
                groups.setdefault(key, []).append((layer, found, count))
        # To the nearest end of all in a group; what goes farther is found next time.
        return [
            Job(
                group[0][0], tuple(p for _, p, _ in group), min(count for *_, count in group),
                _beside(snapshot, [p for _, p, _ in group]),
            )
            for group in groups.values()
        ]  # fmt: skip


def _pairs(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs of one keyframe, forwards and backwards, together: what is near it comes first."""
    for _, group in groupby(jobs, key=lambda job: job.source.keyframe):
        own = list(group)
        ways = ([job for job in own if job.source.direction == way] for way in (1, -1))
        for pair in zip_longest(*ways):
            yield [job for job in pair if job is not None]


def _abreast(jobs: Sequence[Job]) -> Abreast:
    """Threads for jobs that are done together."""
    steady = all(RULES[job.layer.protocol.rule].steady for job in jobs)
    return Abreast(len(jobs), None if steady else 1)


def _in_turn(runs: Sequence[Generator[int]]) -> Iterator[int]:
    """What several runs give, one of each in turn."""
    going = list(runs)
    try:
        while going:
            for run in list(going):
                found = next(run, None)
                if found is None:
                    going.remove(run)
                else:
                    yield found
    finally:
        for run in runs:
            run.close()


def _beside(snapshot: Snapshot, passes: Sequence[Pass]) -> tuple[Label, ...]:
    """Labels of the objects that a background is decided with, but whose passes are not these."""
    own = {p.object for p in passes}
    if GROUND not in own:
        return ()
    return tuple(x for x in snapshot.begun(passes[0].source.keyframe) if x.object not in own)
