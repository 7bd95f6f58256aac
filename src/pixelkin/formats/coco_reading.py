"""COCO as it is read: also polygons, runs as lists, boxes without a mask, CVAT's track ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.collecting import MASK_VALUE, NOBODY, Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import (
    ANY,
    ID,
    NUMBER,
    RUNS,
    SIDE,
    TEXT,
    WHOLE,
    Each,
    Either,
    Fields,
)
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
ATTRIBUTES = Fields(
    {},
    {"track_id": ID, "name": TEXT, "keypoint_scores": Each(ANY), "keypoint_origins": Each(ANY),
     "keypoint_stale": Each(ANY), "keypoint_occluded": Each(ANY)},
)  # fmt: skip
ABSENT = Fields({"track_id": ID, "category_id": ID}, {"attributes": ATTRIBUTES})
SHAPE = Fields(
    {
        "images": Each(
            Fields(
                {"id": ID, "file_name": TEXT, "width": SIDE, "height": SIDE},
                {"video_id": ID, "frame_index": WHOLE, "absent": Each(ABSENT)},
            )
        ),
        "annotations": Each(
            Fields(
                {"image_id": ID, "category_id": ID},
                {
                    "track_id": ID,
                    "instance_id": ID,
                    "segmentation": Either(
                        "run lengths (size, counts) or a list of polygons",
                        {dict: RUNS, list: Each(Each(NUMBER))},
                    ),
                    "bbox": Each(NUMBER, 4),
                    "keypoints": Each(NUMBER),
                    "attributes": ATTRIBUTES,
                },
            )
        ),
    },
    {
        "categories": Each(
            Fields(
                {"id": ID, "name": TEXT},
                {"keypoints": Each(TEXT), "skeleton": Each(Each(WHOLE, 2))},
            )
        ),
        "videos": Each(Fields({"id": ID}, {"name": TEXT, "length": WHOLE})),
    },
)


def sniff(path: Path) -> bool:
    """Whether the file is a JSON object with lists of images and annotations."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def probe(path: Path) -> VideoInfo:
    """The video that the file tells of."""
    content = read_json(path, SHAPE)
    (video, *others) = content.get("videos") or [None]
    images = content["images"]
    if not images:
        raise InputError(f"{path}: images is empty: there is nothing that is labelled")
    size = images[0]["height"], images[0]["width"]
    names = [image["file_name"] for image in images]
    if video is None or others or not _numbered(images):
        return named_video(names, size, path)
    numbers, title = [image["frame_index"] for image in images], Path(video.get("name") or path)
    return named_video(names, size, title, numbers=numbers, frames=video.get("length") or 0)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The labels of every image that has any."""
    content = read_json(path, SHAPE)
    found = Collector(video, path)
    numbers = _numbers(content, video, path)
    known = _listed(content, path)
    counts: Counter[Hashable] = Counter()  # of bodies that nothing tells apart, by frame
    entries = [(n, e) for n, e in enumerate(content["annotations"]) if e["image_id"] in numbers]
    for n, entry in sorted(entries, key=lambda item: numbers[item[1]["image_id"]]):
        with found.at(f"annotations[{n}]"):
            _read(found, numbers[entry["image_id"]], entry, known[entry["category_id"]], counts)
    for n, image in enumerate(content["images"]):
        if image["id"] not in numbers or image.get("absent") is None:
            continue
        number = numbers[image["id"]]
        found.frame(number)
        for k, entry in enumerate(image["absent"]):
            with found.at(f"images[{n}].absent[{k}]"):
                _declare(found, entry["track_id"], entry, known[entry["category_id"]])
                found.mask(number, entry["track_id"], None, _detail(entry), joins=False)
    return found.annotations()


def _numbers(content: dict[str, Any], video: VideoInfo, path: Path) -> dict[Hashable, int]:
    """The frame of each image of the video, by its id."""
    images = list(enumerate(content["images"]))
    if videos := content.get("videos"):
        chosen = videos[
            choose_video([str(v.get("name", "")) for v in videos], video, f"{path}: videos")
        ]["id"]
        images = [(n, i) for n, i in images if i.get("video_id", chosen) in (chosen, None)]
    for n, image in images:
        what = f"{path}: images[{n}]"
        check_size((image["height"], image["width"]), video.size, what)
    if video.names is None and _numbered([image for _, image in images]):
        numbers = [
            check_number(i["frame_index"], video, f"{path}: images[{n}].frame_index")
            for n, i in images
        ]
    else:
        places = [f"images[{n}].file_name" for n, _ in images]
        files = [image["file_name"] for _, image in images]
        numbers = frame_numbers(files, video, path, places.__getitem__)
    found: dict[Hashable, int] = {}
    seen: set[int] = set()
    for (n, image), number in zip(images, numbers, strict=True):
        if image["id"] in found:
            raise InputError(f"{path}: images[{n}].id is {image['id']!r}, as that of another image")
        if number in seen:
            raise InputError(f"{path}: images[{n}] names frame {number} twice")
        found[image["id"]] = number
        seen.add(number)
    return found


def _listed(content: dict[str, Any], path: Path) -> dict[Hashable, dict[str, Any]]:
    """The categories by id, of which annotations must be, as of images."""
    images = {image["id"] for image in content["images"]}
    categories = {c["id"]: c for c in content.get("categories") or []}
    known = ", ".join(map(repr, list(categories)[:10])) or "none"
    places = [(f"annotations[{n}]", entry) for n, entry in enumerate(content["annotations"])]
    for n, image in enumerate(content["images"]):
        for k, entry in enumerate(image.get("absent") or []):
            places.append((f"images[{n}].absent[{k}]", entry))
    for at, entry in places:
        if entry.get("image_id") not in images and "image_id" in entry:
            raise InputError(
                f"{path}: {at}.image_id is {entry['image_id']!r}, an image that is not listed"
            )
        if entry["category_id"] not in categories:
            raise InputError(
                f"{path}: {at}.category_id is {entry['category_id']!r}, a category that is not "
                f"listed (there are {known})"
            )
    return categories


def _numbered(images: list[dict[str, Any]]) -> bool:
    return bool(images) and all(image.get("frame_index") is not None for image in images)


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
    found.mask(number, key, _mask(entry, found.video.size), _detail(entry), joins=track is None)


def _detail(entry: dict[str, Any]) -> Detail:
    """What an entry says of a mask beside its pixels."""
    attributes = entry.get("attributes") or {}
    state: State = "occluded" if attributes.get("occluded") else "present"
    origin = _origin(attributes.get("origin"), entry)
    return Detail(state, confidence_of(entry.get("score")), origin, bool(attributes.get("stale")))


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
        if odd := next((ring for ring in what if len(ring) % 2), None):
            raise ValueError(f"a polygon of {len(odd)} numbers, must be x and y in turn")
        rings = [fill([np.reshape(ring, (-1, 2))], size) for ring in what]
        return np.asarray(np.logical_or.reduce(rings))
    if entry.get("bbox") is None:
        raise ValueError("there is neither a segmentation nor a bbox")
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
        if not all(1 <= n <= len(names) for n in line):
            raise ValueError(f"the skeleton has a line {line}, must be of 1 to {len(names)}")
    lines = [(names[a - 1], names[b - 1]) for a, b in category.get("skeleton") or []]
    attributes = entry.get("attributes") or {}
    what = None if category["name"] == NOBODY else category["name"]
    found.body(("body", key), names, name=attributes.get("name"), category=what, lines=lines)
    scores = attributes.get("keypoint_scores") or [entry.get("score")] * len(names)
    origins = attributes.get("keypoint_origins") or [attributes.get("origin")] * len(names)
    stale = attributes.get("keypoint_stale") or [False] * len(names)
    hidden = attributes.get("keypoint_occluded") or [False] * len(names)
    said = zip(names, values.tolist(), scores, origins, stale, hidden, strict=True)
    for point, (x, y, seen), score, origin, old, covered in said:
        state: State = "occluded" if covered else STATES[int(seen)]
        detail = Detail(state, confidence_of(score), _origin(origin, entry), bool(old))
        found.point(number, ("body", key), point, (x, y) if seen else None, detail)
