"""Keypoints against the truth: PCK as JHMDB counts it, and strictly; videos of one's own.

The truth of a single video may be dense (every frame) or sparse (some frames); the first frame of
it is the keyframe, and joints that are absent there are not counted, as nobody could follow them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import KeypointAccuracy, pck
from pixelkin.formats.registry import load_annotations
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, PointLabels
from pixelkin.video.reader import VideoReader

ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, eq=False)
class KeypointScore:
    """PCK in percent, at each of `ALPHAS`.

    Attributes:
        official: JHMDB's way: lost joints are left out.
        strict: Lost joints are errors.
        names: Of the joints, or their numbers.
        videos: Each video's own (official, strict) means, by name.
        frames: Number of frames that were counted.
    """

    COLUMNS = ("PCK in percent", *(f"@{alpha}" for alpha in ALPHAS))

    official: KeypointAccuracy
    strict: KeypointAccuracy
    names: tuple[str, ...]
    videos: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    frames: int

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `COLUMNS`: the two ways of counting."""
        ways = {"official (lost joints left out)": self.official, "strict": self.strict}
        return [(name, *(f"{v:.1f}" for v in one.mean)) for name, one in ways.items()]

    def to_json(self) -> dict[str, Any]:
        """Figures in percent; None where no joint could be counted."""
        ways = {"official": self.official, "strict": self.strict}
        joints = {
            way: {n: _numbers(v) for n, v in zip(self.names, one.joints.T, strict=True)}
            for way, one in ways.items()
        }
        videos = {
            name: {way: _numbers(mean) for way, mean in zip(ways, means, strict=True)}
            for name, means in self.videos.items()
        }
        means = {way: _numbers(one.mean) for way, one in ways.items()}
        counts = {"frames": self.frames, "joints": len(self.names)}
        return {"alphas": list(ALPHAS), **means, **counts, "joint": joints, "video": videos}


def score_joints(
    truth: Mapping[str, NDArray[np.float32]],
    predicted: Mapping[str, NDArray[np.float32]],
    names: Sequence[str],
) -> KeypointScore:
    """PCK over videos.

    Args:
        truth: T x P x 2 (x, y) pixels by video, NaN where not annotated; frame 0 is not counted.
        predicted: As `truth`, NaN where lost.
        names: One for each joint.
    """
    pairs = {name: ([truth[name]], [predicted[name]]) for name in truth}
    everything = list(truth.values()), [predicted[name] for name in truth]
    return KeypointScore(
        pck(*everything, ALPHAS),
        pck(*everything, ALPHAS, strict=True),
        tuple(names),
        {
            name: (pck(*pair, ALPHAS).mean, pck(*pair, ALPHAS, strict=True).mean)
            for name, pair in pairs.items()
        },
        sum(len(joints) - 1 for joints in truth.values()),
    )


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in values]


def load_truth(path: Path, reader: VideoReader) -> dict[int, NDArray[np.float32]]:
    """Joints by frame number, P x 2 (x, y) pixels with NaN where absent.

    Args:
        path: joint_positions.mat of JHMDB, the JSON of BADJA (whose frames are found by name), or
            points of another format.
        reader: The video.

    Raises:
        InputError: If the file does not fit the video.
    """
    try:
        return {t: one.as_points().points for t, one in load_annotations(path, reader.info)}
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def evaluate(
    reader: VideoReader,
    truth: dict[int, NDArray[np.float32]],
    encoder: Encoder,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None = None,
) -> KeypointScore:
    """Carry the joints of the first annotated frame forwards and compare.

    Args:
        reader: The video.
        truth: Joints by frame number, as `load_truth` gives them.
        encoder: Gives the features.
        protocol: Decides the propagation.
        progress: Called with (frames done, frames in all).

    Raises:
        InputError: If fewer than two frames are annotated, or no joint is on the first.
    """
    if len(truth) < 2:
        raise InputError(f"{len(truth)} annotated frames: at least two are needed")
    first, last = min(truth), max(truth)
    start = truth[first]
    known = np.isfinite(start[:, 0]) & np.isfinite(start[:, 1])
    if not known.any():
        raise InputError(f"frame {first}, the first annotated one, has no joint")
    labels = Labels.from_points(start, reader.info.size)
    predicted: dict[int, NDArray[np.float32]] = {}
    for done, prediction in enumerate(
        propagate(reader, {first: labels}, encoder=encoder, protocol=protocol, over_cuts=True),
        start=1,
    ):
        if prediction.index in truth and isinstance(prediction.labels, PointLabels):
            predicted[prediction.index] = prediction.labels.points
        if progress is not None:
            progress(done, last - first + 1)
        if prediction.index == last:
            break
    frames = sorted(truth)
    names = [str(i) for i in np.flatnonzero(known)]
    return score_joints(
        {reader.info.path: np.stack([truth[f][known] for f in frames])},
        {reader.info.path: np.stack([predicted[f][known] for f in frames])},
        names,
    )
