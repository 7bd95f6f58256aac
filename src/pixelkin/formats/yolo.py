"""YOLO's segmentation and pose: FOLDER/labels/STEM.txt, an instance a line, and data.yaml.

    class x1 y1 x2 y2 ...                 segmentation: the outline of the largest piece
    class cx cy w h x1 y1 v1 x2 ...       pose: a box, then points; v is 0 absent, 1 hidden, 2 there

All are shares of the width and height, from the corner of the top-left pixel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pixelkin.files import write_text
from pixelkin.formats.bodies import Body, bodies, note_unplaced, point_name, point_names
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.listed_frames import frame_numbers, pictured_video
from pixelkin.formats.losses import label_of
from pixelkin.formats.writing import Frame, Writing
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.reading import parse_yaml, read_text
from pixelkin.types import Annotations, Detail, InputError, Origin, State, VideoInfo
from pixelkin.video.images import natural_key

LOSES = (
    "ids", "both", "colours", "parts", "loose", "skeleton", "origin", "stale", "confidence",
    "hidden", "gone", "holes", "pieces", "unseen", "unplaced",
)  # fmt: skip
IMAGES, LABELS, DATA = "images", "labels", "data.yaml"
STATES: tuple[State, ...] = ("absent", "occluded", "present")


def sniff(path: Path) -> bool:
    """Whether the folder has labels/*.txt and data.yaml."""
    return (path / DATA).is_file() and (path / LABELS).is_dir()


def probe(path: Path) -> VideoInfo | None:
    """The video that the files tell of, if an image of theirs is there."""
    files = sorted((path / LABELS).glob("*.txt"), key=natural_key)
    return pictured_video([file.name for file in files], path / IMAGES, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The instances of every frame that has a file.

    Nothing says which is which from frame to frame: those of a class are counted as they stand.
    """
    try:
        data = parse_yaml(read_text(path / DATA))
    except yaml.YAMLError as error:
        raise InputError(f"{path / DATA} is not YAML: {error}") from error
    names = data["names"]
    names = dict(enumerate(names)) if isinstance(names, list) else names
    shape = data.get("kpt_shape")
    points = {c: _point_names(data, c, shape[0]) for c in names} if shape else {}
    files = sorted((path / LABELS).glob("*.txt"), key=natural_key)
    found = Collector(video, path)
    for file, number in zip(
        files, frame_numbers([f.name for f in files], video, path), strict=True
    ):
        if not shape:
            found.frame(number)
        counts: dict[int, int] = {}
        for line in filter(None, map(str.split, read_text(file).splitlines())):
            label, values = _numbers(line, file)
            nth = counts[label] = counts.get(label, -1) + 1
            if label not in names:
                raise ValueError(f"{file.name}: class {label} is not one of {DATA}'s names")
            name = str(names[label])
            if shape:
                _read_pose(found, number, (label, nth), name, points[label], values, shape[1])
            else:
                _read_mask(found, number, (label, nth), name, values)
    return found.annotations()


def _numbers(line: list[str], file: Path) -> tuple[int, list[float]]:
    """The class of a line, and its numbers."""
    try:
        label, values = int(line[0]), [float(word) for word in line[1:]]
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error
    if not np.isfinite(values).all():
        raise ValueError(f"{file.name}: a line of class {label} has numbers that are not finite")
    return label, values


def save(path: Path, writing: Writing) -> None:
    """Write outlines, or keypoints; not both, as YOLO has one task at a time."""
    every = bodies(writing.objects)
    if every and any(o.is_map for o in writing.objects):
        raise InputError("yolo holds either masks or keypoints: these labels have both")
    writing.images_are_in(writing.real(path) / IMAGES)
    writing.losing("empty" if every else "occluded")
    images = writing.named_images("frame_{:06d}")
    files = {number: path / LABELS / f"{Path(name).stem}.txt" for number, name in images.items()}
    writing.check(path / DATA, *files.values())
    names = [body.label for body in every] or [label_of(o) for o in writing.objects]
    classes = {name: n for n, name in enumerate(dict.fromkeys(names))}
    points = point_names(every)
    shown: set[Body] = set()
    for frame in writing.frames():
        lines = []
        for o, mask in frame.masks():
            if mask.any():
                ring = writing.outline(frame.number, o, mask) / writing.video.size[::-1]
                lines.append(_line(classes[label_of(o)], ring.ravel().tolist()))
        for body in every:
            if values := _pose(writing, frame, body, points):
                lines.append(_line(classes[body.label], values))
                shown.add(body)
        write_text(files[frame.number], "".join(lines))
    note_unplaced(writing, every, shown)
    data: dict[str, Any] = {"train": IMAGES, "val": IMAGES}  # beside this file, wherever it is
    data["names"] = {n: name for name, n in classes.items()}
    if every:
        data["kpt_shape"] = [len(points), 3]
        data["kpt_names"] = {n: list(points) for n in classes.values()}
    plain = all(name.isprintable() for name in (*classes, *points))  # others YAML would change
    write_text(path / DATA, yaml.safe_dump(data, sort_keys=False, allow_unicode=plain))


def _line(label: int, values: list[float]) -> str:
    return " ".join([str(label), *(f"{value:.8g}" for value in values)]) + "\n"


def _pose(writing: Writing, frame: Frame, body: Body, names: tuple[str, ...]) -> list[float] | None:
    """The numbers of a body in a frame; None where none of its points is there."""
    places = frame.places()
    mine = {point_name(body, n): o for n, o in enumerate(body.points) if o.id in places}
    values: list[float] = []
    for name in names:
        x, y = places[mine[name].id] if name in mine else (np.nan, np.nan)
        if np.isfinite(x):
            hidden = writing.detail(frame.number, mine[name]).state == "occluded"
            x, y = (np.array([x, y]) + 0.5) / writing.video.size[::-1]
            values += [x, y, 1 if hidden else 2]
        else:
            values += [0, 0, 0]
    there = np.reshape(values, (-1, 3))
    there = there[there[:, 2] > 0, :2]
    if not len(there):
        return None
    low, high = there.min(axis=0), there.max(axis=0)
    return [*((low + high) / 2).tolist(), *(high - low).tolist(), *values]


def _point_names(data: dict[str, Any], label: int, count: int) -> list[str]:
    names = (data.get("kpt_names") or {}).get(label) or range(count)
    return [str(name) for name in names]


def _read_mask(
    found: Collector, number: int, key: tuple[int, int], name: str, values: list[float]
) -> None:
    scale = np.array(found.video.size[::-1])
    found.object(key, label=name)
    if len(values) in (4, 5):
        found.note("YOLO: boxes are read as filled rectangles")
        centre, side = np.array(values[:2]) * scale, np.array(values[2:4]) * scale
        mask = fill_box([*(centre - side / 2).tolist(), *side.tolist()], found.video.size)
    else:
        ring = np.reshape(values[: len(values) // 2 * 2], (-1, 2)) * scale
        mask = fill([ring], found.video.size)
    scored = len(values) % 2 == 1
    confidence = confidence_of(values[-1]) if scored else None
    origin: Origin = "propagated" if scored else "given"
    found.mask(number, key, mask, Detail("present", confidence, origin))


def _read_pose(
    found: Collector,
    number: int,
    key: tuple[int, int],
    label: str,
    names: list[str],
    values: list[float],
    columns: int,
) -> None:
    found.body(key, names, label=label)
    points = np.reshape(values[4 : 4 + columns * len(names)], (len(names), columns))
    scale = np.array(found.video.size[::-1])
    for name, point in zip(names, points, strict=True):
        state = STATES[int(point[2])] if columns == 3 else "present"
        xy = None if state == "absent" else (point[:2] * scale - 0.5).tolist()
        found.point(number, key, name, xy, Detail(state))
