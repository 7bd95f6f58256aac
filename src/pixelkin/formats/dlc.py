"""DeepLabCut's tables of keypoints, and its CSV files.

    scorer,,,pixelkin,pixelkin            labels: CollectedData_SCORER.csv, rows of images
    bodyparts,,,nose,nose
    coords,,,x,y
    labeled-data,dog,img0000.png,211,96

Predictions have the frame's number in one column, and a likelihood beside x and y. Where there are
several animals, a row `individuals` follows `scorer`. Places are pixels, from the centre of the
top-left one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write
from pixelkin.formats.bodies import bodies, point_name, point_names
from pixelkin.formats.collecting import Collector, confidence_of
from pixelkin.formats.listed_frames import check_number, frame_numbers, pictured_video
from pixelkin.formats.points_json import shortest
from pixelkin.formats.writing import Writing
from pixelkin.reading import LABELS_BYTES, check_file
from pixelkin.types import Annotations, Detail, InputError, Origin, VideoInfo

LOSES = (
    "masks", "categories", "both", "colours", "loose", "skeleton", "origin", "stale", "occluded",
    "empty",
)  # fmt: skip
FOLDER = "labeled-data"
SCORER, INDIVIDUALS, PARTS, COORDS = "scorer", "individuals", "bodyparts", "coords"
LIKELIHOOD = "likelihood"


@dataclass(frozen=True)
class Table:
    """The content of a file.

    Attributes:
        levels: Names of the rows of the head, such as scorer, bodyparts, coords.
        columns: What each column says in each of them.
        rows: An image's path, or a frame's number, of each row.
        values: R x C.
    """

    levels: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, ...] | int, ...]
    values: NDArray[np.float64]


def sniff(path: Path) -> bool:
    """Whether the file is CSV that begins with the scorer."""
    if path.suffix.lower() != ".csv":
        return False
    check_file(path, LABELS_BYTES)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.read(len(SCORER) + 1) == f"{SCORER},"


def load(path: Path, video: VideoInfo) -> Annotations:
    """The keypoints of every row that has any."""
    return read_table(_table(path), path, video)


def probe(path: Path) -> VideoInfo | None:
    """The video that the table tells of, if an image of a row is beside it."""
    rows = _table(path).rows
    names = [PurePosixPath(row[-1]).name for row in rows if isinstance(row, tuple)]
    return pictured_video(names, path.parent, path)


def _table(path: Path) -> Table:
    check_file(path, LABELS_BYTES)
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [line for line in csv.reader(file) if line]
    head = [line for line in lines[:4] if line[0] in (SCORER, INDIVIDUALS, PARTS, COORDS)]
    first = next((n for n, word in enumerate(head[0]) if n and word), 0)  # empty: an index
    if not first or {line[0] for line in head} < {SCORER, PARTS, COORDS}:
        raise ValueError(f"its first rows must be {SCORER}, {PARTS} and {COORDS}")
    width = len(head[0])
    if ragged := next((line for line in lines if len(line) != width), None):
        raise ValueError(f"the row {','.join(ragged)[:60]} has {len(ragged)} cells, not {width}")
    body = lines[len(head) :]
    values = [[_value(word, line) for word in line[first:]] for line in body]
    rows: list[tuple[str, ...] | int] = [
        int(line[0]) if line[0].isdecimal() else tuple(line[:first]) for line in body
    ]
    return Table(
        tuple(line[0] for line in head),
        tuple(zip(*(line[first:] for line in head), strict=True)),
        tuple(rows),
        np.array(values, dtype=float).reshape(len(rows), -1),
    )


def _value(word: str, line: Sequence[str]) -> float:
    try:
        return float(word) if word else math.nan
    except ValueError as error:
        raise ValueError(f"the row {','.join(line)[:60]} has {word!r} for a number") from error


def save(path: Path, writing: Writing) -> None:
    """Write labels, or predictions if any of them is one."""
    writing.check(path)
    table = make_table(path, writing)
    other = writing.real(path).with_suffix(".h5")
    if other.exists():
        writing.notes.append(
            f"DeepLabCut goes by {other.name}, which is there already and older: make it anew, by "
            "deeplabcut.convertcsv2h5 or --to dlc_h5"
        )
    index = [row if isinstance(row, tuple) else (str(row),) for row in table.rows]
    if odd := [word for column in table.columns for word in column if "\r" in word]:
        raise InputError(f"dlc_csv cannot hold the name {odd[0]!r}, which has a carriage return")
    padding = [""] * (max(map(len, index), default=1) - 1)
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        for n, level in enumerate(table.levels):
            lines.writerow([level, *padding, *(column[n] for column in table.columns)])
        for row, values in zip(index, table.values.tolist(), strict=True):
            lines.writerow([*row, *("" if math.isnan(v) else shortest(v) for v in values)])


def make_table(path: Path, writing: Writing) -> Table:
    """The keypoints of all labelled frames: labels, or predictions if any of them is one.

    Raises:
        InputError: If images are asked for where DeepLabCut does not have them.
    """
    digits = max(4, len(str(writing.length - 1)))
    if writing.images is not None:
        _check_images(writing.real(path), writing)
    images = writing.named_images(f"img{{:0{digits}d}}", ".png")
    every = bodies(writing.objects)
    names = point_names(every)
    places: dict[int, dict[int, tuple[float, float]]] = {}
    sure: dict[tuple[int, int], float] = {}
    origins: set[str] = set()
    for frame in writing.frames():
        places[frame.number] = frame.places()
        for o in () if frame.points is None else frame.points.objects:
            detail = writing.detail(frame.number, o)
            origins.add(detail.origin)
            if detail.confidence is not None:
                sure[frame.number, o.id] = detail.confidence
    predicted = "propagated" in origins
    if predicted and writing.images is not None:
        raise InputError(
            "DeepLabCut's predictions name no images (--images): labels do (--as labels)"
        )
    if len(origins) == 1:
        writing.keeping("origin")
    if not predicted and sure:
        for label in sure:
            writing.drop("confidence", label)
    several = any(body.name is not None for body in every)
    levels = (SCORER, *((INDIVIDUALS,) if several else ()), PARTS, COORDS)
    coords = ("x", "y", LIKELIHOOD) if predicted else ("x", "y")
    columns, ids = [], []
    for body in every:
        own = {point_name(body, n): o for n, o in enumerate(body.points)}
        for name in names:
            individual = (body.name or "single",) if several else ()
            columns += [(writing.scorer, *individual, name, coord) for coord in coords]
            ids.append(own[name].id if name in own else None)
    values = [
        value
        for number, there in places.items()
        for i in ids
        for value in _cell(there, sure, number, i, len(coords))
    ]
    asked = writing.images
    stem = (Path(writing.video.path).stem or "video") if asked is None else asked.folder.name
    return Table(
        levels,
        tuple(columns),
        tuple(n if predicted else (FOLDER, stem, images[n]) for n in places),
        np.array(values, dtype=float).reshape(len(places), len(columns)),
    )


def read_table(table: Table, path: Path, video: VideoInfo) -> Annotations:
    """The keypoints of every row that has any; a likelihood is that of a result."""
    found = Collector(video, path)
    level = {name: n for n, name in enumerate(table.levels)}
    many = INDIVIDUALS in level
    groups: dict[tuple[str | None, str], dict[str, int]] = {}
    for n, column in enumerate(table.columns):
        individual = column[level[INDIVIDUALS]] if many else None
        groups.setdefault((individual, column[level[PARTS]]), {})[column[level[COORDS]]] = n
    for (individual, part), at in groups.items():
        if not {"x", "y"} <= at.keys():
            raise ValueError(f"{part} has no columns x and y")
        found.body(individual, [part], name=individual)
    numbers = _numbers(table.rows, path, video)
    for number, values in zip(numbers, table.values, strict=True):
        bodies_there = {
            individual
            for (individual, _), at in groups.items()
            if np.isfinite(values[[at["x"], at["y"]]]).all()
            or not np.isnan(values[at.get(LIKELIHOOD, at["x"])])
        }
        for (individual, part), at in groups.items():
            if individual in bodies_there:
                result = LIKELIHOOD in at
                likelihood = confidence_of(float(values[at[LIKELIHOOD]])) if result else None
                origin: Origin = "propagated" if result else "given"
                xy = (float(values[at["x"]]), float(values[at["y"]]))
                there = not np.isnan(xy).any()
                detail = Detail("present" if there else "absent", likelihood, origin)
                found.point(number, individual, part, xy if there else None, detail)
    return found.annotations()


def _cell(
    there: dict[int, tuple[float, float]],
    sure: dict[tuple[int, int], float],
    number: int,
    i: int | None,
    width: int,
) -> Sequence[float]:
    """x, y and the likelihood of a point."""
    if i is None:
        return [math.nan] * width
    x, y = there.get(i, (math.nan, math.nan))
    likelihood = sure.get((number, i), math.nan)
    if math.isnan(x) and likelihood == 1:  # who says that a point is absent has not seen it
        likelihood = 0.0
    return [x, y, likelihood][:width]


def _check_images(path: Path, writing: Writing) -> None:
    """That images and table are where DeepLabCut looks for them."""
    writing.images_are_in(path.parent)
    if path.stem != f"CollectedData_{writing.scorer}":
        raise InputError(
            f"DeepLabCut calls the labels of {writing.scorer} CollectedData_{writing.scorer}"
            f"{path.suffix}, not {path.name}: --scorer says who labelled"
        )
    folder = path.parent.resolve()
    if folder.parent.name != FOLDER:
        name = Path(writing.video.path).stem or "video"
        raise InputError(
            f"DeepLabCut has labels and images in PROJECT/{FOLDER}/VIDEO, not in {path.parent}: "
            f"write PROJECT/{FOLDER}/{name}/{path.name}"
        )


def _numbers(rows: Iterable[tuple[str, ...] | int], path: Path, video: VideoInfo) -> list[int]:
    """The frame of each row; images that DeepLabCut named itself end in it."""
    rows = list(rows)
    numbers = [check_number(row, video, path) for row in rows if isinstance(row, int)]
    if len(numbers) == len(rows):
        if len(set(numbers)) < len(numbers):
            raise InputError(f"{path} has a frame twice")
        return numbers
    names = [PurePosixPath(row[-1]).name for row in rows if isinstance(row, tuple)]
    own = video.names is not None and {Path(n).stem for n in names} <= set(video.names)
    plain = VideoInfo(video.path, video.width, video.height, video.frames)
    return frame_numbers(names, video if own else plain, path)
