"""A whole video into a folder, resumable."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.passes import Keyframes, Pass, checked, plan, run_pass
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import ResultsFolder, fingerprint
from pixelkin.types import Labels
from pixelkin.video.overlap import Behind
from pixelkin.video.reader import VideoReader, open_video

STATE_EVERY = 10


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
    video: str | Path | VideoReader,
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
    reader = video if isinstance(video, VideoReader) else open_video(video)
    protocol = Protocol.named(protocol) if isinstance(protocol, str) else protocol
    keyframes = checked(labels, reader, protocol)
    passes = plan(len(reader), keyframes)
    encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
    settings = fingerprint(reader, passes, encoder, protocol)
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
    before = [i for p in passes[:current] for i in p.results(p.frames)]
    before += passes[current].results(done)
    if not all(folder.holds(i, reader.info.name(i)) for i in before):
        current, done, state, before = 0, 0, {}, []  # somebody removed results
    finished = resumed = len(before)
    with Behind() as behind:
        for number, part in enumerate(passes[current:], start=current):
            propagator = Propagator(encoder, protocol)
            first = keyframes[part.keyframe]
            if state:
                propagator.restore(state, first, functools.partial(_frame, reader, part))
            for now, prediction in run_pass(reader, propagator, part, first, done):
                behind(folder.write, prediction)
                finished += 1
                if now % STATE_EVERY == 0:
                    behind.wait()  # a state must not know of frames that are not written
                    folder.save_state(number, now, propagator.state())
                if progress is not None:
                    progress(finished, len(reader))
            done, state = 0, {}
    return resumed


def _frame(reader: VideoReader, part: Pass, number: int) -> NDArray[np.uint8]:
    return reader[part.index(number)]
