"""BADJA's joint files: animal joints on some frames of DAVIS videos (Biggs et al., 2018)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelkin.formats.json_file import read_json
from pixelkin.types import Annotations, InputError, Labels, PointLabels, VideoInfo

FULL_SIZE = (1080, 1920)  # (height, width) of the frames that the coordinates refer to


def load_joints(path: str | Path, size: tuple[int, int]) -> dict[str, PointLabels]:
    """Joints by frame stem ("00005"), as keypoints on frames of `size`.

    The file states (row, column) on frames of 1080 x 1920 and a visibility; joints that are not
    visible become NaN. Pixel areas are scaled [D]: x = (column + 0.5) * width / 1920
    - 0.5, so that a frame's corners map onto its corners.

    Args:
        path: BADJA's JSON: a list of {"image_path", "joints": P x 2, "visibility": P}.
        size: (height, width) of the frames that the joints are to be used on.

    Raises:
        InputError: If the file is missing or not of this form.
    """
    entries = read_json(path)
    try:
        return {Path(e["image_path"]).stem: _keypoints(e, size) for e in entries}
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise InputError(f"{path} is not a BADJA joint file: {error!r}") from error


def sniff(path: Path) -> bool:
    """Whether the file is a list of frames with joints."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    entries = content if isinstance(content, list) else []
    return bool(entries) and all(isinstance(e, dict) and "joints" in e for e in entries)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The joints of every annotated frame; frames are found by their names."""
    if video.names is None:
        raise InputError(f"{path} names frames: give the video as the folder of those frames")
    frames: dict[int, Labels] = {}
    for stem, labels in load_joints(path, video.size).items():
        number = video.number(stem)
        if number is None:
            raise InputError(f"{path} has joints of frame {stem}, which is not in the video")
        frames[number] = labels
    return Annotations.of(frames, str(path))


def _keypoints(entry: dict[str, list[list[float]]], size: tuple[int, int]) -> PointLabels:
    rows_columns = np.asarray(entry["joints"], dtype=float).reshape(-1, 2)
    scale = np.divide(size, FULL_SIZE)
    points = ((rows_columns + 0.5) * scale - 0.5)[:, ::-1]
    visible = np.asarray(entry["visibility"], dtype=bool)
    return Labels.from_points(np.where(visible[:, None], points, np.nan), size)
