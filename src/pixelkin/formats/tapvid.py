"""TAP-Vid's arrays of tracked points, as an NPZ file.

    points    N x T x 2   x and y as shares of width and height, from the top-left pixel's corner
    occluded  N x T       whether a point is not seen; where it is known all the same, `points` says

and, as additions,

    names     N           what the points are called,
    bodies    N           whose they are, empty where nobody said
    kind      (text)      keypoints or points
    frames    T           the frames that are labelled
    size      2           height and width

TAP-Vid's own files are pickles: `tapvid_pickle` reads them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write
from pixelkin.formats import tapvid_pickle
from pixelkin.formats.collecting import Collector
from pixelkin.formats.listed_frames import check_number
from pixelkin.formats.npz import arrays_of, read_array
from pixelkin.formats.writing import Writing
from pixelkin.types import Annotations, Detail, VideoInfo

LOSES = (
    "masks", "categories", "both", "colours", "skeleton", "origin", "stale",
    "confidence", "hidden", "gone",
)  # fmt: skip
EDGE = 0.5


def sniff(path: Path) -> bool:
    """Whether the file holds points and whether they are occluded, or may as a pickle."""
    return tapvid_pickle.sniff(path) or {"points", "occluded"} <= arrays_of(path)


def probe(path: Path) -> VideoInfo | None:
    """The video that the file tells of; TAP-Vid's own arrays tell of none but by a video."""
    if tapvid_pickle.sniff(path):
        return tapvid_pickle.probe(path)
    known = arrays_of(path)
    if "size" not in known:
        return None
    height, width = read_array(path, "size", (2,)).tolist()
    frames = read_array(path, "frames").tolist()
    return VideoInfo(str(path), width, height, max(frames, default=-1) + 1)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The points of every frame."""
    if tapvid_pickle.sniff(path):
        return tapvid_pickle.load(path, video)
    points, known = read_array(path, "points"), arrays_of(path)
    count, length, _ = points.shape
    occluded = read_array(path, "occluded", (count, length)).astype(bool)
    frames = read_array(path, "frames", (length,)).tolist() if "frames" in known else range(length)
    ours = {"names", "bodies", "kind"} <= known
    names = read_array(path, "names", (count,)).tolist() if ours else list(map(str, range(count)))
    whose = read_array(path, "bodies", (count,)).tolist() if ours else [""] * count
    keypoints = ours and read_array(path, "kind", ()).item() == "keypoints"
    found = Collector(video, path)
    for body, name in zip(whose, names, strict=True):
        found.body(body, [name], name=body or None, kind="keypoints" if keypoints else "points")
    places = points.astype(float) * video.size[::-1] - EDGE
    for t, number in enumerate(frames):
        check_number(number, video, path)
        for n, (body, name) in enumerate(zip(whose, names, strict=True)):
            hidden = bool(occluded[n, t])
            nowhere = hidden and not (ours and points[n, t].any())
            detail = Detail("occluded" if hidden and not nowhere else "present")
            found.point(number, body, name, None if nowhere else places[n, t].tolist(), detail)
    return found.annotations()


def save(path: Path, writing: Writing) -> None:
    """Write all points; those that are absent, or have no label in a frame, are occluded at 0."""
    writing.check(path)
    objects = {o.id: o for o in writing.objects}
    table = {i: n for n, i in enumerate(objects)}
    points: NDArray[np.float32] = np.zeros((len(table), len(writing.numbers), 2), np.float32)
    occluded = np.ones(points.shape[:2], np.bool_)
    numbers = []
    for t, frame in enumerate(writing.frames()):
        numbers.append(frame.number)
        for i, xy in frame.places().items():
            if not math.isnan(xy[0]):
                points[table[i], t] = (np.array(xy) + EDGE) / writing.video.size[::-1]
                occluded[table[i], t] = writing.detail(frame.number, objects[i]).state == "occluded"
    names = [o.name if o.name is not None else str(n) for n, o in enumerate(writing.objects)]
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            points=points[:, : len(numbers)],
            occluded=occluded[:, : len(numbers)],
            names=np.array(names),
            bodies=np.array([o.parent or "" for o in writing.objects]),
            kind=np.array(next((o.kind for o in writing.objects), "points")),
            frames=np.array(numbers),
            size=np.array(writing.video.size),
        )
