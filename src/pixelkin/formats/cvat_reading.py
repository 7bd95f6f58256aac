"""CVAT's XML 1.1, as it is read: both dialects, whoever wrote it.

Of tracks, keyframes are labels, and what CVAT interpolated between them results; what is outside is
absent. Polygons and boxes become masks.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.collecting import Collector
from pixelkin.formats.cvat import EDGE, is_outside, without_end
from pixelkin.formats.listed_frames import check_number, frame_numbers, named_video
from pixelkin.ops import rle
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.reading import LABELS_BYTES, check_file
from pixelkin.types import Annotations, Detail, InputError, State, VideoInfo, check_size
from pixelkin.video.images import natural_key

DIGITS = re.compile("[0-9]{1,7}")  # of the id of an image, which is the number of its frame
HEAD = 4096  # bytes, in which the root is


def sniff(path: Path) -> bool:
    """Whether the file is XML with annotations as its root."""
    if path.suffix.lower() != ".xml":
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    return b"<annotations" in head and (b"<version>" in head or b"<meta>" in head)


def probe(path: Path) -> VideoInfo | None:
    """The video that the file tells of."""
    root = _parsed(path)
    images = root.findall("image")
    if images:
        size = int(images[0].attrib["height"]), int(images[0].attrib["width"])
        names = [image.attrib["name"] for image in images]
        ids = [int(i) for i in (image.get("id", "") for image in images) if DIGITS.fullmatch(i)]
        # CVAT may sort images otherwise than a folder is read here, and then number them otherwise.
        order = sorted(names, key=lambda name: natural_key(Path(name)))
        alike = len(set(ids)) == len(images) and order == [
            n for _, n in sorted(zip(ids, names, strict=True))
        ]
        return named_video(names, size, path, numbers=ids if alike else None)
    width, height = (root.find(f".//original_size/{side}") for side in ("width", "height"))
    length = root.find(".//task/size")
    if width is None or height is None:
        return None
    frames = None if length is None else int(length.text or 0)
    return VideoInfo(str(path), int(width.text or 0), int(height.text or 0), frames)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The shapes of images, and those of tracks."""
    root = _parsed(path)
    found = Collector(video, path)
    images = root.findall("image")
    names = [image.attrib["name"] for image in images]
    for image, number in zip(images, frame_numbers(names, video, path), strict=True):
        size = int(image.attrib["height"]), int(image.attrib["width"])
        check_size(size, video.size, f"{path}: {image.attrib['name']}")
        skeletons: Counter[str] = Counter()
        for shape in sorted(image, key=lambda s: int(s.get("z_order", 0))):
            label = shape.get("label", "")
            skeletons[label] += shape.tag == "skeleton"
            _read_in_image(found, number, label, skeletons[label], shape)
    for track in root.findall("track"):
        _read_track(found, track)
    return found.annotations()


def _parsed(path: Path) -> ET.Element:
    check_file(path, LABELS_BYTES)
    try:
        root: ET.Element = ET.parse(path, ET.XMLParser(target=_Careful())).getroot()
    except ET.ParseError as error:
        raise InputError(f"{path} is not XML: {error}") from error
    return root


class _Careful(ET.TreeBuilder):
    """Refuses documents with declarations of types, in which entities could be bombs."""

    def doctype(self, name: str, *_: str | None) -> NoReturn:
        """Called at such a declaration."""
        raise ValueError(f"its document type {name!r} is refused, CVAT writes none")


def _read_in_image(found: Collector, number: int, label: str, nth: int, shape: ET.Element) -> None:
    """A shape of an image; skeletons without a group are told apart by their order."""
    group = int(shape.get("group_id") or 0)
    detail = _detail(shape)
    if shape.tag == "skeleton":
        _read_skeleton(found, number, ("skeleton", label, group or -nth), label, shape)
    elif shape.tag == "points":
        _read_loose(found, number, ("points", label), label, shape, detail)
    elif (mask := _mask(shape, found.video.size)) is None:
        found.note(f"CVAT: shapes of type {shape.tag} are left out")
    else:
        key: Hashable = group or ("label", label)
        if not group:
            found.note("CVAT: shapes without a group_id are one object a label")
        found.object(key, label=label)
        found.mask(number, key, mask, detail)


def _read_track(found: Collector, track: ET.Element) -> None:
    label, key = track.get("label", ""), ("track", track.get("id"))
    shapes = [s for s in track if s.get("frame") is not None]
    for shape in without_end(shapes):
        number = check_number(int(shape.attrib["frame"]), found.video, found.source)
        given = shape.get("keyframe") == "1"
        detail = _detail(shape, "given" if given else "propagated")
        if shape.tag == "skeleton":
            _read_skeleton(found, number, key, label, shape, detail.origin)
        elif shape.tag == "points":
            _read_loose(found, number, key, label, shape, detail)
        else:
            mask = None if is_outside(shape) else _mask(shape, found.video.size)
            if mask is None and not is_outside(shape):
                found.note(f"CVAT: tracks of type {shape.tag} are left out")
                return
            found.object(key, label=label)
            found.mask(number, key, mask, detail, joins=False)


def _detail(shape: ET.Element, origin: str = "") -> Detail:
    """What a shape says of itself; `origin` is what its place among keyframes says."""
    state: State = "occluded" if shape.get("occluded") == "1" else "present"
    result = origin == "propagated" or shape.get("source") == "auto"
    gone = shape.get("outside") == "1"
    return Detail("absent" if gone else state, None, "propagated" if result else "given")


def _mask(shape: ET.Element, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The pixels of a shape; None where it has none."""
    told = shape.attrib
    if shape.tag == "mask":
        left, top, width, height = (int(told[k]) for k in ("left", "top", "width", "height"))
        runs = [int(word) for word in told["rle"].split(",")]
        return rle.decode_rows(runs, (left, top, width, height), size)
    if shape.tag == "polygon":
        return fill([_points(shape)], size)
    if shape.tag == "box" and not float(told.get("rotation", 0)):
        x, y, right, bottom = (float(told[k]) for k in ("xtl", "ytl", "xbr", "ybr"))
        return fill_box((x, y, right - x, bottom - y), size)
    return None


def _points(shape: ET.Element) -> list[list[float]]:
    pairs = (pair.split(",") for pair in shape.attrib["points"].split(";"))
    return [[float(x), float(y)] for x, y in pairs]


def _read_skeleton(
    found: Collector,
    number: int,
    key: Hashable,
    label: str,
    shape: ET.Element,
    origin: str = "",
) -> None:
    found.body(key, label=label)
    for part in shape.findall("points"):
        xy = None if part.get("outside") == "1" else [v - EDGE for v in _points(part)[0]]
        found.point(number, key, part.get("label", ""), xy, _detail(part, origin))


def _read_loose(
    found: Collector, number: int, key: Hashable, label: str, shape: ET.Element, detail: Detail
) -> None:
    """Points of no skeleton: the label is a name, with a number where there are several."""
    found.body(key)
    places = _points(shape)
    for n, place in enumerate(places):
        xy = None if is_outside(shape) else [v - EDGE for v in place]
        name = label if len(places) == 1 else f"{label} {n}"
        found.point(number, key, name, xy, detail)
