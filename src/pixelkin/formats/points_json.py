"""pixelkin's JSON file of the keypoints or points of one frame.

    {"kind": "keypoints", "size": [480, 854],
     "points": [{"name": "nose", "x": 311.5, "y": 240}, null, {"name": "tail", "x": 80, "y": 95}]}

`size` is (height, width) of the frame, x and y are pixels with (0, 0) at the centre of the top-left
pixel, null is a point that is not visible. "kind" is "keypoints" (those of one body, named or in a
fixed order) or "points" (any); "name" is optional, and x and y may be null too, to keep the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import write_json
from pixelkin.formats.frame_names import frame_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import ID, NULL, NUMBER, Each, Either, Fields, Leaf
from pixelkin.types import (
    Annotations,
    InputError,
    Labels,
    PointKind,
    PointLabels,
    VideoInfo,
    check_size,
)

LARGEST = 2**16  # pixels that a side of a picture may have
SHAPE = Fields(
    {
        "kind": Leaf('"keypoints" or "points"', lambda v: v in get_args(PointKind)),
        "size": Leaf(f"[height, width], each 1 to {LARGEST} pixels", lambda v: _is_size(v)),
        "points": Each(
            Either(
                'null or a point, {"x": .., "y": ..}',
                {
                    type(None): NULL,
                    dict: Fields({}, {"x": NUMBER, "y": NUMBER, "name": ID}),
                },
            )
        ),
    }
)


def load_points(path: str | Path, size: tuple[int, int] | None = None) -> PointLabels:
    """Keypoints or points of one frame, NaN where null.

    Names are kept if any point has one; points without get their number.

    Args:
        path: The JSON file.
        size: (height, width) that the file must be for; None to take any.

    Raises:
        InputError: If the file is missing, is not of this form, or is for another size.
    """
    content = read_json(path, SHAPE)
    kind, (height, width) = content["kind"], size_of(content)
    entries = [entry or {} for entry in content["points"]]
    points = np.array([point_of(e) for e in entries]).reshape(-1, 2)
    if not np.isfinite(points).all(axis=-1).any():
        raise InputError(f"{path}: points holds no visible point")
    if size is not None:
        check_size((height, width), size, f"{path}: size")
    names = None
    if any("name" in e for e in entries):
        names = tuple(str(e.get("name", i)) for i, e in enumerate(entries))
    return Labels.from_points(points, (height, width), kind=kind, names=names)


def save_points(path: str | Path, labels: Labels) -> None:
    """Write keypoints or points, atomically; :func:`load_points` gives the same labels back.

    Raises:
        ValueError: If the labels are a map of ids.
    """
    entries: list[dict[str, Any] | None] = []
    for o, point in zip(labels.objects, labels.as_points().points, strict=True):
        where = json_of(point)
        if o.name is not None:
            entries.append({"name": o.name, **where})
        else:
            entries.append(None if where["x"] is None else where)
    write_json(path, {"kind": labels.kind, "size": labels.size, "points": entries})


def json_of(point: NDArray[np.float32]) -> dict[str, float | None]:
    """A point (x, y) as {"x": .., "y": ..}: the shortest decimals that read back as the same.

    Both are null where it is absent.
    """
    there = bool(np.isfinite(point).all())
    return {axis: shortest(v) if there else None for axis, v in zip("xy", point, strict=True)}


def point_of(entry: Mapping[str, Any]) -> list[float]:
    """(x, y) of an entry, NaN where null or missing; ValueError where it is no coordinate."""
    return [_number(entry.get(axis)) for axis in "xy"]


def size_of(content: Mapping[str, Any]) -> tuple[int, int]:
    """The "size" that a file states, (height, width); ValueError if it is none of a picture."""
    height, width = content["size"]
    for n in (height, width):
        if isinstance(n, bool) or n != int(n) or not 0 < n <= LARGEST:
            raise ValueError(f"{n!r} is no height or width of a picture")
    return int(height), int(width)


def shortest(value: float | np.float32) -> float:
    """The shortest decimal that reads back as the same float32."""
    return float(str(np.float32(value)))


def sniff(path: Path) -> bool:
    """Whether the file says that it holds points."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and "points" in content


def load(path: Path, video: VideoInfo) -> Annotations:
    """The points of the frame that the file's name means, of frame 0 if it has no number.

    See `frame_names.frame_of` and `load_points`.
    """
    return Annotations.of({frame_of(path, video) or 0: load_points(path, video.size)}, str(path))


def save(path: Path, annotations: Annotations) -> None:
    """Write the points of the one frame that has labels."""
    save_points(path, annotations.only())


def _is_size(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(type(n) in (int, float) and 0 < n <= LARGEST and n % 1 == 0 for n in value)


def _number(value: float | None) -> float:
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, float | int) or not np.isfinite(value):
        raise ValueError(f"{value!r} is not a coordinate")
    return value
