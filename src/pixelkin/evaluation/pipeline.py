"""The pipeline that all benchmarks share: sequences in, stored predictions out.

    OUT/run.json                       what was run; another does not mix with it, see run_folder.py
    OUT/predictions/SEQUENCE/NAME.png  palette PNGs, as evaluation servers and codes read them
    OUT/records/SEQUENCE.json          confidences, and the positions of keypoints
    OUT/videos/SEQUENCE.mp4            truth, prediction and confidence, where asked for

A record is written last, so a sequence that has one is done and is not computed again, unless its
frames or given labels have changed since; one that was interrupted starts again. Several processes
divide the sequences among them (see processes.py); the files do not depend on how. What a
benchmark's folders look like, and how it is scored, is left to the benchmark.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.background import BackgroundWriter
from pixelkin.evaluation.maps import map_path
from pixelkin.files import stamp, write_json
from pixelkin.formats.id_png import read_ids
from pixelkin.formats.mask_png import write_mask
from pixelkin.formats.points_json import json_of, point_of
from pixelkin.models.encoder import Encoder, describe_encoder
from pixelkin.processes import Processes, shares
from pixelkin.propagation.passes import stream
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import RunFolder
from pixelkin.types import (
    InputError,
    LabelKind,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
)
from pixelkin.video.images import read_image


@dataclass(frozen=True)
class Video(ABC):
    """One video of a benchmark: where its frames are, what is given, what is known.

    Attributes:
        name: The sequence's name, e.g. "dogs-jump"; with slashes where it lies in subfolders.
        names: File stem of each frame, in order.
        frames: Path of each RGB frame; empty if loaded without frames.
    """

    name: str
    names: tuple[str, ...]
    frames: tuple[Path, ...]

    fps = 24.0  # of the videos that are drawn

    @abstractmethod
    def given(self, index: int) -> Labels | None:
        """The labels that the benchmark gives for frame `index`, if any; of frame 0 always."""

    @abstractmethod
    def truth(self, index: int) -> Labels | None:
        """The true labels of frame `index`, where they are known, to look at."""

    def region(self, index: int) -> Labels | None:  # noqa: ARG002
        """A mask to show beneath true keypoints, where there is one."""
        return None

    @property
    def kept(self) -> Collection[int]:
        """Indices of the frames whose predictions are stored: all, unless a benchmark says."""
        return range(len(self.names))

    @property
    def given_files(self) -> Collection[Path]:
        """The files from which the given labels come."""
        return ()

    @cached_property
    def source(self) -> str:
        """Digest of what decides the predictions: the frames, and the labels that are given."""
        return stamp([*self.frames, *self.given_files])

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        height, width = read_image(self.frames[0]).shape[:2]
        return height, width


class Store(RunFolder):
    """The folder of a run.

    Attributes:
        folder: The folder.
        predictions: Where the maps are, <sequence>/<frame>.png; below `folder` unless said.
    """

    def __init__(self, folder: Path, predictions: Path | None = None) -> None:
        super().__init__(folder, "evaluation")
        self.predictions = predictions or folder / "predictions"

    def holds(self, video: Video) -> bool:
        """Whether a video's predictions are all there, and made from what is there now."""
        if not self._record(video).is_file():
            return False
        record = self.record(video)
        if record.get("source") != video.source:
            return False
        if record["kind"] == "keypoints":
            return True
        return all(map_path(self.predictions, video, i).is_file() for i in video.kept)

    def video(self, video: Video) -> Path:
        """Where the video that shows the predictions belongs."""
        return self.folder / "videos" / f"{video.name}.mp4"

    def discard(self, video: Video) -> None:
        """Forget that a video is done, and what was drawn of it."""
        self.remove(f"records/{video.name}.json")
        self.remove(f"videos/{video.name}.mp4")

    def write_map(self, video: Video, index: int, labels: Labels) -> None:
        """Write the map of one frame."""
        write_mask(self.file(f"predictions/{video.name}/{video.names[index]}.png"), labels)

    def write(self, video: Video, kind: LabelKind, frames: dict[str, Any]) -> None:
        """Write a record, which says that a video is done; its maps have been written before.

        Args:
            video: What was predicted.
            kind: Of its labels.
            frames: By frame name, what `_entry` gives.
        """
        content = {"kind": kind, "source": video.source, "frames": frames}
        write_json(self.file(f"records/{video.name}.json"), content, indent=None)

    def record(self, video: Video) -> dict[str, Any]:
        """What `write` wrote."""
        path = self._record(video)
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is missing or damaged: remove it to start again") from error
        return content

    def points(self, video: Video) -> NDArray[np.float32]:
        """Predicted keypoints of a video, F x P x 2 (x, y) pixels, NaN where lost."""
        frames = self.record(video)["frames"].values()
        return np.stack([_points(frame) for frame in frames])

    def prediction(self, video: Video, index: int, record: dict[str, Any]) -> Prediction:
        """What is stored of one frame; `record` as `record` gives it."""
        kind: LabelKind = record["kind"]
        frame = record["frames"][video.names[index]]
        labels: Labels
        if kind == "keypoints":
            labels = Labels.from_points(_points(frame), video.size)
        else:
            ids = read_ids(map_path(self.predictions, video, index))
            labels = Labels.from_mask(ids, kind="parts" if kind == "parts" else "mask")
        confidence = {int(i): value for i, value in frame["confidence"].items()}
        objects = Objects(tuple(Object(i, kind) for i in confidence))
        return Prediction(
            index,
            replace(labels, objects=objects),
            np.array(list(confidence.values()), dtype=np.float32),
            name=video.names[index],
        )

    def _record(self, video: Video) -> Path:
        return self.folder / "records" / f"{video.name}.json"


@dataclass
class Speed:
    """What this process has predicted: frames, and seconds of reading and predicting them."""

    frames: int = 0
    seconds: float = 0.0


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
    on_frame: Callable[[int, int], None] | None = None,
) -> Speed:
    """Predict what the folder lacks; with several processes, this one's share of it.

    Args:
        videos: Of the benchmark.
        encoder: Gives the features.
        protocol: Decides the propagation.
        store: Where predictions are kept.
        settings: What else decides the predictions, for run.json.
        overwrite: Whether another run's results may be replaced.
        processes: Those that share the work; a single one if None.
        draw: Draws a video's predictions into `store.video(...)`; where None, none are drawn.
        on_frame: Called with (frames done, frames in all) of this process's share.

    Raises:
        InputError: If the folder holds another run, or a frame or its labels are wrong.
    """
    processes = processes or Processes()
    described = {
        "encoder": describe_encoder(encoder),
        "protocol": asdict(protocol),
        **(settings or {}),
    }

    def plan() -> list[list[int]]:
        store.claim(described, overwrite=overwrite)
        store.begin()
        lacking = [
            i
            for i, video in enumerate(videos)
            if not store.holds(video) or (draw and not store.video(video).is_file())
        ]
        divided = shares([len(videos[i].names) for i in lacking], processes.count)
        return [[lacking[i] for i in share] for share in divided]

    encoder = encoder.with_stride(protocol.stride)
    speed = Speed()
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
                        if on_frame is not None:
                            on_frame(next(done), total)
                if draw is not None:
                    draw(store, video)

        processes.finish(work)
    return speed


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
                entries[video.names[index]] = _entry(prediction)
            yield prediction
            began = time.monotonic()
    store.write(video, prediction.labels.kind, entries)


def _entry(prediction: Prediction) -> dict[str, Any]:
    """What a record keeps of a frame: confidence by object, and points."""
    values = zip(prediction.objects, prediction.confidence, strict=True)
    entry: dict[str, Any] = {"confidence": {str(i): round(float(c), 4) for i, c in values}}
    if isinstance(prediction.labels, PointLabels):
        entry["points"] = [json_of(point) for point in prediction.labels.points]
    return entry


def _points(entry: dict[str, Any]) -> NDArray[np.float32]:
    """The points of an entry, P x 2, NaN where lost."""
    return np.array([point_of(one) for one in entry["points"]], dtype=np.float32)
