"""Keypoints of one video against the truth: PCK as JHMDB counts it, and strictly.

The truth may be dense (every frame) or sparse (some frames); the first frame of it is the keyframe,
and joints that are absent there are not counted, as nobody could follow them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import KeypointAccuracy, pck
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.session import propagate
from pixelkin.types import InputError, Labels
from pixelkin.video.formats import badja, jhmdb_mat
from pixelkin.video.reader import VideoReader

ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, eq=False)
class KeypointScore:
    """PCK of one video in percent, at each of `ALPHAS`.

    Attributes:
        official: JHMDB's way: lost joints are left out.
        strict: Lost joints are errors.
        frames: Number of annotated frames that were counted.
        joints: Number of joints on the keyframe.
    """

    official: KeypointAccuracy
    strict: KeypointAccuracy
    frames: int
    joints: int

    def rows(self) -> list[tuple[str, ...]]:
        """Table rows: the name of the count, and a figure for each alpha."""
        counts = {"official (lost joints left out)": self.official, "strict": self.strict}
        return [(name, *(f"{v:.1f}" for v in one.mean)) for name, one in counts.items()]

    def to_json(self) -> dict[str, Any]:
        """Figures as percent; None where no joint could be counted."""
        official, strict = (
            [None if np.isnan(v) else float(v) for v in one.mean]
            for one in (self.official, self.strict)
        )
        return {
            "alphas": list(ALPHAS),
            "official": official,
            "strict": strict,
            "frames": self.frames,
            "joints": self.joints,
        }


def load_truth(path: Path, reader: VideoReader) -> dict[int, NDArray[np.float32]]:
    """Joints by frame number, P x 2 (x, y) pixels with NaN where absent.

    Args:
        path: joint_positions.mat of JHMDB, or the JSON of BADJA (whose frames are found by name).
        reader: The video.

    Raises:
        InputError: If the file does not fit the video.
    """
    if path.suffix.lower() == ".mat":
        joints = jhmdb_mat.load_joints(path)
        if len(joints) != len(reader):
            raise InputError(f"{path} has {len(joints)} frames, the video {len(reader)}")
        return dict(enumerate(joints))
    if reader.names is None:
        raise InputError(f"{path} names frames: give the video as the folder of those frames")
    found = badja.load_joints(path, (reader.info.height, reader.info.width))
    unknown = sorted(set(found) - set(reader.names))
    if unknown:
        raise InputError(f"{path} has joints of frame {unknown[0]}, which is not in the video")
    numbers = sorted((reader.names.index(stem), labels.points) for stem, labels in found.items())
    return {number: points for number, points in numbers if points is not None}


def evaluate(
    reader: VideoReader,
    truth: dict[int, NDArray[np.float32]],
    encoder: Encoder,
    protocol: Protocol,
    on_frame: Callable[[int, int], None] | None = None,
) -> KeypointScore:
    """Carry the joints of the first annotated frame forwards and compare.

    Args:
        reader: The video.
        truth: Joints by frame number, as `load_truth` gives them.
        encoder: Gives the features.
        protocol: Decides the propagation.
        on_frame: Called with (frames done, frames in all).

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
    size = (reader.info.height, reader.info.width)
    labels = Labels.from_points(start, size)
    predicted: dict[int, NDArray[np.float32]] = {}
    for done, prediction in enumerate(
        propagate(reader, {first: labels}, encoder=encoder, protocol=protocol), start=1
    ):
        if prediction.index in truth and prediction.labels.points is not None:
            predicted[prediction.index] = prediction.labels.points
        if on_frame is not None:
            on_frame(done, last - first + 1)
        if prediction.index == last:
            break
    frames = sorted(truth)
    wanted = np.stack([np.where(known[:, None], truth[f], np.nan) for f in frames])
    given = np.stack([predicted[f] for f in frames])
    return KeypointScore(
        pck([wanted], [given], ALPHAS),
        pck([wanted], [given], ALPHAS, strict=True),
        len(frames) - 1,
        int(known.sum()),
    )
