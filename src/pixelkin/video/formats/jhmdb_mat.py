"""JHMDB's `joint_positions.mat`: 15 body joints in every frame of a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError

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
    from scipy.io import loadmat

    try:
        content = loadmat(str(path), appendmat=False)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except Exception as error:  # scipy raises many kinds on damaged files
        raise InputError(f"{path} is not a MATLAB file: {error}") from error
    positions = content.get("pos_img")
    if positions is None or positions.ndim not in (2, 3) or positions.shape[:2] != (2, len(JOINTS)):
        found = "none" if positions is None else f"shape {positions.shape}"
        raise InputError(
            f"{path} needs an array pos_img of 2 x {len(JOINTS)} x frames, has {found}"
        )
    positions = positions.reshape(2, len(JOINTS), -1)  # MATLAB drops a last axis of length 1
    return np.ascontiguousarray(positions.transpose(2, 1, 0) - 1, dtype=np.float32)
