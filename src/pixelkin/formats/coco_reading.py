"""COCO as it is read: also polygons, runs as lists, boxes without a mask, CVAT's track ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.collecting import MASK_VALUE, NOBODY, Collector, confidence_of
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.formats.json_file import read_json
from pixelkin.formats.listed_frames import check_number, choose_video, frame_numbers, named_video
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    MapKind,
    Origin,
    State,
    VideoInfo,
    check_size,
)

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
    _check_lists(content, path)
    for image in images:
        check_size((image["height"], image["width"]), video.size, f"{path}: {image['file_name']}")
    by_image = {i["id"]: n for i, n in zip(images, numbers, strict=True)}
    categories = {c["id"]: c for c in content.get("categories") or []}
    found = Collector(video, path)
    counts: Counter[Hashable] = Counter()  # of bodies that nothing tells apart, by frame
    for entry in sorted(
        (e for e in content["annotations"] if e["image_id"] in by_image),
        key=lambda e: by_image[e["image_id"]],
    ):
        try:
            number, category = by_image[entry["image_id"]], categories[entry["category_id"]]
            _read(found, number, entry, category, counts)
        except DAMAGES as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: {_called(entry)}: {told(error)}") from error
    for image, number in zip(images, numbers, strict=True):
        if "absent" in image:
            found.frame(number)
        for entry in image.get("absent", []):
            _declare(found, entry["track_id"], entry, categories[entry["category_id"]])
            found.mask(number, entry["track_id"], None, joins=False)
    return found.annotations()


def _check_lists(content: dict[str, Any], path: Path) -> None:
    """That annotations are of images and categories that are listed."""
    images = {image["id"] for image in content["images"]}
    categories = {c["id"]: c for c in content.get("categories") or []}
    if unnamed := [i for i, c in categories.items() if "name" not in c]:
        raise InputError(f"{path}: category {unnamed[0]} has no name")
    known = ", ".join(map(str, list(categories)[:10])) or "none"
    for entry in content["annotations"]:
        for key in ("image_id", "category_id"):
            if key not in entry:
                raise InputError(f"{path}: {_called(entry)} has no {key}")
        if entry["image_id"] not in images:
            image = entry["image_id"]
            raise InputError(f"{path}: {_called(entry)} is of image {image}, which is not listed")
        if entry["category_id"] not in categories:
            category = f"category {entry['category_id']}, which is not listed (there are {known})"
            raise InputError(f"{path}: {_called(entry)} is of {category}")


def _called(entry: dict[str, Any]) -> str:
    return f"annotation {entry.get('id', 'without an id')}"


def _numbered(images: list[dict[str, Any]]) -> bool:
    return bool(images) and all("frame_index" in image for image in images)


def _read(
    found: Collector,
    number: int,
    entry: dict[str, Any],
    category: dict[str, Any],
    counts: Counter[Hashable],
) -> None:
    attributes = entry.get("attributes") or {}
    given = (entry.get("track_id"), entry.get("instance_id"), attributes.get("track_id"))
    track = next((key for key in given if key is not None), None)
    segmentation, keypoints = entry.get("segmentation"), entry.get("keypoints")
    key: Hashable = ("category", category["name"]) if track is None else track
    if keypoints:
        body = key
        if track is None:
            found.note("COCO: keypoints without a track_id are counted as they stand in a frame")
            body = (key, counts[number, key])
            counts[number, key] += 1
        _read_keypoints(found, number, entry, category, body)
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
        if not isinstance(what["counts"], str | list):
            raise ValueError("counts of run lengths must be a list or a string")
        return {"size": what["size"], "counts": what["counts"]}
    if what:
        if odd := next((ring for ring in what if len(ring) % 2), None):
            raise ValueError(f"a polygon of {len(odd)} numbers, must be x and y in turn")
        rings = [fill([np.reshape(ring, (-1, 2))], size) for ring in what]
        return np.asarray(np.logical_or.reduce(rings))
    if len(entry["bbox"]) != 4:
        raise ValueError(f"a bbox of {len(entry['bbox'])} numbers, must be x, y, width, height")
    return fill_box(entry["bbox"], size)


def _read_keypoints(
    found: Collector, number: int, entry: dict[str, Any], category: dict[str, Any], key: Hashable
) -> None:
    flat = np.asarray(entry["keypoints"], dtype=float)
    names = category.get("keypoints") or [str(n) for n in range(len(flat) // 3)]
    if flat.shape != (3 * len(names),):
        raise ValueError(f"{flat.size} numbers of keypoints, must be x, y, v of {len(names)}")
    values = flat.reshape(-1, 3)
    if not np.isfinite(values).all() or not np.isin(values[:, 2], (0, 1, 2)).all():
        raise ValueError("keypoints must be finite x and y, and v 0, 1 or 2")
    for line in category.get("skeleton") or []:
        if len(line) != 2 or not all(1 <= n <= len(names) for n in line):
            raise ValueError(f"the skeleton has a line {line}, must be of 1 to {len(names)}")
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
