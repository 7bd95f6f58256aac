"""BURST, which Cutie writes too: one dict of masks an annotated frame, by id of the track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelkin.files import write_json
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import ID, SIDE, TEXT, Each, Fields, Keyed
from pixelkin.formats.listed_frames import choose_video, frame_numbers, named_video
from pixelkin.formats.losses import label_of
from pixelkin.formats.writing import Writing
from pixelkin.ops import rle
from pixelkin.types import Annotations, Detail, InputError, Origin, VideoInfo, check_size

LOSES = ("points", "both", "colours", "parts", "stale", "occluded", "gone")

SHAPE = Fields(
    {
        "sequences": Each(
            Fields(
                {
                    "seq_name": TEXT,
                    "width": SIDE,
                    "height": SIDE,
                    "annotated_image_paths": Each(TEXT),
                    "track_category_ids": Keyed(ID),
                    "segmentations": Each(Keyed(Fields({"rle": TEXT}))),
                },
                {"all_image_paths": Each(TEXT)},
            )
        )
    },
    {"categories": Each(Fields({"id": ID, "name": TEXT}))},
)


def sniff(path: Path) -> bool:
    """Whether the file is a JSON object with sequences."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    return isinstance(content, dict) and "sequences" in content


def probe(path: Path) -> VideoInfo | None:
    """The video that the file tells of, if that is one."""
    (sequence, *others) = read_json(path, SHAPE)["sequences"] or [None]
    if sequence is None or others:
        return None
    size = sequence["height"], sequence["width"]
    if every := sequence.get("all_image_paths"):
        return named_video(every, size, path, numbers=range(len(every)))
    return named_video(sequence["annotated_image_paths"], size, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The masks of every annotated frame."""
    content = read_json(path, SHAPE)
    names = [s["seq_name"] for s in content["sequences"]]
    n = choose_video(names, video, f"{path}: sequences")
    sequence, at = content["sequences"][n], f"sequences[{n}]"
    size = sequence["height"], sequence["width"]
    check_size(size, video.size, f"{path}: {at}")
    categories = {c["id"]: c["name"] for c in content.get("categories") or []}
    files, masks_of = sequence["annotated_image_paths"], sequence["segmentations"]
    numbers = frame_numbers(files, video, path, lambda k: f"{at}.annotated_image_paths[{k}]")
    if len(files) != len(masks_of):
        there = f"a list of {len(masks_of)}, must be one of {len(files)}, as annotated_image_paths"
        raise InputError(f"{path}: {at}.segmentations is {there}")
    found = Collector(video, path)
    for track, category in sequence["track_category_ids"].items():
        found.object(int(track), category=categories.get(category, f"category {category}"))
    for k, (number, masks) in enumerate(zip(numbers, masks_of, strict=True)):
        found.frame(number)
        for track, entry in masks.items():
            origin: Origin = "given" if entry.get("is_gt", True) else "propagated"
            detail = Detail("present", confidence_of(entry.get("score")), origin)
            runs = {"size": size, "counts": entry["rle"]}
            with found.at(f'{at}.segmentations[{k}]["{track}"].rle'):
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
