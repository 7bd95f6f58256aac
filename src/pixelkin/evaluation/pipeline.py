"""Predict the videos of a benchmark into the folder of a run.

A record is written last, so a video that has one is done and is not computed again, unless its
frames or given labels have changed since; one that was interrupted starts again. Several processes
divide the videos among them (see processes.py); the files do not depend on how. What is predicted
and how it is scored is left to run.py and to the benchmarks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from typing import Any

from pixelkin.background import BackgroundWriter
from pixelkin.evaluation.benchmark import Store
from pixelkin.evaluation.videos import Video
from pixelkin.models.encoder import Encoder, describe_encoder
from pixelkin.ops.devices import described
from pixelkin.processes import Processes, shares
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.passes import stream
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import Standing
from pixelkin.types import InputError, MaskLabels, Prediction
from pixelkin.video.images import read_image


@dataclass
class Speed:
    """What this process has predicted: frames, and seconds of reading and predicting them.

    Attributes:
        frames: How many.
        seconds: Of reading and predicting them.
        changed: In the main process, the videos that were predicted before and whose frames or
            given labels are others now.
    """

    frames: int = 0
    seconds: float = 0.0
    changed: list[str] = field(default_factory=list)


def predict_all(
    videos: Sequence[Video],
    encoder: Encoder,
    protocol: Protocol,
    store: Store,
    *,
    settings: dict[str, Any] | None = None,
    overwrite: bool = False,
    processes: Processes | None = None,
    draw: Callable[[Store, Video], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Speed:
    """Predict what the folder lacks; with several processes, this one's share of it.

    Args:
        videos: Of the benchmark.
        encoder: Gives the features.
        protocol: Decides the propagation.
        store: Where predictions are kept.
        settings: What else decides the predictions, for run.json; "root" is where the data set
            lies, and decides nothing where its files are the same.
        overwrite: Whether another run's results may be replaced.
        processes: Those that share the work; a single one if None.
        draw: Draws a video's predictions into `store.video(...)`; where None, none are drawn.
        progress: Called with (frames done, frames in all) of this process's share.

    Raises:
        InputError: If the folder holds another run, or a frame or its labels are wrong.
    """
    processes = processes or Processes()
    protocol = fitted(protocol, encoder)
    described = {
        "encoder": describe_encoder(encoder),
        "protocol": asdict(protocol),
        **(settings or {}),
    }
    root = described.pop("root", None)
    speed = Speed()

    def plan() -> list[list[int]]:
        store.claim(described, overwrite=overwrite)
        before = store.progress.get("root", root)
        if store.standing is not Standing.NEW:
            speed.changed = [video.name for video in videos if store.changed(video)]
        if speed.changed and before != root and not overwrite:
            raise InputError(
                f"{store.folder} holds predictions of other videos, of {before}: "
                f"{called(speed.changed)}; --overwrite replaces these"
            )
        store.begin()
        if root != store.progress.get("root"):
            store.note({"root": root})
        lacking = [
            i
            for i, video in enumerate(videos)
            if not store.holds(video) or (draw and not store.video(video).is_file())
        ]
        divided = shares([len(videos[i].names) for i in lacking], processes.count)
        return [[lacking[i] for i in share] for share in divided]

    encoder = encoder.with_stride(protocol.stride)
    with ExitStack() as stack:
        if not store.held:
            stack.callback(store.release)
        share = [videos[i] for i in processes.agree(plan)[processes.rank]]
        total = sum(len(video.names) for video in share)

        def work() -> None:
            done = iter(range(1, total + 1))
            for video in share:
                if not store.holds(video):
                    for _ in _predict(video, Propagator(encoder, protocol), store, speed):
                        if progress is not None:
                            progress(next(done), total)
                if draw is not None:
                    draw(store, video)

        processes.finish(work)
    return speed


def called(names: Sequence[str], most: int = 5) -> str:
    """Some names, the first of them where there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _predict(
    video: Video, propagator: Propagator, store: Store, speed: Speed
) -> Iterator[Prediction]:
    """Predict and write one video, a frame at a time."""
    store.discard(video)
    entries: dict[str, Any] = {}
    wanted = frozenset(video.kept)
    frames = (read_image(path) for path in video.frames)
    predictions = stream(frames, propagator, video.given, merge=True)
    with closing(predictions), BackgroundWriter() as writer:
        began = time.monotonic()
        for index, prediction in enumerate(predictions):
            speed.seconds += time.monotonic() - began
            speed.frames += 1
            if index in wanted:
                if isinstance(prediction.labels, MaskLabels):
                    writer(store.write_map, video, index, prediction.labels)
                entries[video.names[index]] = store.entry(prediction)
            yield prediction
            began = time.monotonic()
    device = described(propagator.encoder.device)
    store.write(video, prediction.labels.kind, entries, device)
