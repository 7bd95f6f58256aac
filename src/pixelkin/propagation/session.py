"""A whole video: from labels of any frames to labels of all frames, in memory or into a folder.

`propagate` is an iterator of predictions; `propagate_to_folder` writes them and resumes after an
interruption, with the same results as an uninterrupted run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.background import BackgroundWriter, prefetch
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import ResultsFolder, fingerprint
from pixelkin.types import InputError, Labels, Prediction
from pixelkin.video.reader import VideoReader, open_video

Keyframes = Labels | Mapping[int, Labels]
STATE_EVERY = 10


@dataclass(frozen=True)
class Pass:
    """Consecutive frames that one propagator sees, the first of which is a keyframe."""

    start: int
    frames: int
    step: int

    def index(self, number: int) -> int:
        """Frame number in the video of the pass's `number`-th frame."""
        return self.start + number * self.step

    def results(self, done: int) -> int:
        """How many results `done` frames give: backwards the keyframe has been one before."""
        return done if self.step > 0 else max(done - 1, 0)


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
    starts = sorted(keyframes)
    ends = [*starts[1:], frames]
    forwards = [Pass(a, b - a, 1) for a, b in zip(starts, ends, strict=True)]
    first = starts[0]
    return forwards if first == 0 else [*forwards, Pass(first, first + 1, -1)]


def propagate(
    video: str | Path | VideoReader,
    labels: Keyframes,
    *,
    encoder: Encoder | str = "default",
    protocol: Protocol | str = "davis",
) -> Iterator[Prediction]:
    """Carry labels through a video.

    Args:
        video: A file, a folder of frames, a glob pattern, or an open reader.
        labels: Labels of frame 0, or a mapping from frame number to labels. Frames
            take their labels from the keyframe before them, those before the first from it.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.

    Returns:
        An iterator of one `Prediction` for each frame: from the first keyframe to the end, then,
        where that is not frame 0, from the frame before it back to 0.

    Raises:
        InputError: If the video cannot be read or the labels do not fit it.
    """
    reader = video if isinstance(video, VideoReader) else open_video(video)
    keyframes = _checked(labels, reader)
    encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
    protocol = Protocol.named(protocol) if isinstance(protocol, str) else protocol
    passes = plan(len(reader), keyframes)
    return (
        prediction
        for part in passes
        for _, prediction in _run(reader, Propagator(encoder, protocol), part, keyframes)
    )


def _checked(labels: Keyframes, reader: VideoReader) -> dict[int, Labels]:
    keyframes = {0: labels} if isinstance(labels, Labels) else dict(labels)
    for index, one in keyframes.items():
        if tuple(one.size) != (reader.info.height, reader.info.width):
            raise InputError(
                f"labels of frame {index} are {one.size[1]}x{one.size[0]}, the video is "
                f"{reader.info.width}x{reader.info.height} (WxH): they must have one size"
            )
    if len({one.kind for one in keyframes.values()}) > 1:
        raise InputError("labels of different kinds: one run carries one kind")
    return keyframes


def _run(
    reader: VideoReader,
    propagator: Propagator,
    part: Pass,
    keyframes: Mapping[int, Labels],
    done: int = 0,
) -> Iterator[tuple[int, Prediction]]:
    """(Frames of the pass done, prediction), from the pass's `done`-th frame on."""
    if done == part.frames:
        return
    stop = part.index(part.frames)
    frames = reader.frames(part.index(done), None if stop < 0 else stop, part.step)
    with closing(prefetch((frame, propagator.features(frame)) for frame in frames)) as encoded:
        for number, (frame, features) in zip(range(done, part.frames), encoded, strict=True):
            index = part.index(number)
            given = keyframes[index] if number == 0 else None
            prediction = propagator.step(frame, given, features=features)
            if part.results(number + 1) > part.results(number):
                name = None if reader.names is None else reader.names[index]
                yield number + 1, prediction.renumbered(index, name)


def _frame(reader: VideoReader, part: Pass, number: int) -> NDArray[np.uint8]:
    return reader[part.index(number)]


@dataclass(frozen=True)
class Run:
    """What `propagate_to_folder` did.

    Attributes:
        folder: Where the results are.
        frames: Number of frames of the video.
        resumed: How many of them an earlier, interrupted run had done.
        lowest: (frame number, confidence) of the frame that most asks for a look; points that no
            keyframe has do not count.
    """

    folder: Path
    frames: int
    resumed: int
    lowest: tuple[int, float]


def propagate_to_folder(
    video: str | Path,
    labels: Keyframes,
    out: str | Path,
    *,
    encoder: Encoder | str = "default",
    protocol: Protocol | str = "davis",
    overwrite: bool = False,
    reuse: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Carry labels through a video and write the results.

    `out` receives run.json (video and settings) and, for each frame, masks/NAME.png (masks and
    parts) and frames/NAME.json (confidence; coordinates of keypoints and points), each written
    atomically. Called again after an interruption it goes on where it was.

    Args:
        video: A file, a folder of frames or a glob pattern.
        labels: As in `propagate`.
        out: Folder for the results.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.
        overwrite: Whether results that are there already may be replaced.
        reuse: Whether a finished run of the same video, labels and settings is taken as it is
            rather than refused.
        progress: Called with (frames done, frames in all).

    Raises:
        InputError: If `out` holds other results, or as `propagate`.
    """
    reader = open_video(video)
    keyframes = _checked(labels, reader)
    plan(len(reader), keyframes)  # complains now
    encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
    protocol = Protocol.named(protocol) if isinstance(protocol, str) else protocol
    settings = fingerprint(reader, keyframes, encoder, protocol)
    with ResultsFolder(Path(out)) as folder:
        resumed = len(reader)
        if not folder.open(settings, overwrite=overwrite, reuse=reuse):
            resumed = _write_all(folder, reader, keyframes, encoder, protocol, progress)
            folder.close()
        return Run(Path(out), len(reader), resumed, folder.lowest_confidence(reader))


def _write_all(
    folder: ResultsFolder,
    reader: VideoReader,
    keyframes: Mapping[int, Labels],
    encoder: Encoder,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Write what the folder lacks; how many frames it had."""
    passes = plan(len(reader), keyframes)
    current, done, state = folder.load_state()
    finished = sum(p.results(p.frames) for p in passes[:current])
    resumed = finished + passes[current].results(done)
    before = [p.index(n) for p in passes[:current] for n in range(p.frames)]
    before += [passes[current].index(n) for n in range(done)]
    names = reader.names
    if not all(folder.holds(i, None if names is None else names[i]) for i in before):
        # Somebody removed results: all are made again.
        current, done, state, finished, resumed = 0, 0, {}, 0, 0
    with BackgroundWriter() as writer:
        for number, part in enumerate(passes[current:], start=current):
            propagator = Propagator(encoder, protocol)
            if state:
                frame = functools.partial(_frame, reader, part)
                propagator.restore(state, keyframes[part.start], frame)
            for now, prediction in _run(reader, propagator, part, keyframes, done):
                writer(folder.write, prediction)
                if now % STATE_EVERY == 0:
                    writer.wait()  # a state must not know of frames that are not written
                    folder.save_state(number, now, propagator.state())
                if progress is not None:
                    progress(finished + part.results(now), len(reader))
            finished += part.results(part.frames)
            done, state = 0, {}
    return resumed
