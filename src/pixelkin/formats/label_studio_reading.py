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
from pixelkin.formats.label_studio import EDGE, WHERE
from pixelkin.formats.listed_frames import check_number, choose_video, frame_numbers, named_video
from pixelkin.ops import brush
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.types import Annotations, Detail, Origin, VideoInfo, check_size

KNOWN = re.compile(r"(object|body)-(\d+)-")
BETWEEN = "Label Studio: what it shows between keyframes of a video is not read"


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
    for task in read_json(path):
        names.append(_image(task))
        for region, _ in _regions(task):
            if "original_width" in region:
                size = region["original_height"], region["original_width"]
    if size is None or not all(names):
        return None
    return named_video([name for name in names if name], size, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The regions of all tasks."""
    tasks = read_json(path)
    found = Collector(video, path)
    videos = [task for task in tasks if "video" in task["data"]]
    if videos:
        names = [PurePosixPath(_file(task["data"]["video"])).name for task in videos]
        for region, origin in _regions(videos[choose_video(names, video, path)]):
            _read_sequence(found, region, origin)
        return found.annotations()
    images = [_image(task) or "" for task in tasks]
    for task, number in zip(tasks, frame_numbers(images, video, path), strict=True):
        regions = list(_regions(task))
        if not regions and (task.get("annotations") or task.get("predictions")):
            found.frame(number)
        for region, origin in regions:
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


def _regions(task: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Origin]]:
    for origin, where in WHERE.items():
        for one in task.get(where) or []:
            for region in one["result"]:
                yield region, origin


def _label(value: dict[str, Any]) -> str:
    found = next((value[key] for key in value if key.endswith("labels")), None)
    return str(found[0]) if found else "object"


def _read_region(found: Collector, number: int, region: dict[str, Any], origin: Origin) -> None:
    value, kind = region["value"], region["type"]
    known = KNOWN.match(str(region.get("id", "")))
    detail = Detail("present", confidence_of(region.get("score")), origin)
    if kind == "keypointlabels":
        text = (region.get("meta") or {}).get("text")
        body: Hashable = known[2] if known else ("text", str(text))
        found.body(body, name=str(text[0]) if text else None)
        found.point(number, body, _label(value), _place(found, value), detail)
        return
    size = region["original_height"], region["original_width"]
    check_size(size, found.video.size, found.source)
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
    value, kind = region["value"], region["type"]
    if kind not in ("videorectangle", "videovector"):
        found.note(f"Label Studio: regions of type {kind} are left out")
        return
    known = KNOWN.match(str(region.get("id", "")))
    key: Hashable = int(known[2]) if known and known[1] == "object" else ("id", region.get("id"))
    sequence = value["sequence"]
    if any(b["frame"] > a["frame"] + 1 and a["enabled"] for a, b in pairwise(sequence)):
        found.note(BETWEEN)
    for shape in sequence:
        number = shape["frame"]
        number = check_number(
            number - 1 if type(number) is int else number, found.video, found.source
        )
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
