"""What follows from which label: the passes that an object needs, and what shows it in each frame.

Pure functions of the labels; no network, no files.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple


@dataclass(frozen=True)
class Mark:
    """That an object has a label in a frame.

    Attributes:
        frame: Frame number.
        seeds: Whether it has a place there that can be propagated.
        absent: Whether the object is said to be gone from there on. A label that neither seeds
            nor says so (of an object that is hidden wholly) counts in its own frame alone.
    """

    frame: int
    seeds: bool = True
    absent: bool = False


class Source(NamedTuple):
    """A pass: everything that follows from the label of a keyframe in one direction (1 or -1)."""

    keyframe: int
    direction: int


@dataclass(frozen=True)
class Piece:
    """Consecutive frames in which an object comes from the same labels.

    Attributes:
        frames: Their numbers.
        before: Keyframe whose pass forwards reaches them.
        after: Keyframe whose pass backwards does.
        label: Whether they are one frame that has a label itself.
        absent: Whether the object is said to be gone.
    """

    frames: range
    before: int | None = None
    after: int | None = None
    label: bool = False
    absent: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        """The passes that show the object in these frames."""
        forward = () if self.before is None else (Source(self.before, 1),)
        backward = () if self.after is None else (Source(self.after, -1),)
        return forward + backward

    @property
    def unreached(self) -> bool:
        """Whether no label says anything of the object in these frames."""
        return not (self.sources or self.label or self.absent)


def pieces(marks: Sequence[Mark], frames: int, cuts: Collection[int] = ()) -> list[Piece]:
    """What shows an object in each frame of a video.

    Between two labels both reach: the earlier one forwards, the later one backwards. No pass goes
    beyond a label that bounds it, or over a cut. After an absent label nothing is shown until the
    next one, from which no pass goes back.

    Args:
        marks: Its labels.
        frames: Number of frames of the video.
        cuts: Frames with which a new shot begins.

    Returns:
        Pieces that cover all frames once, ascending.
    """
    bounds = sorted((m for m in marks if m.seeds or m.absent), key=lambda m: m.frame)
    found: list[Piece] = []
    shots = sorted(cuts)
    for first, last in pairwise([None, *bounds, None]):
        inside = range(0 if first is None else first.frame + 1, last.frame if last else frames)
        found += _between(first, last, inside, shots)
        if last is not None:
            found.append(Piece(_one(last.frame), label=True, absent=last.absent))
    alone = sorted(m.frame for m in marks if not (m.seeds or m.absent))
    parts = (part for piece in found for part in _split(piece, alone))
    return [piece for piece in parts if piece.frames]


def _between(
    first: Mark | None, last: Mark | None, inside: range, cuts: Sequence[int]
) -> Iterator[Piece]:
    if first is not None and first.absent:
        yield Piece(inside, absent=True)
        return
    end = inside.stop + 1 if last is not None else inside.stop  # a cut may lie just before a label
    own = [c for c in cuts if inside.start <= c < end]
    before = first.frame if first is not None and first.seeds else None
    after = last.frame if last is not None and last.seeds else None
    forward, backward = (own[0], own[-1]) if own else (inside.stop, inside.start)
    edges = sorted({inside.start, inside.stop, *(min(c, inside.stop) for c in (forward, backward))})
    for start, stop in pairwise(edges):
        yield Piece(
            range(start, stop),
            before if stop <= forward else None,
            after if start >= backward else None,
        )


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


def within_shot(source: Source, frames: int, cuts: Collection[int]) -> int:
    """How many frames a pass can go beyond its keyframe before its shot, or the video, ends.

    Args:
        source: The pass.
        frames: Number of frames of the video.
        cuts: Frames with which a new shot begins.
    """
    if source.direction > 0:
        return min((c for c in cuts if c > source.keyframe), default=frames) - 1 - source.keyframe
    return source.keyframe - max((c for c in cuts if c <= source.keyframe), default=0)


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
