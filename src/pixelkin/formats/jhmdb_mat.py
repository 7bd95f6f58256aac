"""JHMDB's `joint_positions.mat` and `puppet_mask.mat`: 15 body joints, and the person's mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.mat5 import read_arrays
from pixelkin.reading import read_bytes
from pixelkin.types import Annotations, InputError, Labels, VideoInfo

JOINTS = (
    "neck",
    "belly",
    "face",
    "right shoulder",
    "left shoulder",
    "right hip",
    "left hip",
    "right elbow",
    "left elbow",
    "right knee",
    "left knee",
    "right wrist",
    "left wrist",
    "right ankle",
    "left ankle",
)


def load_joints(path: str | Path) -> NDArray[np.float32]:
    """Joints of a clip, T x 15 x 2 float32 of (x, y), pixel centres at integers from 0.

    The file's `pos_img` is 2 x 15 x T and counts from 1; joints may lie outside the frame.

    Raises:
        InputError: If the file is missing, not MATLAB's, or without such an array.
    """
    positions = _load(path).get("pos_img")
    if positions is None or positions.ndim not in (2, 3) or positions.shape[:2] != (2, len(JOINTS)):
        found = "none" if positions is None else f"shape {positions.shape}"
        raise InputError(
            f"{path} needs an array pos_img of 2 x {len(JOINTS)} x frames, has {found}"
        )
    positions = positions.reshape(2, len(JOINTS), -1)  # MATLAB drops a last axis of length 1
    joints = np.ascontiguousarray(positions.transpose(2, 1, 0).astype(float) - 1, dtype=np.float32)
    if not np.isfinite(joints).any():
        raise InputError(f"{path}: no joint of pos_img is at a finite place")
    return joints


def sniff(path: Path) -> bool:
    """Whether the file is MATLAB's, by its name."""
    return path.suffix.lower() == ".mat"


def load(path: Path, video: VideoInfo) -> Annotations:
    """The joints of every frame; those of frames that the video lacks are an error."""
    joints = load_joints(path)
    if len(joints) != video.frames:
        raise InputError(f"{path} has {len(joints)} frames, the video {video.frames}")
    frames = {t: Labels.from_points(xy, video.size, names=JOINTS) for t, xy in enumerate(joints)}
    return Annotations.of(frames, str(path))


def load_puppet(path: str | Path) -> NDArray[np.bool_]:
    """Masks of the person in each frame of a clip, T x H x W.

    The file's `part_mask` is H x W x T.

    Raises:
        InputError: If the file is missing, not MATLAB's, or without such an array.
    """
    masks = _load(path).get("part_mask")
    if masks is None or masks.ndim not in (2, 3):
        found = "none" if masks is None else f"shape {masks.shape}"
        raise InputError(f"{path} needs an array part_mask of height x width x frames, has {found}")
    masks = masks.reshape(*masks.shape[:2], -1)
    return np.ascontiguousarray(masks.transpose(2, 0, 1) != 0)


def _load(path: str | Path) -> dict[str, NDArray[Any]]:
    content = read_bytes(path)
    try:
        return read_arrays(content)
    except ValueError as error:
        raise InputError(f"{path} is not a MATLAB file, or damaged: {error}") from error
