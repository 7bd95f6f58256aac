"""TAP-Vid's own files: pickles of the tracked points of one or several videos.

{name: video} or [video, ..], a video being
{"points": N x T x 2 shares of width and height, "occluded": N x T,
 "video": T x H x W x 3, or T JPEGs}
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from pixelkin.formats.array_pickle import SUFFIXES, ArrayStandIn, read_pickle
from pixelkin.formats.collecting import Collector
from pixelkin.formats.listed_frames import check_number, choose_video
from pixelkin.types import Annotations, InputError, VideoInfo

EDGE = 0.5


def sniff(path: Path) -> bool:
    """Whether the file is called as pickles are."""
    return path.suffix.lower() in SUFFIXES


def probe(path: Path) -> VideoInfo | None:
    """The video that a file of one video tells of."""
    videos = _videos(path)
    if len(videos) != 1:
        return None
    ((name, content),) = videos.items()
    frames = content.get("video")
    if isinstance(frames, ArrayStandIn) and len(frames.shape) == 4:
        length, height, width, _ = frames.shape
    elif isinstance(frames, list) and frames and isinstance(frames[0], bytes):
        length = len(frames)
        with Image.open(io.BytesIO(frames[0])) as image:
            width, height = image.size
    else:
        return None
    return VideoInfo(str(path.with_name(name)), width, height, length)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The points of every frame of the video."""
    videos = _videos(path)
    name = list(videos)[choose_video(list(videos), video, path)]
    content = videos[name]
    points, occluded = content["points"].read(), content["occluded"].read().astype(bool)
    if points.ndim != 3 or points.shape[2] != 2 or occluded.shape != points.shape[:2]:
        raise ValueError(f"points {points.shape} and occluded {occluded.shape}, must be N T 2, N T")
    if video.frames is not None and points.shape[1] != video.frames:
        raise InputError(
            f"{path}: {name} has {points.shape[1]} frames, the video has {video.frames}"
        )
    places = points.astype(float) * video.size[::-1] - EDGE
    found = Collector(video, path)
    names = [str(n) for n in range(len(points))]
    found.body("", names, kind="points")
    for t in range(points.shape[1]):
        check_number(t, video, path)
        for n, point in enumerate(names):
            found.point(t, "", point, None if occluded[n, t] else places[n, t].tolist())
    return found.annotations()


def _videos(path: Path) -> dict[str, dict[str, Any]]:
    """The videos of a file by name; those of a list are called by their numbers."""
    content = read_pickle(path)
    if isinstance(content, dict) and "points" in content:
        content = {path.stem: content}
    elif isinstance(content, list):
        content = dict(enumerate(content))
    known = isinstance(content, dict) and all(_is_video(v) for v in content.values())
    if not known or not content:
        raise InputError(
            f"{path} is a pickle, but not TAP-Vid's: each video must have arrays `points` and "
            "`occluded`"
        )
    return {str(name): video for name, video in content.items()}


def _is_video(content: object) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), ArrayStandIn) for key in ("points", "occluded")
    )
