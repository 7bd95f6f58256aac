"""YouTube-VIS (2019-2022) and OVIS: one entry an object, a list of its masks over the video.

A frame in which every mask is null is not labelled. Results, a bare list of entries, are read too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelkin.files import write_json
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import ID, NULL, RUNS, SIDE, TEXT, Each, Either, Fields
from pixelkin.formats.listed_frames import check_number, choose_video, frame_numbers, named_video
from pixelkin.formats.losses import label_of
from pixelkin.formats.writing import Writing
from pixelkin.ops import rle
from pixelkin.types import Annotations, Detail, InputError, VideoInfo

LOSES = (
    "points", "both", "colours", "parts", "origin", "stale", "confidence", "occluded", "gone",
    "empty",
)  # fmt: skip

ENTRY = Fields(
    {"video_id": ID, "category_id": ID,
     "segmentations": Each(
         Either("run lengths (size, counts) or null", {dict: RUNS, type(None): NULL}))},
    {"id": ID},
)  # fmt: skip
SHAPE = Fields(
    {
        "videos": Each(
            Fields({"id": ID, "width": SIDE, "height": SIDE, "file_names": Each(TEXT)}),
        ),
        "annotations": Each(ENTRY),
        "categories": Each(Fields({"id": ID, "name": TEXT})),
    }
)


def sniff(path: Path) -> bool:
    """Whether the file has entries with lists of segmentations, or videos and no images."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    if isinstance(content, list):
        return bool(content) and isinstance(content[0], dict) and "segmentations" in content[0]
    return (
        isinstance(content, dict)
        and {"videos", "annotations"} <= content.keys()
        and "images" not in content
    )


def probe(path: Path) -> VideoInfo | None:
    """The video that the file tells of; results tell of none."""
    if isinstance(read_json(path), list):
        return None
    (video, *others) = read_json(path, SHAPE)["videos"] or [None]
    if others or video is None:
        return None
    size, names = (video["height"], video["width"]), video["file_names"]
    return named_video(names, size, path, numbers=range(len(names)))


def load(path: Path, video: VideoInfo) -> Annotations:
    """The masks of every frame that shows an object."""
    if isinstance(read_json(path), list):
        results = read_json(path, Each(ENTRY))
        if len({entry["video_id"] for entry in results}) != 1:
            raise InputError(
                f"{path}: [0].video_id and others are of several videos: give those of one"
            )
        places = [f"[{n}]" for n in range(len(results))]
        return _read(path, video, results, places, {}, None)
    content = read_json(path, SHAPE)
    names = [_name(v["file_names"]) for v in content["videos"]]
    n = choose_video(names, video, f"{path}: videos")
    chosen = content["videos"][n]
    own = [k for k, e in enumerate(content["annotations"]) if e["video_id"] == chosen["id"]]
    categories = {c["id"]: c["name"] for c in content["categories"]}
    numbers = frame_numbers(
        chosen["file_names"], video, path, lambda k: f"videos[{n}].file_names[{k}]"
    )
    entries = [content["annotations"][k] for k in own]
    return _read(path, video, entries, [f"annotations[{k}]" for k in own], categories, numbers)


def save(path: Path, writing: Writing) -> None:
    """Write the masks of all objects, as strings of run lengths."""
    writing.check(path)
    video, length = writing.video, writing.length
    objects = list(writing.objects)
    categories = {label: i for i, label in enumerate(dict.fromkeys(map(label_of, objects)), 1)}
    shown: dict[int, dict[int, Any]] = {o.id: {} for o in objects}
    for frame in writing.frames():
        for o, mask in frame.masks():
            if mask.any():
                runs = rle.encode(mask)
                runs["counts"] = rle.compress(runs["counts"])
                shown[o.id][frame.number] = runs, list(rle.bounds(mask)), int(mask.sum())
    annotations = []
    for o in objects:
        found = [shown[o.id].get(t, (None, None, None)) for t in range(length)]
        annotations.append(
            {
                "id": o.id,
                "video_id": 1,
                "category_id": categories[label_of(o)],
                "iscrowd": 0,
                "width": video.width,
                "height": video.height,
                "length": 1,
                "segmentations": [runs for runs, _, _ in found],
                "bboxes": [box for _, box, _ in found],
                "areas": [area for _, _, area in found],
            }
        )
    name = Path(video.path).stem or path.stem
    told = {"id": 1, "width": video.width, "height": video.height, "length": length}
    files = [f"{name}/{writing.stem(t)}.jpg" for t in range(length)]
    content = {
        "info": {"description": f"pixelkin, labels of {name}"},
        "licenses": [],
        "videos": [{**told, "file_names": files}],
        "categories": [
            {"id": i, "name": label, "supercategory": "object"} for label, i in categories.items()
        ],
        "annotations": annotations,
    }
    write_json(path, content, indent=None)


def _name(files: list[str]) -> str:
    return Path(files[0]).parent.name if files else ""


def _read(
    path: Path,
    video: VideoInfo,
    entries: list[dict[str, Any]],
    places: list[str],
    categories: dict[int, str],
    numbers: list[int] | None,
) -> Annotations:
    found = Collector(video, path)
    seen: set[object] = set()
    for n, (entry, at) in enumerate(zip(entries, places, strict=True), start=1):
        key = entry.get("id") or n
        if key in seen:
            raise InputError(f"{path}: {at}.id is {key!r}, as that of another object")
        seen.add(key)
        category = entry["category_id"]
        found.object(key, category=categories.get(category, f"category {category}"))
        score = confidence_of(entry.get("score"))
        detail = Detail("present", score, "given" if score is None else "propagated")
        masks = entry["segmentations"]
        if numbers is not None and len(masks) != len(numbers):
            there = f"a list of {len(masks)}, must be one of {len(numbers)}, as the video has files"
            raise InputError(f"{path}: {at}.segmentations is {there}")
        for place, runs in enumerate(masks):
            if runs is not None:
                with found.at(f"{at}.segmentations[{place}]"):
                    number = place if numbers is None else numbers[place]
                    number = check_number(number, video, found.here)
                    found.mask(number, key, runs, detail, joins=False)
    return found.annotations()
