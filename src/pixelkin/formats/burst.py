"""BURST, which Cutie writes too: one dict of masks an annotated frame, by id of the track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelkin.files import write_json
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.listed_frames import choose_video, frame_numbers, named_video
from pixelkin.formats.writing import Writing, label_of
from pixelkin.ops import rle
from pixelkin.types import Annotations, Detail, Origin, VideoInfo, check_size

LOSES = ("points", "both", "colours", "parts", "stale", "occluded")


def sniff(path: Path) -> bool:
    """Whether the file is a JSON object with sequences."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and "sequences" in content


def probe(path: Path) -> VideoInfo | None:
    """The video that the file tells of, if that is one."""
    (sequence, *others) = read_json(path)["sequences"]
    size = sequence["height"], sequence["width"]
    return None if others else named_video(sequence["all_image_paths"], size, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The masks of every annotated frame."""
    content = read_json(path)
    names = [s["seq_name"] for s in content["sequences"]]
    sequence = content["sequences"][choose_video(names, video, path)]
    size = sequence["height"], sequence["width"]
    check_size(size, video.size, str(path))
    categories = {c["id"]: c["name"] for c in content.get("categories") or []}
    numbers = frame_numbers(sequence["annotated_image_paths"], video, path)
    found = Collector(video, path)
    for track, category in sequence["track_category_ids"].items():
        found.object(int(track), category=categories.get(category, f"category {category}"))
    for number, masks in zip(numbers, sequence["segmentations"], strict=True):
        found.frame(number)
        for track, entry in masks.items():
            origin: Origin = "given" if entry.get("is_gt", True) else "propagated"
            detail = Detail("present", confidence_of(entry.get("score")), origin)
            runs = {"size": size, "counts": entry["rle"]}
            found.object(int(track))
            found.mask(number, int(track), runs, detail, joins=False)
    return found.annotations()


def save(path: Path, writing: Writing) -> None:
    """Write the masks of every labelled frame, as strings of run lengths."""
    writing.check(path)
    video = writing.video
    objects = list(writing.objects)
    categories = {label: i for i, label in enumerate(dict.fromkeys(map(label_of, objects)), 1)}
    numbers: list[int] = []
    segmentations: list[dict[str, Any]] = []
    for frame in writing.frames():
        masks = {}
        for o, mask in frame.masks():
            if mask.any():
                detail = writing.detail(frame.number, o)
                masks[str(o.id)] = {
                    "rle": rle.compress(rle.encode(mask)["counts"]),
                    "is_gt": detail.origin == "given",
                    **({} if detail.confidence is None else {"score": detail.confidence}),
                }
        numbers.append(frame.number)
        segmentations.append(masks)
    sequence = {
        "id": 1,
        "seq_name": Path(video.path).stem or path.stem,
        "dataset": "pixelkin",
        "fps": video.fps,
        "width": video.width,
        "height": video.height,
        "all_image_paths": [f"{writing.stem(t)}.jpg" for t in range(writing.length)],
        "annotated_image_paths": [f"{writing.stem(t)}.jpg" for t in numbers],
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [],
        "track_category_ids": {str(o.id): categories[label_of(o)] for o in objects},
        "segmentations": segmentations,
    }
    content = {
        "split": "val",
        "categories": [{"id": i, "name": label} for label, i in categories.items()],
        "sequences": [sequence],
    }
    write_json(path, content, indent=None)
