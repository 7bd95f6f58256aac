"""The folder that a propagation writes, read as labels: who is where, how sure, given or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixelkin.formats.frame_json import FRAMES, load_confidence, load_prediction, objects_of
from pixelkin.formats.json_file import read_json
from pixelkin.formats.listed_frames import check_number
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    LazyFrames,
    Objects,
    State,
    VideoInfo,
    check_size,
)

RUN = "run.json"


def sniff(path: Path) -> bool:
    """Whether the folder has frames of a run."""
    return next(_entries(path), None) is not None


def probe(path: Path) -> VideoInfo:
    """The video that the run says it was made from; without run.json, as its frames tell."""
    file = path / RUN
    video: dict[str, Any] = {}
    if file.is_file():
        content = read_json(file)
        if isinstance(content, dict):  # where it lies is among what may change
            video = content.get("progress", {}) | content.get("video", {})
    contents = [read_json(entry) for entry in _entries(path)]
    height, width = contents[0]["size"]
    last = max(c["frame"] for c in contents) + 1
    by_number = {c["frame"]: c["name"] for c in contents}
    names = None
    if sorted(by_number) == list(range(last)) and all(by_number.values()):
        names = tuple(str(by_number[n]) for n in range(last))
    frames = len(names) if names else video.get("frames") or last
    return VideoInfo(str(video.get("path", path)), width, height, frames, video.get("fps"), names)


def load(path: Path, video: VideoInfo) -> Annotations:
    """The labels of every frame; masks are read from their PNG when they are asked for."""
    objects = Objects()
    files: dict[int, Path] = {}
    details: dict[tuple[int, int], Detail] = {}
    for entry in _entries(path):
        content = read_json(entry)
        check_size(tuple(content["size"]), video.size, str(entry))
        number = check_number(content["frame"], video, entry)
        if number in files:
            raise InputError(f"{files[number]} and {entry} are both of frame {number}")
        files[number] = entry
        origin, confidences = load_confidence(path, entry.stem)
        objects = objects.joined(objects_of(content))
        for e in content["objects"]:
            state: State = "occluded" if e.get("visible") is False else "present"
            state = "absent" if "x" in e and e["x"] is None else state
            confidence = None if origin == "given" else confidences[e["id"]]
            details[number, e["id"]] = Detail(state, confidence, origin)
    frames = LazyFrames(files, lambda n: (load_prediction(path, files[n].stem).labels,))
    return Annotations(objects, frames, {n: str(f) for n, f in files.items()}, details)


def _entries(path: Path) -> Iterator[Path]:
    """The JSON files of a run's frames, in order."""
    for entry in sorted((path / FRAMES).glob("*.json")):
        if not entry.name.startswith("."):
            content = read_json(entry)
            if isinstance(content, dict) and {"frame", "objects", "origin"} <= content.keys():
                yield entry
