"""CVAT's XML 1.1, as it is written.

Masks go out as "CVAT for images", since in the dialect for videos CVAT keeps the first frame of a
mask alone. Keypoints without masks, and masks as polygons or boxes, go out as tracks of "CVAT for
video", with a keyframe at every label; a track ends, or pauses, with outside="1".
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write
from pixelkin.formats.bodies import Body, bodies, note_unplaced, point_name, point_names
from pixelkin.formats.losses import label_of
from pixelkin.formats.points_json import shortest
from pixelkin.formats.writing import Frame, Writing
from pixelkin.ops import rle
from pixelkin.types import Detail, InputError, Object
from pixelkin.video.palette import mask_colours

LOSES = (
    "both", "colours", "parts", "loose", "skeleton", "stale", "confidence", "hidden", "gone",
    "empty", "unseen", "unplaced",
)  # fmt: skip
EDGE = 0.5  # x and y count from the corner of the top-left pixel
STEM = "frame_{:06d}"
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def save(path: Path, writing: Writing) -> None:
    """Write in the dialect that keeps more of the labels."""
    writing.check(path)
    tracks = writing.shapes != "masks" or not any(o.is_map for o in writing.objects)
    if tracks and writing.images is not None:
        raise InputError(
            "cvat has tracks for a task of the video itself, without images (--images)"
        )
    _check_names(writing)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n')
        file.write(_text(_meta(writing, tracks)))
        for element in _tracks(writing) if tracks else _images(writing):
            file.write(_text(element))
        file.write("</annotations>\n")


def _check_names(writing: Writing) -> None:
    """Check that XML can hold all names.

    Raises:
        InputError: If one has a control character.
    """
    for o in writing.objects:
        for name in (o.name, o.category, o.parent):
            if name is not None and NO_XML.search(name):
                raise InputError(
                    f"cvat cannot hold the name {name!r}, as XML has no control characters: call "
                    f"it otherwise (convert --names {o.id}=NAME)"
                )


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode", short_empty_elements=False) + "\n"


def _meta(writing: Writing, tracks: bool) -> ET.Element:
    meta = ET.Element("meta")
    task = ET.SubElement(meta, "task")
    told = {
        "id": "1",
        "name": Path(writing.video.path).stem or "pixelkin",
        "size": str(writing.length),
        "mode": "interpolation" if tracks else "annotation",
        "start_frame": "0",
        "stop_frame": str(writing.length - 1),
    }
    for key, value in told.items():
        ET.SubElement(task, key).text = value
    labels = ET.SubElement(task, "labels")
    colours = mask_colours(writing.objects)
    kind = {"masks": "mask", "polygons": "polygon", "boxes": "rectangle"}[writing.shapes]
    known: set[str] = set()
    for o in (o for o in writing.objects if o.is_map):
        if label_of(o) not in known:
            known.add(label_of(o))
            colour = colours[o.id].tolist() if o.id < len(colours) else [0, 0, 0]
            _label(labels, label_of(o), kind, f"#{bytes(colour).hex()}")
    every = bodies(writing.objects)
    for label in dict.fromkeys(body.label for body in every):
        _label(labels, label, "skeleton")
        for name in point_names(b for b in every if b.label == label):
            ET.SubElement(_label(labels, name, "points"), "parent").text = label
    size = ET.SubElement(task, "original_size")
    ET.SubElement(size, "width").text = str(writing.video.width)
    ET.SubElement(size, "height").text = str(writing.video.height)
    return meta


def _label(labels: ET.Element, name: str, kind: str, colour: str = "") -> ET.Element:
    label = ET.SubElement(labels, "label")
    for key, value in (("name", name), ("color", colour), ("type", kind)):
        ET.SubElement(label, key).text = value
    ET.SubElement(label, "attributes")
    return label


def _images(writing: Writing) -> Iterator[ET.Element]:
    every = bodies(writing.objects)
    first = 1 + max((o.id for o in writing.objects if o.is_map), default=0)
    names = writing.named_images(STEM)
    if odd := [name for name in names.values() if NO_XML.search(name)]:
        raise InputError(f"cvat cannot hold the name of the image {odd[0]!r}: give it another")
    shown: set[Body] = set()
    for frame in writing.frames():
        image = _element(
            "image",
            id=frame.number,
            name=names[frame.number],
            width=writing.video.width,
            height=writing.video.height,
        )
        for o, mask in frame.masks():
            if mask.any():
                runs, (left, top, width, height) = rle.encode_rows(mask)
                detail = writing.detail(frame.number, o)
                box = {"left": left, "top": top, "width": width, "height": height}
                told = _told(detail, label=label_of(o), group_id=o.id)
                image.append(_element("mask", rle=", ".join(map(str, runs)), **box, **told))
        for group, body in enumerate(every, start=first):
            if (parts := _points(writing, frame, body)) is not None:
                told = {"label": body.label, "group_id": group}
                skeleton = _element("skeleton", source="manual", z_order=0, **told)
                skeleton.extend(parts)
                if not is_outside(skeleton):
                    shown.add(body)
                    image.append(skeleton)
        yield image
    note_unplaced(writing, every, shown)


def _tracks(writing: Writing) -> Iterator[ET.Element]:
    """The tracks of all objects and bodies; their shapes are few numbers a frame, or outlines."""
    if writing.shapes == "polygons":
        writing.losing("holes", "pieces")
    elif writing.shapes == "boxes":
        writing.losing("form")
    writing.losing("numbers")
    shapes: dict[object, list[ET.Element]] = {o.id: [] for o in writing.objects if o.is_map}
    every = bodies(writing.objects)
    for frame in writing.frames():
        for o, mask in frame.masks():
            if mask.any():
                shapes[o.id].append(_outline(writing, frame.number, o, mask))
            elif shapes[o.id]:
                shapes[o.id].append(_outside(shapes[o.id][-1], frame.number))
        for body in every:
            if (parts := _points(writing, frame, body)) is not None:
                skeleton = _element("skeleton", frame=frame.number, keyframe=1, z_order=0)
                skeleton.extend(parts)
                shapes.setdefault(body.name, []).append(skeleton)
    writing.keeping("empty")
    told = {int(s.get("frame", 0)) for shapes_of in shapes.values() for s in without_end(shapes_of)}
    for number in set(writing.numbers) - told:
        writing.drop("empty", number)
    named = {key for key, found in shapes.items() if without_end(found)}
    note_unplaced(writing, every, {body for body in every if body.name in named})
    labels: dict[object, str] = {o.id: label_of(o) for o in writing.objects if o.is_map}
    labels |= {body.name: body.label for body in every}
    for n, (key, found) in enumerate(shapes.items()):
        track = _element("track", id=n, label=labels[key], source="manual")
        track.extend(found)
        after = 1 + int(found[-1].get("frame", 0)) if found else 0
        if found and after < writing.length and found[-1].get("outside") != "1":
            track.append(_outside(found[-1], after))
        yield track


def _outline(writing: Writing, number: int, o: Object, mask: NDArray[np.bool_]) -> ET.Element:
    told = _told(writing.detail(number, o), frame=number, keyframe=1, outside=0)
    if writing.shapes == "polygons":
        ring = writing.outline(number, o, mask).tolist()
        return _element("polygon", points=_pairs(ring), **told)
    left, top, width, height = rle.bounds(mask)
    if mask.sum() < width * height:
        writing.lose("form", (number, o.id))
    corners = {"xtl": left, "ytl": top, "xbr": left + width, "ybr": top + height}
    return _element("box", **corners, **told)


def without_end(shapes: list[ET.Element]) -> list[ET.Element]:
    """The shapes of a track, by their frames, but for those at its end that show nothing."""
    shapes = sorted(shapes, key=lambda shape: int(shape.attrib["frame"]))
    while shapes and is_outside(shapes[-1]):
        shapes.pop()
    return shapes


def is_outside(shape: ET.Element) -> bool:
    """Whether a shape of a track says that nothing is there."""
    if shape.tag == "skeleton":
        return all(part.get("outside") == "1" for part in shape)
    return shape.get("outside") == "1"


def _outside(shape: ET.Element, number: int) -> ET.Element:
    """The same shape in a later frame, in which the object is not."""
    gone = ET.Element(shape.tag, {**shape.attrib, "frame": str(number), "keyframe": "1"})
    if shape.tag == "skeleton":
        gone.extend(ET.Element("points", {**part.attrib, "outside": "1"}) for part in shape)
    else:
        gone.set("outside", "1")
    return gone


def _points(writing: Writing, frame: Frame, body: Body) -> list[ET.Element] | None:
    """The points of a body in a frame, those that are absent outside; None without labels."""
    places = frame.places()
    if not any(o.id in places for o in body.points):
        return None
    there = np.array([places.get(o.id, (np.nan, np.nan)) for o in body.points])
    seen = np.isfinite(there).all(axis=1)
    middle = there[seen].mean(axis=0) if seen.any() else np.zeros(2)
    parts = []
    for n, o in enumerate(body.points):
        told = _told(writing.detail(frame.number, o), label=point_name(body, n), keyframe=1)
        place = there[n] if seen[n] else middle
        points = _pairs([[v + EDGE for v in place.tolist()]])
        parts.append(_element("points", outside=int(not seen[n]), points=points, **told))
    return parts


def _told(detail: Detail, **values: object) -> dict[str, object]:
    """What every shape says of itself."""
    source = "manual" if detail.origin == "given" else "auto"
    occluded = int(detail.state == "occluded")
    return {**values, "source": source, "occluded": occluded, "z_order": 0}


def _pairs(points: Iterable[Iterable[float]]) -> str:
    return ";".join(",".join(f"{shortest(v):g}" for v in point) for point in points)


def _element(tag: str, **attributes: Any) -> ET.Element:
    return ET.Element(tag, {key: str(value) for key, value in attributes.items()})
