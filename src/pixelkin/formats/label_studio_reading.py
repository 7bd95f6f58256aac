"""Label Studio's JSON, as it is read: tasks of the frames of a video, or of the video itself.

Brushes, polygons and rectangles become masks. On videos the keyframes are read; what Label Studio
shows between them is not.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import (
    ANY,
    ID,
    NUMBER,
    SIDE,
    TEXT,
    TRUTH,
    WHOLE,
    Each,
    Fields,
    Kinds,
    Shape,
)
from pixelkin.formats.label_studio import EDGE, WHERE
from pixelkin.formats.listed_frames import check_number, choose_video, frame_numbers, named_video
from pixelkin.ops import brush
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.types import Annotations, Detail, InputError, Origin, VideoInfo, check_size

KNOWN = re.compile(r"(object|body)-(\d+)-")
BETWEEN = "Label Studio: what it shows between keyframes of a video is not read"


def _of_image(value: Fields) -> Fields:
    return Fields(SIDES | {"value": value}, COMMON)


def _of_video(shape: Fields) -> Fields:
    named = {"labels": Each(TEXT)}
    return Fields({"value": Fields({"sequence": Each(shape)}, named)}, COMMON)


XY: dict[str, Shape] = {"x": NUMBER, "y": NUMBER}
BOX: dict[str, Shape] = XY | {"width": NUMBER, "height": NUMBER}
SIDES: dict[str, Shape] = {"original_width": SIDE, "original_height": SIDE}
COMMON: dict[str, Shape] = SIDES | {"id": ID, "meta": Fields({}, {"text": Each(ANY)})}
KEY: dict[str, Shape] = {"frame": WHOLE}
TURNED: dict[str, Shape] = {"rotation": NUMBER, "enabled": TRUTH}
REGION = Kinds(
    "type",
    {
        "keypointlabels": Fields(
            {"value": Fields(XY, {"keypointlabels": Each(TEXT)})}, COMMON
        ),
        "brushlabels": _of_image(
            Fields({}, {"format": TEXT, "rle": Each(WHOLE), "brushlabels": Each(TEXT)})
        ),
        "polygonlabels": _of_image(
            Fields({"points": Each(Each(NUMBER, 2))}, {"polygonlabels": Each(TEXT)})
        ),
        "rectanglelabels": _of_image(
            Fields(BOX, {"rotation": NUMBER, "rectanglelabels": Each(TEXT)})
        ),
        "videorectangle": _of_video(Fields(KEY | BOX, TURNED)),
        "videovector": _of_video(
            Fields(KEY | {"vertices": Each(Fields(XY | {"id": ID}))},
                   {"closed": TRUTH, "enabled": TRUTH})
        ),
    },
    Fields({}, SIDES),
)  # fmt: skip
RESULTS = Each(Fields({"result": Each(REGION)}))
SHAPE = Each(
    Fields(
        {"data": Fields({}, {"image": TEXT, "video": TEXT})},
        {"annotations": RESULTS, "predictions": RESULTS},
    )
)


def sniff(path: Path) -> bool:
    """Whether the file is a list of tasks."""
    if path.suffix.lower() != ".json":
        return False
    content = read_json(path)
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "data" in first


def probe(path: Path) -> VideoInfo | None:
    """The video that the tasks tell of: sizes are those of regions on images."""
    names = []
    size = None
    for task in read_json(path, SHAPE):
        names.append(_image(task))
        for region, _, _ in _regions(task):
            if region.get("original_width") is not None and "original_height" in region:
                size = region["original_height"], region["original_width"]
    if size is None or not all(names):
        return None
    return named_video([name for name in names if name], size, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The regions of all tasks."""
    tasks = read_json(path, SHAPE)
    found = Collector(video, path)
    videos = [n for n, task in enumerate(tasks) if task["data"].get("video") is not None]
    if videos:
        names = [PurePosixPath(_file(tasks[n]["data"]["video"])).name for n in videos]
        n = videos[choose_video(names, video, path)]
        for region, origin, at in _regions(tasks[n]):
            with found.at(f"[{n}].{at}"):
                _read_sequence(found, region, origin)
        return found.annotations()
    images = [_image(task) for task in tasks]
    if None in images:
        n = images.index(None)
        raise InputError(f"{path}: [{n}].data has no image or video, which would say what it is of")
    numbers = frame_numbers([str(i) for i in images], video, path, lambda n: f"[{n}].data.image")
    for n, (task, number) in enumerate(zip(tasks, numbers, strict=True)):
        regions = list(_regions(task))
        if not regions and (task.get("annotations") or task.get("predictions")):
            found.frame(number)
        for region, origin, at in regions:
            with found.at(f"[{n}].{at}"):
                _read_region(found, number, region, origin)
    return found.annotations()


def _image(task: dict[str, Any]) -> str | None:
    """Path of the image of a task."""
    image = task["data"].get("image")
    return None if image is None else _file(image)


def _file(address: str) -> str:
    """The path in an address, which for local files is in its query."""
    parts = urlsplit(address)
    return parse_qs(parts.query).get("d", [parts.path])[0]


def _regions(task: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Origin, str]]:
    """Each region, where it comes from, and where it is in the task."""
    for origin, where in WHERE.items():
        for n, one in enumerate(task.get(where) or []):
            for k, region in enumerate(one["result"]):
                yield region, origin, f"{where}[{n}].result[{k}]"


def _label(value: dict[str, Any]) -> str:
    found = next((value[key] for key in value if key.endswith("labels") and value[key]), None)
    return str(found[0]) if found else "object"


def _read_region(found: Collector, number: int, region: dict[str, Any], origin: Origin) -> None:
    kind = region["type"]
    if kind not in REGION.by:
        found.note(f"Label Studio: regions of type {kind} are left out")
        return
    value = region["value"]
    known = KNOWN.match(str(region.get("id", "")))
    detail = Detail("present", confidence_of(region.get("score")), origin)
    if kind == "keypointlabels":
        text = (region.get("meta") or {}).get("text")
        body: Hashable = known[2] if known else ("text", str(text))
        found.body(body, name=str(text[0]) if text else None)
        found.point(number, body, _label(value), _place(found, value), detail)
        return
    size = region["original_height"], region["original_width"]
    check_size(size, found.video.size, found.here)
    mask = _mask(value, kind, found.video.size)
    if mask is None:
        found.note(f"Label Studio: regions of type {kind} are left out")
        return
    key: Hashable = int(known[2]) if known else ("label", _label(value))
    found.object(key, label=_label(value))
    found.mask(number, key, mask, detail)


def _place(found: Collector, value: dict[str, Any]) -> list[float]:
    """x and y of a point in pixels."""
    height, width = found.video.size
    return [float(value["x"]) / 100 * width - EDGE, float(value["y"]) / 100 * height - EDGE]


def _mask(value: dict[str, Any], kind: str, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    scale = np.array(size[::-1]) / 100
    if kind == "brushlabels" and value.get("format") == "rle":
        return brush.decode(value["rle"], size)
    if kind == "polygonlabels":
        return fill([np.asarray(value["points"], dtype=float) * scale], size)
    if kind in ("rectanglelabels", "videorectangle") and not value.get("rotation"):
        corner = np.array([value["x"], value["y"]], dtype=float) * scale
        side = np.array([value["width"], value["height"]], dtype=float) * scale
        return fill_box([*corner.tolist(), *side.tolist()], size)
    if kind == "videovector" and value.get("closed"):
        ring = [[vertex["x"], vertex["y"]] for vertex in value["vertices"]]
        return fill([np.array(ring, dtype=float) * scale], size)
    return None


def _read_sequence(found: Collector, region: dict[str, Any], origin: Origin) -> None:
    """A region of a video."""
    kind = region["type"]
    if kind not in ("videorectangle", "videovector"):
        found.note(f"Label Studio: regions of type {kind} are left out")
        return
    value = region["value"]
    known = KNOWN.match(str(region.get("id", "")))
    key: Hashable = int(known[2]) if known and known[1] == "object" else ("id", region.get("id"))
    sequence = value["sequence"]
    if any(b["frame"] > a["frame"] + 1 and a.get("enabled", True) for a, b in pairwise(sequence)):
        found.note(BETWEEN)
    for shape in sequence:
        number = check_number(shape["frame"] - 1, found.video, found.here)
        detail = Detail("present", None, origin)
        if "vertices" in shape and not shape.get("closed"):
            body = ("body", known[2] if known else region.get("id"))
            found.body(body, label=_label(value))
            for vertex in shape["vertices"]:
                found.point(number, body, str(vertex["id"]), _place(found, vertex), detail)
            continue
        mask = _mask(shape, kind, found.video.size)
        if mask is None:
            found.note("Label Studio: rectangles that are turned are left out")
            continue
        found.object(key, label=_label(value))
        found.mask(number, key, mask, detail)
