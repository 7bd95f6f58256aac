"""pixelkin's own arrays of a video, which keep everything, in one NPZ file.

For F labelled frames and K objects, of which N are points:

    frames      F             numbers of the frames
    ids         F x H x W     the maps, uint8, uint16 or int32; only if there are masks
    points      F x N x 2     (x, y) in pixels, NaN where absent; only if there are points
    confidence  F x K         NaN where nothing is said
    state       F x K         0 not labelled, 1 present, 2 occluded, 3 absent
    propagated  F x K         whether the label is a result
    stale       F x K         whether it is a result of labels that were changed since
    mapped      F             whether the frame has a map
    about       (text)        JSON: the size, the number of frames and their names, the K objects,
                              the skeleton

No array is a pickle.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write
from pixelkin.formats.listed_frames import check_number, frame_numbers, is_stem
from pixelkin.formats.writing import Writing
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    Labels,
    LazyFrames,
    MaskLabels,
    Object,
    Objects,
    Origin,
    PointLabels,
    State,
    VideoInfo,
    check_size,
)

LOSES: tuple[str, ...] = ()
STATES: tuple[State, ...] = ("present", "occluded", "absent")  # as 1, 2, 3
FIELDS = ("id", "kind", "name", "category", "colour", "parent")


def sniff(path: Path) -> bool:
    """Whether the file holds these arrays."""
    return {"frames", "about", "state"} <= arrays_of(path)


def arrays_of(path: Path) -> set[str]:
    """Names of the arrays of an NPZ file; none if it is no such file."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return set()
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


def read_array(path: Path, name: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """One array of an NPZ file.

    Raises:
        ValueError: If it is of another shape, or a pickle.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
        found, order, dtype = _header(stream)
        if (shape is not None and found != shape) or dtype.hasobject:
            raise ValueError(f"{name} is of shape {found} and {dtype}, must be {shape}")
        size = int(np.prod(found, dtype=object)) * dtype.itemsize
        content = stream.read(size)
    return np.frombuffer(content, dtype).reshape(found, order="F" if order else "C")


def probe(path: Path) -> VideoInfo:
    """The video that the file tells of."""
    about = _about(path)
    (height, width), length = about["size"], about["length"]
    return VideoInfo(str(path), width, height, length, names=_names(about, path))


def load(path: Path, video: VideoInfo) -> Annotations:
    """All labels; maps are kept as run lengths and made when they are asked for."""
    about = _about(path)
    check_size(tuple(about["size"]), video.size, str(path))
    colours = [e["colour"] and tuple(e["colour"]) for e in about["objects"]]
    table = tuple(
        Object(**(e | {"colour": colour}))
        for e, colour in zip(about["objects"], colours, strict=True)
    )
    lines = tuple((a, b) for a, b in about["skeleton"])
    objects = Objects(table, lines)
    numbers, names = read_array(path, "frames").tolist(), _names(about, path)
    if names is not None and video.names not in (None, names):
        own = replace(video, frames=len(names))
        listed = [names[check_number(n, own, path)] for n in numbers]
        numbers = frame_numbers([f"{name}.png" for name in listed], video, path)
    numbers = [check_number(n, video, path) for n in numbers]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{path} labels a frame twice")
    shape = len(numbers), len(table)
    state = read_array(path, "state", shape)
    confidence = read_array(path, "confidence", shape)
    if ((confidence < 0) | (confidence > 1)).any():
        raise InputError(f"{path}: confidence must be from 0 to 1, or NaN")
    propagated = read_array(path, "propagated", shape)
    none = np.zeros(shape, np.bool_)  # in files of before
    stale = read_array(path, "stale", shape) if "stale" in arrays_of(path) else none
    mapped = read_array(path, "mapped", (len(numbers),))
    points = [k for k, o in enumerate(table) if not o.is_map]
    places = read_array(path, "points", (len(numbers), len(points), 2)) if points else None
    details = {}
    for f, k in np.argwhere(state > 0).tolist():
        sure = None if np.isnan(confidence[f, k]) else float(confidence[f, k])
        origin: Origin = "propagated" if propagated[f, k] else "given"
        details[numbers[f], table[k].id] = Detail(
            STATES[state[f, k] - 1], sure, origin, bool(stale[f, k])
        )
    runs = list(_runs(path, len(numbers), video.size)) if mapped.any() else []
    rows = {number: f for f, number in enumerate(numbers)}

    def make(number: int) -> tuple[Labels, ...]:
        f = rows[number]
        shown = [o for k, o in enumerate(table) if state[f, k]]
        maps = Objects(tuple(o for o in shown if o.is_map))
        found: list[Labels] = []
        if mapped[f]:
            values, counts = runs[f]
            kind: Any = next((o.kind for o in table if o.is_map), "mask")
            found.append(MaskLabels(kind, maps, np.repeat(values, counts).reshape(video.size)))
        loose = [(n, table[k]) for n, k in enumerate(points) if state[f, k]]
        if places is not None and loose:
            there = places[f, [n for n, _ in loose]].astype(np.float32)
            point_kind: Any = loose[0][1].kind
            shown_points = Objects(tuple(o for _, o in loose))
            found.append(PointLabels(point_kind, shown_points, there, video.size))
        return tuple(found)

    sources = dict.fromkeys(numbers, str(path))
    return Annotations(objects, LazyFrames(numbers, make), sources, details)


def save(path: Path, writing: Writing) -> None:
    """Write everything, a map at a time."""
    writing.check(path)
    table = tuple(writing.objects)
    points = [o for o in table if not o.is_map]
    highest = max((o.id for o in table if o.is_map), default=0)
    dtype = np.uint8 if highest < 1 << 8 else np.uint16 if highest < 1 << 16 else np.int32
    shape = len(writing.numbers), len(table)
    columns = {o.id: k for k, o in enumerate(table)}
    state = np.zeros(shape, np.uint8)
    confidence = np.full(shape, np.nan)
    propagated, stale = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    mapped = np.zeros(shape[0], np.bool_)
    places = np.full((shape[0], len(points), 2), np.nan, np.float32)
    rows = {o.id: n for n, o in enumerate(points)}
    size, names = writing.video.size, writing.video.names
    with atomic_write(path) as temporary, _archive(temporary) as archive:
        with archive.open("ids.npy", "w", force_zip64=True) as stream:
            _start(stream, (shape[0], *size), np.dtype(dtype))
            for f, frame in enumerate(writing.frames()):
                ids = np.zeros(size, dtype) if frame.maps is None else frame.maps.ids
                stream.write(np.ascontiguousarray(ids, dtype).tobytes())
                mapped[f] = frame.maps is not None
                for labels in (frame.maps, frame.points):
                    for o in () if labels is None else labels.objects:
                        k, detail = columns[o.id], writing.detail(frame.number, o)
                        state[f, k] = 1 + STATES.index(detail.state)
                        propagated[f, k] = detail.origin == "propagated"
                        stale[f, k] = detail.stale
                        if detail.confidence is not None:
                            confidence[f, k] = detail.confidence
                for i, xy in frame.places().items():
                    places[f, rows[i]] = xy
        about = {
            "size": size,
            "length": writing.length,
            "names": names if all(map(is_stem, names or ())) else None,
            "objects": [{key: getattr(o, key) for key in FIELDS} for o in table],
            "skeleton": writing.objects.skeleton,
        }
        rest: dict[str, NDArray[Any]] = {
            "frames": np.array(writing.numbers, np.int64),
            "points": places,
            "confidence": confidence,
            "state": state,
            "propagated": propagated,
            "stale": stale,
            "mapped": mapped,
            "about": np.array(json.dumps(about)),
        }
        for name, array in rest.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        yield archive


def _start(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    described = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": described, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"an array of version {version}")
    shape, order, dtype = read[version](stream)
    return shape, order, dtype


def _about(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(read_array(path, "about", ()).item()))
    return found


def _names(about: dict[str, Any], path: Path) -> tuple[str, ...] | None:
    """The names of all frames, if they have any: files are called so, so they must be plain."""
    names = about.get("names")
    if names is None:
        return None
    if len(names) != about["length"] or len(set(map(str, names))) != len(names):
        raise InputError(f"{path}: about.names must be one for each of {about['length']} frames")
    if odd := [name for name in names if not is_stem(name)]:
        raise InputError(f"{path}: about.names has {odd[0]!r}, which is no name of an image")
    return tuple(names)


def _runs(
    path: Path, count: int, size: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Values and lengths of the runs of each map, along the rows."""
    with zipfile.ZipFile(path) as archive, archive.open("ids.npy") as stream:
        shape, order, dtype = _header(stream)
        if shape != (count, *size) or order or dtype.kind not in "iu":
            raise ValueError(f"ids is of shape {shape} and {dtype}, must be {(count, *size)}")
        length = size[0] * size[1]
        for _ in range(count):
            pixels = np.frombuffer(stream.read(length * dtype.itemsize), dtype).astype(np.int32)
            starts = np.concatenate([[0], np.flatnonzero(np.diff(pixels)) + 1])
            yield pixels[starts], np.diff(np.append(starts, len(pixels))).astype(np.int32)
