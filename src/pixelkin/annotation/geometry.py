"""Places of labels as they are kept: run lengths of masks as COCO writes them, coordinates."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.model import Label, Place
from pixelkin.ops import rle


def place_of(row: dict[str, Any], size: tuple[int, int]) -> Place | None:
    """The mask or the position in a row of labels or of what is shown; None where it has none."""
    if row["rle"] is not None:
        return rle.decode({"size": size, "counts": row["rle"]})
    if row["x"] is not None:
        return np.array([row["x"], row["y"]])
    return None


def columns(place: NDArray[Any] | None) -> dict[str, Any]:
    """The reverse of `place_of`."""
    if place is None:
        return {"rle": None, "x": None, "y": None}
    if place.ndim == 2:
        counts = rle.encode(np.asarray(place, bool))["counts"]
        return {"rle": rle.compress(counts), "x": None, "y": None}
    x, y = map(float, place)
    return {"rle": None, "x": x, "y": y}


def label_of(row: dict[str, Any], size: tuple[int, int]) -> Label:
    """A label from its row."""
    content = repr([row[name] for name in ("state", "rle", "x", "y")])
    digest = hashlib.sha256(content.encode()).hexdigest()[:24]
    empty = rle.compress([size[0] * size[1]])
    seeds = row["x"] is not None if row["rle"] is None else row["rle"] != empty
    head = row["object"], row["frame"], row["state"], row["source"]
    return Label(*head, digest, bool(seeds), partial(place_of, row, size), row["edit"])
