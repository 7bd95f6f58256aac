"""One frame's prediction as JSON: what is where, and how sure.

    {"frame": 12, "name": "00012", "origin": "propagated", "kind": "mask", "size": [480, 854],
     "objects": [{"id": 1, "confidence": 0.93, "area": 3021, "box": [310, 52, 371, 140],
                  "rle": {"size": [480, 854], "counts": [148852, 12, ...]}}]}

`size` is (height, width). Masks are run-length encoded as in COCO (uncompressed: runs of 0 and 1 in
turn, 0 first, down the columns); `box` is (x, y) of the first and of the last pixel, null if there
is none. Keypoints have "x" and "y" in place of area, box and rle, null where absent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import write_json
from pixelkin.types import InputError, Labels, Prediction


def save_prediction(path: str | Path, prediction: Prediction) -> None:
    """Write a prediction, atomically; :func:`load_prediction` gives it back but for the palette."""
    write_json(path, prediction_to_dict(prediction), indent=None)


def load_prediction(path: str | Path) -> Prediction:
    """Read what :func:`save_prediction` wrote.

    Raises:
        InputError: If the file is missing or not of this form.
    """
    try:
        return prediction_from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not the JSON of a prediction: {error!r}") from error


def prediction_to_dict(prediction: Prediction) -> dict[str, Any]:
    """The JSON content of a prediction."""
    labels = prediction.labels
    names = dict(zip(labels.objects, labels.names or (), strict=labels.names is not None))
    ids = None if labels.ids is None else np.asfortranarray(labels.ids)  # runs go down the columns
    objects = []
    for i, confidence in zip(prediction.objects, prediction.confidence, strict=True):
        name = {"name": names[i]} if i in names else {}
        found = _region(ids == i) if ids is not None else _position(labels, i)
        objects.append({"id": i, **name, "confidence": _short(confidence), **found})
    return {
        "frame": prediction.index,
        "name": prediction.name,
        "origin": prediction.origin,
        "kind": labels.kind,
        "size": list(labels.size),
        "objects": objects,
    }


def prediction_from_dict(content: dict[str, Any]) -> Prediction:
    """The prediction that `content` describes; KeyError, TypeError or ValueError if none."""
    kind, objects = content["kind"], content["objects"]
    height, width = content["size"]
    if kind in ("mask", "parts"):
        ids = np.zeros((height, width), dtype=np.int32)
        for entry in objects:
            ids[decode_rle(entry["rle"])] = entry["id"]
        names = tuple(e["name"] for e in sorted(objects, key=lambda e: e["id"]) if "name" in e)
        labels = Labels.from_mask(ids, kind=kind, names=names or None)
    else:
        points = [[np.nan if e[axis] is None else e[axis] for axis in "xy"] for e in objects]
        names = tuple(e["name"] for e in objects if "name" in e)
        labels = Labels.from_points(
            np.reshape(points, (-1, 2)), (height, width), kind=kind, names=names or None
        )
    return Prediction(
        index=content["frame"],
        labels=labels,
        objects=tuple(e["id"] for e in objects),
        confidence=np.array([e["confidence"] for e in objects], dtype=np.float32),
        origin=content["origin"],
        name=content["name"],
    )


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """An H x W mask as COCO's uncompressed run-length encoding.

    Example:
        >>> encode_rle(np.array([[0, 1], [1, 1]], bool))
        {'size': [2, 2], 'counts': [1, 3]}
    """
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    first = [0] if pixels[:1].any() else []  # counts begin with a run of zeros, here an empty one
    counts = np.diff(np.concatenate([[0], changes, [pixels.size]]))
    return {"size": list(mask.shape), "counts": first + counts.tolist()}


def decode_rle(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """The H x W mask of COCO's uncompressed run-length encoding; ValueError if it does not fit."""
    height, width = rle["size"]
    counts = rle["counts"]
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return pixels.reshape((height, width), order="F")


def _region(mask: NDArray[np.bool_]) -> dict[str, Any]:
    ys, xs = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = [int(v) for v in (xs[0], ys[0], xs[-1], ys[-1])] if len(xs) else None
    return {"area": int(mask.sum()), "box": box, "rle": encode_rle(mask)}


def _position(labels: Labels, i: int) -> dict[str, float | None]:
    assert labels.points is not None
    x, y = labels.points[i]
    visible = bool(np.isfinite(labels.points[i]).all())
    return {"x": _short(x) if visible else None, "y": _short(y) if visible else None}


def _short(value: np.float32) -> float:
    """The shortest decimal that reads back as the same float32."""
    return float(str(np.float32(value)))
