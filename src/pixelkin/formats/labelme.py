"""LabelMe (5 to 7): a folder with one JSON file a frame, beside the frames.

Masks are `mask` shapes, in the box of whole pixels around them; polygons would not do, as LabelMe
counts their border as inside. group_id is the object's id; bodies follow the objects. The name of a
body is in "description"; "score" is an addition that LabelMe 7 keeps.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.files import write_json
from pixelkin.formats.bodies import bodies, point_name
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.image_files import frame_file
from pixelkin.formats.json_file import read_json
from pixelkin.formats.json_shape import ID, NUMBER, SIDE, TEXT, Each, Fields, Kinds, Shape
from pixelkin.formats.listed_frames import frame_numbers, named_video
from pixelkin.formats.losses import label_of
from pixelkin.formats.points_json import shortest
from pixelkin.formats.writing import Frame, Writing
from pixelkin.ops import rle
from pixelkin.ops.outlines import fill, fill_box
from pixelkin.types import Annotations, Detail, InputError, VideoInfo, check_size
from pixelkin.video.images import BROKEN, natural_key

LOSES = (
    "both", "colours", "parts", "loose", "skeleton", "stale", "hidden", "gone", "unseen",
    "unplaced",
)  # fmt: skip
VERSION = "6.3.1"
EDGE = 0.5  # x and y count from the corner of the top-left pixel


def _shaped(points: int | None, **needed: Shape) -> Fields:
    """A shape of so many points."""
    told: dict[str, Shape] = {"label": TEXT, "points": Each(Each(NUMBER, 2), points)}
    known: dict[str, Shape] = {"group_id": ID, "flags": Fields(), "description": TEXT}
    return Fields(told | needed, known)


KINDS = {
    "point": _shaped(1),
    "mask": _shaped(2, mask=TEXT),
    "rectangle": _shaped(2),
    "circle": _shaped(2),
    "oriented_rectangle": _shaped(4),
    "polygon": _shaped(None),
}
SHAPE = Fields(
    {
        "imagePath": TEXT,
        "imageHeight": SIDE,
        "imageWidth": SIDE,
        "shapes": Each(Kinds("shape_type", KINDS, default="polygon")),
    }
)


def sniff(path: Path) -> bool:
    """Whether the folder has JSON files with shapes."""
    return bool(_files(path))


def probe(path: Path) -> VideoInfo:
    """The video that the files tell of."""
    files = _own(path)
    content = read_json(files[0], SHAPE)
    size = content["imageHeight"], content["imageWidth"]
    return named_video((file.name for file in files), size, path)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The shapes of every frame that has a file."""
    files = _own(path)
    found = Collector(video, path)
    for file, number in zip(
        files, frame_numbers([f.name for f in files], video, path), strict=True
    ):
        content = read_json(file, SHAPE)
        check_size(
            (content["imageHeight"], content["imageWidth"]), video.size, f"{file}: imageHeight"
        )
        points = [shape for shape in content["shapes"] if shape.get("shape_type") == "point"]
        if len(points) < len(content["shapes"]) or not points:
            found.frame(number)
        for n, shape in enumerate(content["shapes"]):
            with found.at(f"shapes[{n}]", file):
                _read(found, number, shape)
    return found.annotations()


def save(path: Path, writing: Writing) -> None:
    """Write the masks and keypoints of every labelled frame."""
    images = writing.named_images("{:05d}")
    files = {number: path / f"{Path(name).stem}.json" for number, name in images.items()}
    writing.check(*files.values())
    for frame in writing.frames():
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": _shapes(writing, frame),
            "imagePath": _image(writing, frame.number, images[frame.number], path),
            "imageData": None,
            "imageHeight": writing.video.height,
            "imageWidth": writing.video.width,
        }
        write_json(files[frame.number], content, indent=None)


def _files(path: Path) -> list[Path]:
    """The files of a folder that are LabelMe's."""
    found = []
    for file in sorted(path.glob("*.json"), key=natural_key):
        content = None if file.name.startswith(".") else read_json(file)
        if isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys():
            found.append(file)
    return found


def _own(path: Path) -> list[Path]:
    """The same, of which there must be some."""
    if not (files := _files(path)):
        raise InputError(f"{path} has no JSON file with shapes and imagePath, as LabelMe's have")
    return files


def _image(writing: Writing, number: int, name: str, path: Path) -> str:
    """Path of the frame's image, as seen from the folder."""
    folder = writing.real(path)
    asked = writing.images
    image = frame_file(writing.video, number) if asked is None else asked.folder / name
    return name if image is None else Path(os.path.relpath(image, folder)).as_posix()


def _shapes(writing: Writing, frame: Frame) -> list[dict[str, Any]]:
    shapes = []
    for o, mask in frame.masks():
        if mask.any():
            left, top, width, height = rle.bounds(mask)
            buffer = io.BytesIO()
            cut = mask[top : top + height, left : left + width]
            Image.fromarray(cut.astype(np.uint8) * 255).save(buffer, "PNG")
            corners: list[list[float]] = [[left, top], [left + width - 1, top + height - 1]]
            shape = _shape(label_of(o), corners, o.id, "mask", writing.detail(frame.number, o))
            shapes.append(shape | {"mask": base64.b64encode(buffer.getvalue()).decode()})
    places = frame.places()
    first = 1 + max((o.id for o in writing.objects if o.is_map), default=0)
    for group, body in enumerate(bodies(writing.objects), start=first):
        for n, o in enumerate(body.points):
            x, y = places.get(o.id, (np.nan, np.nan))
            if np.isfinite(x):
                at = [[shortest(x + EDGE), shortest(y + EDGE)]]
                detail = writing.detail(frame.number, o)
                shape = _shape(point_name(body, n), at, group, "point", detail)
                shapes.append(shape | {"description": body.name or ""})
    return shapes


def _shape(
    label: str, points: list[list[float]], group: int, kind: str, detail: Detail
) -> dict[str, Any]:
    flags = {"occluded": detail.state == "occluded", "propagated": detail.origin == "propagated"}
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {name: True for name, there in flags.items() if there},
        "mask": None,
        **({} if detail.confidence is None else {"score": detail.confidence}),
    }


def _read(found: Collector, number: int, shape: dict[str, Any]) -> None:
    kind, flags = shape.get("shape_type") or "polygon", shape.get("flags") or {}
    if kind not in KINDS:
        found.note(f"LabelMe: shapes of type {kind} are left out")
        return
    label = shape["label"]
    group = shape.get("group_id")
    detail = Detail(
        "occluded" if flags.get("occluded") else "present",
        confidence_of(shape.get("score")),
        "propagated" if flags.get("propagated") else "given",
    )
    points = np.asarray(shape["points"], dtype=float).reshape(-1, 2)
    if kind == "point":
        body: Hashable = ("group", group)
        found.body(body, [label], name=shape.get("description") or None)
        found.point(number, body, label, (points[0] - EDGE).tolist(), detail)
        return
    mask = _mask(shape, points, kind, found.video.size)
    key: Hashable = ("label", label) if group is None else group
    found.object(key, label=label)
    found.mask(number, key, mask, detail)


def _mask(
    shape: dict[str, Any], points: NDArray[np.float64], kind: str, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """The pixels of a shape."""
    if kind == "mask":
        (left, top), (right, bottom) = np.round(points).astype(int).tolist()
        height, width = bottom - top + 1, right - left + 1
        if not (0 <= left <= right < size[1] and 0 <= top <= bottom < size[0]):
            raise ValueError(f"the mask of {shape['label']} is not within the frame")
        cut = _decoded(base64.b64decode(shape["mask"]), (width, height))
        mask = np.zeros(size, dtype=np.bool_)
        mask[top : bottom + 1, left : right + 1] = cut
        return mask
    if kind == "rectangle":
        low, high = points.min(axis=0), points.max(axis=0)
        return fill_box([*low.tolist(), *(high - low).tolist()], size)
    if kind == "circle":
        centre, rim = points
        y, x = np.mgrid[: size[0], : size[1]] + EDGE
        return np.asarray(np.hypot(x - centre[0], y - centre[1]) <= np.hypot(*(rim - centre)))
    return fill([points], size)


def _decoded(content: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The picture of a mask, which must have this (width, height)."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.size != size:  # before it is decoded
                raise ValueError("the picture of a mask does not fill its box")
            return np.asarray(image.convert("L")) > 0
    except BROKEN as error:
        raise ValueError(f"the picture of a mask: {error}") from error
