"""COCO: masks and keypoints of every frame in one JSON file.

`videos`, and the keys video_id, frame_index, absent, track_id, score and attributes are additions,
which COCO's own tools pass over. Read are also polygons, runs as lists, boxes where there is no
mask, and the track ids of CVAT.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import write_json
from pixelkin.formats.collecting import MASK_VALUE, NOBODY, Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.listed_frames import check_number, choose_video, frame_numbers, named_video
from pixelkin.formats.points_json import shortest
from pixelkin.formats.writing import (
    Body,
    Frame,
    Writing,
    bodies,
    label_of,
    point_name,
    point_names,
    skeleton,
)
from pixelkin.ops import rle
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.types import Annotations, Detail, MapKind, Origin, State, VideoInfo, check_size

LOSES = ("colours", "loose")
ABSENT, HIDDEN, VISIBLE = 0, 1, 2
STATES: tuple[State, ...] = ("absent", "occluded", "present")


def sniff(path: Path) -> bool:
    """Whether the file is a JSON object with lists of images and annotations."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def probe(path: Path) -> VideoInfo:
    """The video that the file tells of."""
    content = read_json(path)
    (video, *others) = content.get("videos") or [None]
    images = content["images"]
    size = images[0]["height"], images[0]["width"]
    if video is None or others or not _numbered(images):
        return named_video((i["file_name"] for i in images), size, path)
    return VideoInfo(str(video.get("name", path)), size[1], size[0], video.get("length"))


def load(path: Path, video: VideoInfo) -> Annotations:
    """The labels of every image that has any."""
    content = read_json(path)
    images = content["images"]
    if videos := content.get("videos"):
        chosen = choose_video([str(v.get("name", "")) for v in videos], video, path)
        images = [
            i for i in images if i.get("video_id", videos[chosen]["id"]) == videos[chosen]["id"]
        ]
    if video.names is None and _numbered(images):
        numbers = [check_number(i["frame_index"], video, path) for i in images]
    else:
        numbers = frame_numbers([i["file_name"] for i in images], video, path)
    for image in images:
        check_size((image["height"], image["width"]), video.size, f"{path}: {image['file_name']}")
    by_image = {i["id"]: n for i, n in zip(images, numbers, strict=True)}
    categories = {c["id"]: c for c in content.get("categories", [])}
    found = Collector(video, path)
    for entry in sorted(
        (e for e in content["annotations"] if e["image_id"] in by_image),
        key=lambda e: by_image[e["image_id"]],
    ):
        _read(found, by_image[entry["image_id"]], entry, categories[entry["category_id"]])
    for image, number in zip(images, numbers, strict=True):
        if "absent" in image:
            found.frame(number)
        for entry in image.get("absent", []):
            _declare(found, entry["track_id"], entry, categories[entry["category_id"]])
            found.mask(number, entry["track_id"], None, joins=False)
    return found.annotations()


def save(path: Path, writing: Writing) -> None:
    """Write masks as run lengths, and keypoints, of every labelled frame."""
    writing.check(path)
    video, every = writing.video, bodies(writing.objects)
    categories = _categories(writing, every)
    first_body = 1 + max((o.id for o in writing.objects if o.is_map), default=0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for frame in writing.frames():
        image = {
            "id": len(images) + 1,
            "file_name": f"{writing.stem(frame.number, 'frame_{:06d}')}.png",
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


def _numbered(images: list[dict[str, Any]]) -> bool:
    return bool(images) and all("frame_index" in image for image in images)


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
        ids = {"category_id": categories[label_of(o)]["id"], "track_id": o.id}
        attributes = {"name": o.name, "kind": None if o.kind == "mask" else o.kind}
        attributes = {key: value for key, value in attributes.items() if value is not None}
        if not mask.any():
            absent.append({**ids, "attributes": attributes})
            continue
        detail = writing.detail(frame.number, o)
        attributes |= _of_detail(detail)
        runs = rle.encode(mask)
        if not writing.uncompressed:
            runs["counts"] = rle.compress(runs["counts"])
        entries.append(
            {
                **ids,
                "iscrowd": 0,
                "area": int(mask.sum()),
                "bbox": list(rle.bounds(mask)),
                "segmentation": runs,
                **_score(detail.confidence),
                "attributes": attributes,
            }
        )
    return entries, absent


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


def _read(found: Collector, number: int, entry: dict[str, Any], category: dict[str, Any]) -> None:
    attributes = entry.get("attributes") or {}
    given = (entry.get("track_id"), entry.get("instance_id"), attributes.get("track_id"))
    track = next((key for key in given if key is not None), None)
    segmentation, keypoints = entry.get("segmentation"), entry.get("keypoints")
    key: Hashable = ("category", category["name"]) if track is None else track
    if keypoints:
        _read_keypoints(found, number, entry, category, key)
    if keypoints and not segmentation:
        return
    if track is None:
        found.note("COCO: masks without a track_id are one object a category")
    if not segmentation:
        found.note("COCO: boxes without a mask are read as filled rectangles")
    _declare(found, key, entry, category)
    state: State = "occluded" if attributes.get("occluded") else "present"
    detail = Detail(
        state,
        confidence_of(entry.get("score")),
        _origin(attributes.get("origin"), entry),
        bool(attributes.get("stale")),
    )
    found.mask(number, key, _mask(entry, found.video.size), detail, joins=track is None)


def _declare(
    found: Collector, key: Hashable, entry: dict[str, Any], category: dict[str, Any]
) -> None:
    attributes = entry.get("attributes") or {}
    kind: MapKind = "parts" if attributes.get("kind") == "parts" else "mask"
    found.object(key, name=attributes.get("name"), category=category["name"], kind=kind)


def _origin(said: object, entry: dict[str, Any]) -> Origin:
    """Scores are those of results, where nothing is said."""
    return "propagated" if said == "propagated" or (said is None and "score" in entry) else "given"


def _mask(entry: dict[str, Any], size: tuple[int, int]) -> NDArray[np.bool_] | MASK_VALUE:
    what = entry.get("segmentation")
    if isinstance(what, dict):
        return {"size": what["size"], "counts": what["counts"]}
    if what:
        rings = [fill([np.reshape(ring, (-1, 2))], size) for ring in what]
        return np.asarray(np.logical_or.reduce(rings))
    return fill_box(entry["bbox"], size)


def _read_keypoints(
    found: Collector, number: int, entry: dict[str, Any], category: dict[str, Any], key: Hashable
) -> None:
    values = np.asarray(entry["keypoints"], dtype=float).reshape(-1, 3)
    names = category.get("keypoints") or [str(n) for n in range(len(values))]
    lines = [(names[a - 1], names[b - 1]) for a, b in category.get("skeleton") or []]
    attributes = entry.get("attributes") or {}
    what = None if category["name"] == NOBODY else category["name"]
    found.body(("body", key), names, name=attributes.get("name"), category=what, lines=lines)
    scores = attributes.get("keypoint_scores") or [entry.get("score")] * len(names)
    origins = attributes.get("keypoint_origins") or [attributes.get("origin")] * len(names)
    stale = attributes.get("keypoint_stale") or [False] * len(names)
    said = zip(names, values.tolist(), scores, origins, stale, strict=True)
    for point, (x, y, seen), score, origin, old in said:
        state = STATES[int(seen)]
        detail = Detail(state, confidence_of(score), _origin(origin, entry), bool(old))
        found.point(number, ("body", key), point, (x, y) if seen else None, detail)
