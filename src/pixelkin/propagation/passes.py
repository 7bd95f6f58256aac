"""A whole video: from labels of any frames to labels of all frames.

A pass is what follows from one keyframe in one direction; `plan` covers a video with passes, and
`stream` computes one. `propagate` is an iterator over a video; see results.py for a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.background import prefetch
from pixelkin.formats.registry import load_annotations
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.codec import Codec, codec_for
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import (
    Annotations,
    InputError,
    LabelKind,
    Labels,
    MaskLabels,
    PointLabels,
    Prediction,
)
from pixelkin.video.reader import VideoReader, open_video

Keyframes = Labels | Mapping[int, Labels] | Annotations | NDArray[Any] | str | Path


@dataclass(frozen=True)
class Pass:
    """Consecutive frames that one propagator sees, from a keyframe on, in one direction.

    Attributes:
        keyframe: Frame number of the first frame, whose labels are given.
        frames: How many frames it has.
        direction: 1 forwards, -1 backwards.
        kind: Of its labels.
        labels: Digest of the keyframe's labels.
    """

    keyframe: int
    frames: int
    direction: int
    kind: LabelKind
    labels: str

    @property
    def digest(self) -> str:
        """Its identity: all that decides its results beside video, encoder and protocol.

        Not how far it goes: one that is cut short by a later keyframe has the results that it had.
        """
        return hashlib.sha256(repr(replace(self, frames=0)).encode()).hexdigest()

    def index(self, number: int) -> int:
        """Frame number in the video of the pass's `number`-th frame."""
        return self.keyframe + number * self.direction

    def results(self, done: int) -> range:
        """Frame numbers of the results that the first `done` frames give.

        Backwards the keyframe itself is none: it is the result of a pass forwards.
        """
        first = 0 if self.direction > 0 else 1
        return range(self.index(first), self.index(max(done, first)), self.direction)

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


def plan(frames: int, keyframes: Mapping[int, Labels]) -> list[Pass]:
    """The passes that cover a video: from each keyframe to the next, and backwards to frame 0.

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

    def follow(start: int, count: int, direction: int) -> Pass:
        labels = keyframes[start]
        return Pass(start, count, direction, labels.kind, digest(labels))

    starts = sorted(keyframes)
    ends = [*starts[1:], frames]
    passes = [follow(start, end - start, 1) for start, end in zip(starts, ends, strict=True)]
    return passes if starts[0] == 0 else [*passes, follow(starts[0], starts[0] + 1, -1)]


def checked(labels: Keyframes, reader: VideoReader, protocol: Protocol) -> dict[int, Labels]:
    """Keyframes by number, found to fit the video and each other before any work is done.

    An array is a map of ids of frame 0, a path a file of labels.

    Raises:
        InputError: If they are of another size than the video, of several kinds, or mark nothing.
    """
    if isinstance(labels, str | Path):
        labels = load_annotations(labels, reader.info)
    elif isinstance(labels, np.ndarray):
        labels = {0: Labels.from_mask(labels)}
    elif isinstance(labels, Labels):
        labels = {0: labels}
    annotations = labels if isinstance(labels, Annotations) else Annotations.of(labels)
    keyframes: dict[int, Labels] = {}
    first: Codec | None = None
    for index, one in annotations:
        where = annotations.called(index)
        codec = codec_for(one, reader.info.size, protocol, where)
        first = first or codec
        first.check(one, where)
        keyframes[index] = one
    return keyframes


def stream(
    frames: Iterable[NDArray[np.uint8]],
    propagator: Propagator,
    given: Callable[[int], Labels | None],
    *,
    merge: bool = False,
    first: int = 0,
) -> Generator[Prediction, None, None]:
    """The predictions of consecutive frames; the next frames are encoded meanwhile.

    Args:
        frames: H x W x 3 uint8 RGB each.
        propagator: At frame `first`.
        given: The labels of the frame of a number, if it is a keyframe.
        merge: As in `Propagator.step`.
        first: Number of the first of the frames.
    """
    encode = ((frame, propagator.features(frame)) for frame in frames)
    with closing(prefetch(encode)) as encoded:
        for number, (frame, features) in enumerate(encoded, start=first):
            yield propagator.step(frame, given(number), merge=merge, features=features)


def run_pass(
    reader: VideoReader,
    propagator: Propagator,
    part: Pass,
    labels: Labels,
    done: int = 0,
) -> Iterator[tuple[int, Prediction]]:
    """One pass: (frames of it done, prediction), from its `done`-th frame on."""

    def given(number: int) -> Labels | None:
        return labels if number == 0 else None

    predictions = stream(part.read(reader, done), propagator, given, first=done)
    with closing(predictions):
        for number, prediction in enumerate(predictions, start=done):
            index = part.index(number)
            if part.direction > 0 or number > 0:
                yield number + 1, prediction.renumbered(index, reader.info.name(index))


def propagate(
    video: str | Path | VideoReader,
    labels: Keyframes,
    *,
    encoder: Encoder | str | Path = "default",
    protocol: Protocol | str = "davis",
) -> Iterator[Prediction]:
    """Carry labels through a video.

    Args:
        video: A file, a folder of frames, a glob pattern, or an open reader.
        labels: Labels of frame 0, or a map of its ids, H x W; a mapping from frame number to
            labels; annotations, or a file of them. Frames take their labels from the keyframe
            before them, those before the first from it.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.

    Returns:
        An iterator of one `Prediction` for each frame: from the first keyframe to the end, then,
        where that is not frame 0, from the frame before it back to 0.

    Raises:
        InputError: If the video cannot be read or the labels do not fit it.
    """
    reader = open_video(video)
    protocol = Protocol.named(protocol)
    keyframes = checked(labels, reader, protocol)
    encoder = load_encoder(encoder)
    passes = plan(len(reader), keyframes)
    return (
        prediction
        for part in passes
        for _, prediction in run_pass(
            reader, Propagator(encoder, protocol), part, keyframes[part.keyframe]
        )
    )
