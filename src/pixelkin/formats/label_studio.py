"""Label Studio's JSON, as it is written: what was given as annotations, results as predictions.

Label Studio has no masks on videos. So masks go out as brushes, one task a frame, and keypoints
with them; as polygons or boxes they go out as vectors or rectangles of one task with the video,
with a keyframe at every label. Places are percent of width and height, video frames count from 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write
from pixelkin.formats.bodies import Body, bodies, point_name, skeleton
from pixelkin.formats.losses import label_of
from pixelkin.formats.writing import Frame, Writing
from pixelkin.ops import brush, rle
from pixelkin.types import Detail, InputError, Object, Origin

LOSES = (
    "both", "colours", "parts", "loose", "skeleton", "stale", "occluded", "gone", "unseen",
    "unplaced",
)  # fmt: skip
EDGE = 0.5  # x and y count from the corner of the top-left pixel
MODEL = "pixelkin"
WHERE: dict[Origin, str] = {"given": "annotations", "propagated": "predictions"}
Regions = dict[Origin, list[dict[str, Any]]]


def save(path: Path, writing: Writing) -> None:
    """Write tasks, one at a time."""
    writing.check(path)
    if writing.shapes != "masks" and writing.images is not None:
        raise InputError(
            f"label_studio has {writing.shapes} on the video, not on images (--images)"
        )
    tasks = _image_tasks(writing) if writing.shapes == "masks" else _video_task(writing)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for n, task in enumerate(tasks):
            file.write(("," if n else "[") + "\n" + json.dumps(task, allow_nan=False))
        file.write("\n]\n")


def _task(data: dict[str, Any], regions: Regions) -> dict[str, Any]:
    """A task with its regions; one without any was looked at, and nothing was there."""
    found: dict[str, Any] = {"data": data}
    if regions["given"] or not regions["propagated"]:
        found["annotations"] = [{"result": regions["given"]}]
    if results := regions["propagated"]:
        scores = [region["score"] for region in results if "score" in region]
        score = {"score": sum(scores) / len(scores)} if scores else {}
        found["predictions"] = [{"model_version": MODEL, **score, "result": results}]
    return found


def _image_tasks(writing: Writing) -> Iterator[dict[str, Any]]:
    video = writing.video
    asked = writing.images
    folder = (Path(video.path).stem or "video") if asked is None else asked.folder.resolve().name
    names = writing.named_images("{:05d}")
    every = bodies(writing.objects)
    for frame in writing.frames():
        regions: Regions = {"given": [], "propagated": []}
        for o, mask in frame.masks():
            if mask.any():
                detail = writing.detail(frame.number, o)
                value: dict[str, Any] = {
                    "format": "rle",
                    "rle": brush.encode(mask),
                    "brushlabels": [label_of(o)],
                }
                name = f"object-{o.id}-{frame.number}"
                regions[detail.origin].append(
                    _region(writing, name, "brush", "image", value, detail, "brushlabels")
                )
        places = frame.places()
        for k, body in enumerate(every):
            for n, o in enumerate(body.points):
                xy = np.array(places.get(o.id, (np.nan, np.nan)))
                if not np.isfinite(xy).all():
                    continue
                x, y = _percent(writing, xy + EDGE).tolist()
                detail = writing.detail(frame.number, o)
                value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [point_name(body, n)]}
                name = f"body-{k}-{n}-{frame.number}"
                region = _region(writing, name, "point", "image", value, detail, "keypointlabels")
                named = {} if body.name is None else {"meta": {"text": [body.name]}}
                regions[detail.origin].append(region | named)
        image = f"/data/local-files/?d={folder}/{names[frame.number]}"
        yield _task({"image": image, "frame": frame.number}, regions)


def _region(
    writing: Writing,
    name: str,
    control: str,
    to: str,
    value: dict[str, Any],
    detail: Detail,
    kind: str,
) -> dict[str, Any]:
    sure = {} if detail.confidence is None else {"score": detail.confidence}
    return {
        "id": name,
        "type": kind,
        "from_name": control,
        "to_name": to,
        "original_width": writing.video.width,
        "original_height": writing.video.height,
        "image_rotation": 0,
        "value": value,
        **sure,
    }


def _percent(writing: Writing, xy: NDArray[Any]) -> NDArray[np.float64]:
    """Places in pixels, from the corner of the top-left one, as percent."""
    share = 100 * np.asarray(xy, dtype=float) / (writing.video.width, writing.video.height)
    return np.round(share, 7)


def _video_task(writing: Writing) -> Iterator[dict[str, Any]]:
    """The one task: a region for each object, and for what was given and for results."""
    writing.losing("confidence", "empty")
    writing.losing(*(["form"] if writing.shapes == "boxes" else ["holes", "pieces"]))
    every = bodies(writing.objects)
    keys: dict[tuple[str, Origin], list[dict[str, Any]]] = {}
    absent: dict[str, list[int]] = {}
    for frame in writing.frames():
        for o, mask in frame.masks():
            name = f"object-{o.id}"
            if mask.any():
                key = _outline(writing, frame.number, o, mask)
                origin = writing.detail(frame.number, o).origin
                keys.setdefault((name, origin), []).append(_timed(writing, frame.number, key))
            else:
                absent.setdefault(name, []).append(frame.number)
        for k, body in enumerate(every):
            vertices, origins = _vertices(writing, frame, body)
            if vertices:
                key = {"closed": False, "vertices": vertices}
                there = keys.setdefault((f"body-{k}", max(origins)), [])
                there.append(_timed(writing, frame.number, key))
    labels = {f"object-{o.id}": label_of(o) for o in writing.objects if o.is_map}
    labels |= {f"body-{k}": body.label for k, body in enumerate(every)}
    regions: Regions = {"given": [], "propagated": []}
    for (name, origin), sequence in keys.items():
        for key, after in zip(sequence, [*sequence[1:], None], strict=True):
            gone = absent.get(name, [])
            pauses = after is not None and any(key["frame"] <= n < after["frame"] for n in gone)
            key["enabled"] = after is not None and not pauses
        rectangle = name in labels and "x" in sequence[0]
        duration = (
            {} if writing.video.fps is None else {"duration": writing.length / writing.video.fps}
        )
        regions[origin].append(
            {
                "id": f"{name}-{origin}",
                "type": "videorectangle" if rectangle else "videovector",
                "from_name": "box" if rectangle else "vector",
                "to_name": "video",
                "value": {
                    "framesCount": writing.length,
                    **duration,
                    "labels": [labels[name]],
                    "sequence": sequence,
                },
            }
        )
    video = f"/data/local-files/?d={Path(writing.video.path).name or 'video.mp4'}"
    yield _task({"video": video}, regions)


def _timed(writing: Writing, number: int, key: dict[str, Any]) -> dict[str, Any]:
    fps = writing.video.fps
    time = {} if fps is None else {"time": (number + 1) / fps}
    return {"frame": number + 1, "enabled": True, **time, **key}


def _outline(writing: Writing, number: int, o: Object, mask: NDArray[np.bool_]) -> dict[str, Any]:
    if writing.shapes == "polygons":
        ring = writing.outline(number, o, mask)
        points = _percent(writing, ring).tolist()
        vertices = [
            _vertex(f"p{n}", x, y, f"p{n - 1}" if n else None) for n, (x, y) in enumerate(points)
        ]
        return {"closed": True, "vertices": vertices}
    left, top, width, height = rle.bounds(mask)
    if mask.sum() < width * height:
        writing.lose("form", (number, o.id))
    x, y, right, bottom = np.ravel(
        _percent(writing, np.array([[left, top], [left + width, top + height]]))
    ).tolist()
    return {"x": x, "y": y, "width": right - x, "height": bottom - y, "rotation": 0}


def _vertices(
    writing: Writing, frame: Frame, body: Body
) -> tuple[list[dict[str, Any]], list[Origin]]:
    """The points of a body that are there, and where each comes from."""
    places = frame.places()
    before = {b: a for a, b in skeleton(writing.objects, [body])}
    there = {
        point_name(body, n): o
        for n, o in enumerate(body.points)
        if o.id in places and np.isfinite(places[o.id]).all()
    }
    vertices = []
    for name, o in there.items():
        x, y = _percent(writing, np.array(places[o.id]) + EDGE).tolist()
        line = before.get(name)
        vertices.append(_vertex(name, x, y, line if line in there else None))
    return vertices, [writing.detail(frame.number, o).origin for o in there.values()]


def _vertex(name: str, x: float, y: float, before: str | None) -> dict[str, Any]:
    return {"id": name, "x": x, "y": y, "prevPointId": before, "isBezier": False}
