"""What follows from which label: the passes that an object needs, and what shows it in each frame.

Pure functions of the labels; no network, no files.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

THROUGH = 100
"""Frames from its label up to which a pass counts beyond a newer one."""


@dataclass(frozen=True)
class Mark:
    """That an object has a label in a frame.

    Attributes:
        frame: Frame number.
        seeds: Whether it has a place there that can be propagated.
        absent: Whether the object is said to be gone from there on. A label that neither seeds
            nor says so (of an object that is hidden wholly) counts in its own frame alone.
        age: Number of the edit that gave it; less is older.
    """

    frame: int
    seeds: bool = True
    absent: bool = False
    age: int = 0


class Source(NamedTuple):
    """A pass: everything that follows from the label of a keyframe in one direction (1 or -1)."""

    keyframe: int
    direction: int


@dataclass(frozen=True)
class Piece:
    """Consecutive frames in which an object comes from the same labels.

    Attributes:
        frames: Their numbers.
        sources: The passes that reach them: forwards, the nearest first, then backwards.
        label: Whether they are one frame that has a label itself.
        absent: Whether the object is said to be gone.
    """

    frames: range
    sources: tuple[Source, ...] = ()
    label: bool = False
    absent: bool = False

    @property
    def unreached(self) -> bool:
        """Whether no label says anything of the object in these frames."""
        return not (self.sources or self.label or self.absent)


def pieces(
    marks: Sequence[Mark], frames: int, cuts: Collection[int] = (), depth: int = 1
) -> list[Piece]:
    """What shows an object in each frame of a video.

    From both sides the nearest label reaches a frame, and, up to `depth` of them and `THROUGH`
    frames, those beyond it that are older than all between: a label that is added takes nothing
    away from what was there, and changes nothing beyond its neighbours. Labels of one edit bound
    each other. No pass goes over a cut, or through an absent label: after one nothing is shown
    until the next label, from which no pass goes back.

    Args:
        marks: Its labels.
        frames: Number of frames of the video.
        cuts: Frames with which a new shot begins.
        depth: Labels of a side that reach a frame together.

    Returns:
        Pieces that cover all frames once, ascending.
    """
    bounds = sorted((m for m in marks if m.seeds or m.absent), key=lambda m: m.frame)
    shots = sorted(cuts)
    found: list[Piece] = []
    for n in range(len(bounds) + 1):
        start = bounds[n - 1].frame + 1 if n else 0
        stop = bounds[n].frame if n < len(bounds) else frames
        if n and bounds[n - 1].absent:
            found.append(Piece(range(start, stop), absent=True))
        else:
            before = (bounds[k] for k in range(n - 1, -1, -1))
            after = (bounds[k] for k in range(n, len(bounds)))
            forward = _reaching(before, 1, range(start, stop), shots, depth)
            backward = _reaching(after, -1, range(start, stop), shots, depth)
            found += _between(range(start, stop), [*forward, *backward])
        if n < len(bounds):
            found.append(Piece(_one(stop), label=True, absent=bounds[n].absent))
    alone = sorted(m.frame for m in marks if not (m.seeds or m.absent))
    parts = (part for piece in found for part in _split(piece, alone))
    return [piece for piece in parts if piece.frames]


def _reaching(
    marks: Iterable[Mark], direction: int, inside: range, cuts: Sequence[int], depth: int
) -> Iterator[tuple[Source, range]]:
    """The passes in one direction that reach frames between two labels, and which of these.

    Args:
        marks: Labels on the side that they come from, the nearest first.
        direction: 1 or -1.
        inside: The frames.
        cuts: Ascending.
        depth: How many at most.
    """
    oldest = math.inf
    for mark in marks:
        start, stop = inside.start, inside.stop
        if oldest < math.inf:
            start, stop = max(start, mark.frame - THROUGH), min(stop, mark.frame + THROUGH + 1)
        if not (mark.seeds and depth and start < stop):
            return
        if mark.age >= oldest:
            continue
        oldest, depth = mark.age, depth - 1
        n = bisect_right(cuts, mark.frame)  # the next shot begins with the n-th cut
        if direction > 0 and n < len(cuts):
            stop = max(start, min(stop, cuts[n]))
        if direction < 0 and n > 0:
            start = min(stop, max(start, cuts[n - 1]))
        yield Source(mark.frame, direction), range(start, stop)


def _between(inside: range, passes: Sequence[tuple[Source, range]]) -> Iterator[Piece]:
    edges = {inside.start, inside.stop}
    edges |= {edge for _, reached in passes for edge in (reached.start, reached.stop)}
    for start, stop in pairwise(sorted(edges)):
        own = tuple(s for s, reached in passes if reached.start <= start and stop <= reached.stop)
        yield Piece(range(start, stop), own)


def _split(piece: Piece, alone: Sequence[int]) -> Iterator[Piece]:
    """A piece, cut where its frames have labels of their own; these ascend."""
    start, stop = piece.frames.start, piece.frames.stop
    for frame in alone[bisect_left(alone, start) : bisect_left(alone, stop)]:
        yield replace(piece, frames=range(start, frame))
        yield Piece(_one(frame), label=True)
        start = frame + 1
    yield replace(piece, frames=range(start, stop))


def _one(frame: int) -> range:
    return range(frame, frame + 1)


def reaches(found: Sequence[Piece], frames: range | None = None) -> dict[Source, int]:
    """How many frames beyond its keyframe each pass must go.

    Args:
        found: See `pieces`.
        frames: Only these consecutive ones are wanted; all if None.
    """
    wanted: dict[Source, int] = {}
    for piece in found:
        own = piece.frames if frames is None else _common(piece.frames, frames)
        for source in piece.sources if own else ():
            far = own[-1] if source.direction > 0 else own[0]
            count = abs(far - source.keyframe)
            wanted[source] = max(wanted.get(source, 0), count)
    return wanted


def _common(a: range, b: range) -> range:
    return range(max(a.start, b.start), min(a.stop, b.stop))


def piece_at(found: Sequence[Piece], frame: int) -> Piece:
    """The piece that a frame lies in; `found` covers all frames, ascending."""
    return found[bisect_right(found, frame, key=lambda p: p.frames.start) - 1]


def ranges(frames: Sequence[int]) -> Iterator[range]:
    """Ascending numbers as ranges of consecutive ones."""
    start = 0
    for k in range(1, len(frames) + 1):
        if k == len(frames) or frames[k] != frames[k - 1] + 1:
            yield range(frames[start], frames[k - 1] + 1)
            start = k
