"""pixelkin's JSON file of the keypoints or points of one frame.

    {"kind": "keypoints", "size": [480, 854],
     "points": [{"name": "nose", "x": 311.5, "y": 240}, null, {"name": "tail", "x": 80, "y": 95}]}

`size` is (height, width) of the frame, x and y are pixels with (0, 0) at the centre of the top-left
pixel, null is a point that is not visible. "kind" is "keypoints" (those of one body, named or in a
fixed order) or "points" (any); "name" is optional, and x and y may be null too, to keep the name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pixelkin.files import write_json
from pixelkin.types import InputError, Labels


def load_points(path: str | Path, size: tuple[int, int] | None = None) -> Labels:
    """Keypoints or points of one frame, NaN where null.

    Names are kept if any point has one; points without get their number.

    Args:
        path: The JSON file.
        size: (height, width) that the file must be for; None to take any.

    Raises:
        InputError: If the file is missing, is not of this form, or is for another size.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    try:
        kind = content["kind"]
        height, width = (int(n) for n in content["size"])
        entries = [entry or {} for entry in content["points"]]
        points = np.array([_number(e.get(axis)) for e in entries for axis in "xy"]).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f'{path} is not a file of points ({error!r}): it needs "kind", "size": [height, '
            'width] and "points": [{"x": .., "y": ..}, ...]'
        ) from error
    if kind not in ("keypoints", "points"):
        raise InputError(f'{path}: "kind" is {kind!r}, must be "keypoints" or "points"')
    if not np.isfinite(points).all(axis=-1).any():
        raise InputError(f"{path} holds no visible point")
    if size is not None and (height, width) != tuple(size):
        raise InputError(
            f"{path} is for frames of {width}x{height}, the frame is {size[1]}x{size[0]} (WxH)"
        )
    names = None
    if any("name" in e for e in entries):
        names = tuple(str(e.get("name", i)) for i, e in enumerate(entries))
    return Labels.from_points(points, (height, width), kind=kind, names=names)


def save_points(path: str | Path, labels: Labels) -> None:
    """Write keypoints or points, atomically; :func:`load_points` gives the same labels back.

    Raises:
        ValueError: If the labels are a map.
    """
    if labels.points is None:
        raise ValueError(f"labels of kind {labels.kind!r} are not points")
    entries: list[dict[str, Any] | None] = []
    for i, point in enumerate(labels.points):
        # The shortest decimal that reads back as the same float32.
        x, y = (float(str(v)) if np.isfinite(point).all() else None for v in point)
        if labels.names is not None:
            entries.append({"name": labels.names[i], "x": x, "y": y})
        else:
            entries.append(None if x is None else {"x": x, "y": y})
    write_json(path, {"kind": labels.kind, "size": labels.size, "points": entries})


def _number(value: float | None) -> float:
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, float | int) or not np.isfinite(value):
        raise ValueError(f"{value!r} is not a coordinate")
    return value
