"""Stored maps of masks and parts, ours or anyone's: where they lie, whether they fit the truth."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.pipeline import Video


def map_path(folder: Path, video: Video, index: int) -> Path:
    """Where the map of a frame lies in a folder of results, ours or anyone's."""
    return folder / video.name / f"{video.names[index]}.png"


def check_maps(folder: Path, video: Video, indices: Collection[int]) -> None:
    """Raise InputError if a map of these frames is missing in a folder of results."""
    if not (folder / video.name).is_dir():
        raise InputError(f"{folder}: no folder {video.name!r}; results are <sequence>/*.png")
    paths = [map_path(folder, video, i) for i in indices]
    missing = [p for p in paths if not p.is_file()]
    if missing:
        raise InputError(
            f"{folder / video.name}: {missing[0].name} is missing ({len(missing)} of the "
            f"{len(paths)} frames that are scored)"
        )


def fit_map(ids: NDArray[Any], size: tuple[int, ...], where: str, *, resize: bool) -> NDArray[Any]:
    """A predicted map, resampled by nearest neighbour where it has another size than the truth.

    Raises:
        InputError: If it has another size and `resize` is not set.
    """
    if ids.shape == size:
        return ids
    if not resize or ids.ndim != 2:
        raise InputError(
            f"{where}: the prediction is {'x'.join(map(str, ids.shape))}, its annotation "
            f"{size[0]}x{size[1]} (HxW); predict at the annotation's size, or ask to resize"
        )
    rows, columns = (
        ((np.arange(n) + 0.5) * old / n).astype(np.intp)
        for n, old in zip(size, ids.shape, strict=True)
    )
    return ids[np.ix_(rows, columns)]
