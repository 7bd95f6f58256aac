"""What is to be computed of a video: passes, each known by all that decides its results.

A pass is what follows from one keyframe, up to the next, in one direction. Objects that the
keyframe does not show go on in it from their own latest labels.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError, LabelKind, Labels, MaskLabels, PointLabels
from pixelkin.video.reader import VideoReader


@dataclass(frozen=True)
class Source:
    """An earlier keyframe whose objects go on in a pass, as no later keyframe has them.

    Attributes:
        keyframe: Its frame number.
        objects: The ids of these objects.
        labels: Digest of its labels.
    """

    keyframe: int
    objects: tuple[int, ...]
    labels: str


@dataclass(frozen=True)
class Pass:
    """Consecutive frames from a keyframe on, up to the next one, in one direction.

    Attributes:
        keyframe: Frame number of the first frame, whose labels are given.
        frames: How many frames it has.
        direction: 1 forwards, -1 backwards.
        kind: Of its labels.
        labels: Digest of the keyframe's labels.
        others: Whose objects go on beside those that the keyframe labels.
    """

    keyframe: int
    frames: int
    direction: int
    kind: LabelKind
    labels: str
    others: tuple[Source, ...] = ()

    @property
    def digest(self) -> str:
        """Its identity: all that decides its results beside video, encoder and protocol.

        Not how far it goes: one that is cut short by a later keyframe has the results that it had.
        """
        return hashlib.sha256(repr(dataclasses.replace(self, frames=0)).encode()).hexdigest()

    def index(self, number: int) -> int:
        """Frame number in the video of the pass's `number`-th frame."""
        return self.keyframe + number * self.direction

    def results(self, done: int) -> range:
        """Frame numbers of the results that the first `done` frames give.

        Backwards the keyframe itself is none: it is the result of a pass forwards.
        """
        first = 0 if self.direction > 0 else 1
        return range(self.index(first), self.index(max(done, first)), self.direction)

    def followed(self, done: int) -> range:
        """Frame numbers that decide the first `done` results: from the first source's keyframe."""
        earlier = [source.keyframe for source in self.others]
        return range(min([self.keyframe, *earlier]), self.index(done), self.direction)

    def read(self, reader: VideoReader, done: int = 0) -> Iterator[NDArray[np.uint8]]:
        """Its frames of a video, from the `done`-th on."""
        if done >= self.frames:
            return iter(())
        stop = self.index(self.frames)
        return reader.frames(self.index(done), None if stop < 0 else stop, self.direction)


def digest(labels: Labels) -> str:
    """What labels say, in one word: who, where, in which colours and with which skeleton."""
    content = hashlib.sha256(
        f"{labels.kind} {labels.size} {labels.objects.table} {labels.objects.skeleton}".encode()
    )
    match labels:
        case MaskLabels(ids=array) | PointLabels(points=array):
            content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def plan(frames: int, keyframes: Mapping[int, Labels], *, replace: bool = False) -> list[Pass]:
    """The passes that cover a video: from each keyframe to the next, and backwards to frame 0.

    An object follows its own latest label: a keyframe that does not show it does not end it.

    Args:
        frames: How many the video has.
        keyframes: Labels by frame number.
        replace: Whether a keyframe labels all that there is: objects that it lacks end.

    Raises:
        InputError: If there is no keyframe, or one lies outside the video.
    """
    if not keyframes:
        raise InputError("no labels given: at least one frame must be labelled")
    for index in keyframes:
        if not 0 <= index < frames:
            raise InputError(
                f"labels for frame {index}, but the video has frames 0 to {frames - 1}"
            )
    starts = sorted(keyframes)
    digests = {start: digest(keyframes[start]) for start in starts}
    latest: dict[int, int] = {}  # keyframe that showed an object last
    passes = []
    for start, end in zip(starts, [*starts[1:], frames], strict=True):
        if replace:
            latest.clear()
        latest.update(dict.fromkeys(keyframes[start].present, start))
        sources: dict[int, list[int]] = {}
        for i, keyframe in sorted(latest.items()):
            sources.setdefault(keyframe, []).append(i)
        others = tuple(
            Source(k, tuple(sources[k]), digests[k]) for k in sorted(sources) if k != start
        )
        kind = keyframes[start].kind
        passes.append(Pass(start, end - start, 1, kind, digests[start], others))
    if starts[0] > 0:
        first = passes[0]
        passes.append(dataclasses.replace(first, frames=starts[0] + 1, direction=-1))
    return passes
