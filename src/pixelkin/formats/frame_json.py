"""One frame's prediction, as a folder of results holds it: a JSON file, and a PNG beside it.

    frames/00012.json
    {"frame": 12, "name": "00012", "origin": "propagated", "kind": "mask", "size": [480, 854],
     "objects": [{"id": 1, "name": "dog", "confidence": 0.81, "votes": 0.93}]}
    masks/00012.png

`size` is (height, width). `votes` is there where the confidence is the J to be expected. The
pixels of masks and parts are in the PNG alone, so that somebody who paints in it corrects the
result. Keypoints and points have "x" and "y" in their entries, null where absent, whether they
are "visible" there, where that is known, and no PNG. What else is known of an object stands in its
entry: "category", and "body" where there are several; "skeleton" beside the entries has pairs of
ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import write_json
from pixelkin.formats.json_file import read_json
from pixelkin.formats.mask_png import read_mask, write_mask
from pixelkin.formats.points_json import json_of, point_of, shortest, size_of
from pixelkin.types import (
    Annotations,
    InputError,
    Labels,
    MapKind,
    MaskLabels,
    Object,
    Objects,
    Origin,
    PointLabels,
    Prediction,
    VideoInfo,
    check_size,
)

FRAMES, MASKS = "frames", "masks"  # folders of the two files


def files_of(folder: Path, stem: str, kind: str) -> tuple[Path, ...]:
    """The files of one frame in a folder of results, the JSON, which is written last, first."""
    entry = folder / FRAMES / f"{stem}.json"
    return (entry, folder / MASKS / f"{stem}.png") if kind in get_args(MapKind) else (entry,)


def save_prediction(folder: str | Path, stem: str, prediction: Prediction) -> None:
    """Write a prediction, each file atomically; :func:`load_prediction` gives it back."""
    labels = prediction.labels
    entry, *mask = files_of(Path(folder), stem, labels.kind)
    if isinstance(labels, MaskLabels):
        write_mask(mask[0], labels)
    write_json(entry, _content(prediction), indent=None)


def load_prediction(folder: str | Path, stem: str) -> Prediction:
    """Read what :func:`save_prediction` wrote.

    Raises:
        InputError: If a file is missing or not of this form.
    """
    return _load(Path(folder) / FRAMES / f"{stem}.json")


def load_confidence(folder: str | Path, stem: str) -> tuple[Origin, dict[int, float]]:
    """Where a frame's labels come from, and the confidence by object, without its pixels.

    Raises:
        InputError: If the file is missing or not of this form.
    """
    path = Path(folder) / FRAMES / f"{stem}.json"
    content = read_json(path)
    try:
        return content["origin"], {
            e["id"]: float(np.float32(e["confidence"])) for e in content["objects"]
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is not the JSON of a prediction: {error!r}") from error


def objects_of(content: dict[str, Any]) -> Objects:
    """The objects of a frame's JSON."""
    kind = content["kind"]
    return Objects(
        tuple(
            Object(_id(e), kind, e.get("name"), e.get("category"), parent=e.get("body"))
            for e in content["objects"]
        ),
        tuple((a, b) for a, b in content.get("skeleton", ())),
    )


def sniff(path: Path) -> bool:
    """Whether the file says that it holds a prediction."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and {"frame", "objects", "origin"} <= content.keys()


def load(path: Path, video: VideoInfo) -> Annotations:
    """A run's own result as labels: of the frame of its name, else of its number.

    Raises:
        InputError: If it is missing or not of this form, or the video has no such frame.
    """
    prediction = _load(path)
    check_size(prediction.labels.size, video.size, str(path))
    known = None if prediction.name is None else video.number(prediction.name)
    if known is None and prediction.name is not None and video.names is not None:
        raise InputError(f"{path} is of frame {prediction.name}, which the video does not have")
    number = prediction.index if known is None else known
    return Annotations.of({number: prediction.labels}, str(path))


def _content(prediction: Prediction) -> dict[str, Any]:
    labels = prediction.labels
    objects = []
    votes = prediction.votes
    for n, (o, sure) in enumerate(zip(labels.objects, prediction.confidence, strict=True)):
        known = {"name": o.name, "category": o.category, "body": o.parent}
        told = {key: value for key, value in known.items() if value is not None}
        raw = {} if votes is None else {"votes": shortest(votes[n])}
        where = json_of(labels.points[n]) if isinstance(labels, PointLabels) else {}
        if prediction.visible is not None and where.get("x") is not None:
            where["visible"] = bool(prediction.visible[n])
        objects.append({"id": o.id, **told, "confidence": shortest(sure), **raw, **where})
    lines = [list(pair) for pair in labels.objects.skeleton]
    return {
        "frame": prediction.index,
        "name": prediction.name,
        "origin": prediction.origin,
        "kind": labels.kind,
        "size": list(labels.size),
        "objects": objects,
        **({"skeleton": lines} if lines else {}),
    }


def _load(path: Path) -> Prediction:
    content = read_json(path)
    try:
        kind, entries = content["kind"], content["objects"]
        size = size_of(content)
        objects = objects_of(content)
        return Prediction(
            index=int(content["frame"]),
            labels=_labels(path, objects, kind, size, entries),
            confidence=np.array([e["confidence"] for e in entries], dtype=np.float32),
            origin=content["origin"],
            name=content["name"],
            votes=_votes(entries),
            visible=_visible(entries),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not the JSON of a prediction: {error!r}") from error


def _labels(
    path: Path, objects: Objects, kind: Any, size: tuple[int, int], entries: list[dict[str, Any]]
) -> Labels:
    if kind not in get_args(MapKind):
        points = np.array([point_of(e) for e in entries], dtype=np.float32).reshape(-1, 2)
        return PointLabels(kind, objects, points, size)
    picture = path.parent.parent / MASKS / f"{path.stem}.png"
    painted = read_mask(picture, size, kind=kind, allow_empty=True)
    if unknown := [i for i in painted.present if i not in objects]:
        raise InputError(f"{picture} shows object {unknown[0]}, which this file does not list")
    return MaskLabels(kind, objects.joined(painted.objects), painted.ids)


def _votes(entries: list[dict[str, Any]]) -> NDArray[np.float32] | None:
    if not entries or any("votes" not in e for e in entries):
        return None
    return np.array([e["votes"] for e in entries], dtype=np.float32)


def _visible(entries: list[dict[str, Any]]) -> NDArray[np.bool_] | None:
    if not any("visible" in e for e in entries):
        return None
    return np.array([e.get("visible") is True for e in entries])


def _id(entry: dict[str, Any]) -> int:
    if type(entry["id"]) is not int:
        raise ValueError(f"{entry['id']!r} is no id")
    return entry["id"]
