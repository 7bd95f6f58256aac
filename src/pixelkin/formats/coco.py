"""COCO as it is written: masks and keypoints of every frame in one JSON file.

`videos`, and the keys video_id, frame_index, absent, track_id, score and attributes are additions,
which COCO's own tools pass over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import write_json
from pixelkin.formats.bodies import Body, bodies, point_name, point_names, skeleton
from pixelkin.formats.collecting import NOBODY
from pixelkin.formats.losses import label_of
from pixelkin.formats.points_json import shortest
from pixelkin.formats.writing import Frame, Writing
from pixelkin.ops import rle
from pixelkin.types import Detail, Object

LOSES = ("colours", "loose")
ABSENT, HIDDEN, VISIBLE = 0, 1, 2


def save(path: Path, writing: Writing) -> None:
    """Write masks as run lengths or polygons, and keypoints, of every labelled frame."""
    writing.check(path)
    if writing.shapes == "polygons":
        writing.losing("holes")
    video, every = writing.video, bodies(writing.objects)
    categories = _categories(writing, every)
    first_body = 1 + max((o.id for o in writing.objects if o.is_map), default=0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names = writing.named_images("frame_{:06d}")
    for frame in writing.frames():
        image = {
            "id": len(images) + 1,
            "file_name": names[frame.number],
            "width": video.width,
            "height": video.height,
            "video_id": 1,
            "frame_index": frame.number,
        }
        entries, absent = _masks(writing, frame, categories)
        for n, body in enumerate(every):
            category = categories[body.category or NOBODY]
            if entry := _keypoints(writing, frame, body, category["keypoints"]):
                ids = {"category_id": category["id"], "track_id": first_body + n}
                entries.append(ids | {"iscrowd": 0} | entry)
        if absent or (frame.maps is not None and not entries):
            image["absent"] = absent
        for entry in entries:
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"], **entry})
        images.append(image)
    listed = {entry["track_id"] for entry in annotations}
    listed |= {entry["track_id"] for image in images for entry in image.get("absent", ())}
    if unseen := [o for o in writing.objects if o.is_map and o.id not in listed]:
        images[0].setdefault("absent", []).extend(_absent(o, categories) for o in unseen)
    name = Path(video.path).stem or path.stem
    told = {"id": 1, "name": name, "width": video.width, "height": video.height}
    content = {
        "info": {"description": f"pixelkin, labels of {name}"},
        "licenses": [],
        "videos": [{**told, "length": writing.length}],
        "images": images,
        "categories": list(categories.values()),
        "annotations": annotations,
    }
    write_json(path, content, indent=None)


def _categories(writing: Writing, every: list[Body]) -> dict[str, dict[str, Any]]:
    """By name."""
    labels = [label_of(o) for o in writing.objects if o.is_map]
    names = dict.fromkeys([*labels, *(body.category or NOBODY for body in every)])
    found: dict[str, dict[str, Any]] = {
        name: {"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names, start=1)
    }
    for name in dict.fromkeys(body.category or NOBODY for body in every):
        mine = [body for body in every if (body.category or NOBODY) == name]
        points = point_names(mine)
        lines = skeleton(writing.objects, mine)
        found[name]["keypoints"] = list(points)
        found[name]["skeleton"] = [[points.index(a) + 1, points.index(b) + 1] for a, b in lines]
    return found


def _masks(
    writing: Writing, frame: Frame, categories: dict[str, dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Entries of the objects in a frame, and those of the objects that are absent."""
    entries: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    for o, mask in frame.masks():
        entry, detail = _absent(o, categories), writing.detail(frame.number, o)
        if not mask.any():
            if detail not in (Detail(), Detail("absent")):
                entry["attributes"] |= _of_detail(detail)
                entry |= _score(detail.confidence)
            absent.append(entry)
            continue
        attributes = entry.pop("attributes") | _of_detail(detail)
        entries.append(
            {
                **entry,
                "iscrowd": 0,
                "area": int(mask.sum()),
                "bbox": list(rle.bounds(mask)),
                "segmentation": _segmentation(writing, frame.number, o, mask),
                **_score(detail.confidence),
                "attributes": attributes,
            }
        )
    return entries, absent


def _absent(o: Object, categories: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The entry of an object that is not in a frame."""
    attributes = {"name": o.name, "kind": None if o.kind == "mask" else o.kind}
    attributes = {key: value for key, value in attributes.items() if value is not None}
    ids = {"category_id": categories[label_of(o)]["id"], "track_id": o.id}
    return {**ids, "attributes": attributes}


def _segmentation(
    writing: Writing, number: int, o: Object, mask: NDArray[np.bool_]
) -> dict[str, Any] | list[list[int]]:
    if writing.shapes == "polygons":
        return [ring.ravel().tolist() for ring in writing.polygons(number, o, mask)]
    runs = rle.encode(mask)
    if not writing.uncompressed:
        runs["counts"] = rle.compress(runs["counts"])
    return runs


def _keypoints(
    writing: Writing, frame: Frame, body: Body, names: list[str]
) -> dict[str, Any] | None:
    """The entry of a body in a frame; None where it has no labels."""
    places = frame.places()
    listed = {point_name(body, n): o for n, o in enumerate(body.points) if o.id in places}
    if not listed:
        return None
    values: list[float] = []
    details = [writing.detail(frame.number, listed[n]) if n in listed else Detail() for n in names]
    for name, detail in zip(names, details, strict=True):
        x, y = places[listed[name].id] if name in listed else (np.nan, np.nan)
        there = np.isfinite(x)
        seen = HIDDEN if detail.state == "occluded" else VISIBLE
        values += [shortest(x), shortest(y), seen] if there else [0, 0, ABSENT]
    xyv = np.reshape(values, (-1, 3))
    there = xyv[xyv[:, 2] > 0, :2]
    low, high = (there.min(axis=0), there.max(axis=0)) if len(there) else (np.zeros(2),) * 2
    attributes: dict[str, Any] = {} if body.name is None else {"name": body.name}
    hidden = [d.state == "occluded" for d in details]
    if any(h and v == ABSENT for h, v in zip(hidden, xyv[:, 2], strict=True)):
        attributes["keypoint_occluded"] = hidden
    confidences = [d.confidence for d in details]
    known = [c for c in confidences if c is not None]
    if known:
        attributes["keypoint_scores"] = confidences
    if any(d.origin == "propagated" for d in details):
        attributes["keypoint_origins"] = [d.origin for d in details]
    if any(d.stale for d in details):
        attributes["keypoint_stale"] = [d.stale for d in details]
    return {
        "keypoints": values,
        "num_keypoints": len(there),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float(np.prod(high - low)),
        **_score(sum(known) / len(known) if known else None),
        "attributes": attributes,
    }


def _score(confidence: float | None) -> dict[str, float]:
    return {} if confidence is None else {"score": confidence}


def _of_detail(detail: Detail) -> dict[str, Any]:
    """What attributes say of a label."""
    occluded = {"occluded": True} if detail.state == "occluded" else {}
    stale = {"stale": True} if detail.stale else {}
    return {"origin": detail.origin, **stale, **occluded}
