"""BADJA's joint files: animal joints on some frames of DAVIS videos (Biggs et al., 2018)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pixelkin.types import InputError, Labels

FULL_SIZE = (1080, 1920)  # (height, width) of the frames that the coordinates refer to


def load_joints(path: str | Path, size: tuple[int, int]) -> dict[str, Labels]:
    """Joints by frame stem ("00005"), as keypoints on frames of `size`.

    The file states (row, column) on frames of 1080 x 1920 and a visibility; joints that are not
    visible become NaN. Pixel areas are scaled (our decision): x = (column + 0.5) * width / 1920
    - 0.5, so that a frame's corners map onto its corners.

    Args:
        path: BADJA's JSON: a list of {"image_path", "joints": P x 2, "visibility": P}.
        size: (height, width) of the frames that the joints are to be used on.

    Raises:
        InputError: If the file is missing or not of this form.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
        return {Path(e["image_path"]).stem: _keypoints(e, size) for e in entries}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} is not a BADJA joint file: {error!r}") from error


def _keypoints(entry: dict[str, list[list[float]]], size: tuple[int, int]) -> Labels:
    rows_columns = np.asarray(entry["joints"], dtype=float).reshape(-1, 2)
    scale = np.divide(size, FULL_SIZE)
    points = ((rows_columns + 0.5) * scale - 0.5)[:, ::-1]
    visible = np.asarray(entry["visibility"], dtype=bool)
    return Labels.from_points(np.where(visible[:, None], points, np.nan), size)
