"""Folders of label maps: DAVIS's and YouTube-VOS's trees (MOSE's too), and a plain folder.

    ROOT/Annotations/480p/SEQUENCE/00000.png     DAVIS
    ROOT/Annotations/SEQUENCE/00000.png          YouTube-VOS, MOSE
    ROOT/meta.json                               categories, and which frames show an object
    FOLDER/00000.png                             plain

The pixels are ids; a frame that has no PNG is not labelled. meta.json is written for DAVIS too,
with the names of objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelkin.files import write_json
from pixelkin.formats.json_file import read_json
from pixelkin.formats.listed_frames import choose_video, frame_numbers, named_video
from pixelkin.formats.losses import label_of
from pixelkin.formats.mask_png import read_mask, write_mask
from pixelkin.formats.writing import Writing
from pixelkin.types import (
    Annotations,
    InputError,
    LazyFrames,
    MaskLabels,
    Object,
    Objects,
    VideoInfo,
)
from pixelkin.video.images import find_images, load_image

LOSES = ("points", "parts", "origin", "stale", "confidence", "occluded", "gone")
PLAIN_LOSES = (*LOSES, "names", "categories", "both", "unseen")
RESOLUTION = "480p"
ANNOTATIONS = "Annotations"
META = "meta.json"
HIGHEST = 254  # 255 is void


def sniff_davis(path: Path) -> bool:
    """Whether the folder has sequences below Annotations and a resolution."""
    return any((path / ANNOTATIONS).glob("*/*/*.png"))


def sniff_youtube_vos(path: Path) -> bool:
    """Whether the folder has sequences directly below Annotations."""
    return any((path / ANNOTATIONS).glob("*/*.png"))


def sniff_plain(path: Path) -> bool:
    """Whether the folder itself has PNG files."""
    return path.is_dir() and any(path.glob("*.png"))


def probe(path: Path) -> VideoInfo | None:
    """The video that the names and the size of the files tell of, if it is one."""
    sequences = _sequences(path)
    if len(sequences) != 1:
        return None
    files = find_images(sequences[0])
    image = load_image(files[0])
    return named_video((f.name for f in files), (image.height, image.width), path)


def load(path: Path, video: VideoInfo, *, snap: bool = False) -> Annotations:
    """The map of every frame that has a file; `snap` as in `read_mask`."""

    def read(file: Path) -> MaskLabels:
        return read_mask(file, video.size, allow_empty=True, snap=snap)

    sequences = _sequences(path)
    sequence = sequences[choose_video([s.name for s in sequences], video, path)]
    files = find_images(sequence)
    numbers = frame_numbers([file.name for file in files], video, sequence)
    by_number = dict(zip(numbers, files, strict=True))
    objects = _described(path, sequence.name)
    for file in files:
        objects = objects.joined(read(file).objects)
    frames = LazyFrames(by_number, lambda n: (read(by_number[n]),))
    sources = {number: str(file) for number, file in by_number.items()}
    return Annotations(objects, frames, sources)


def save_davis(path: Path, writing: Writing) -> None:
    """Write DAVIS's tree."""
    _save_tree(path, writing, Path(ANNOTATIONS) / RESOLUTION)


def save_youtube_vos(path: Path, writing: Writing) -> None:
    """Write YouTube-VOS's tree."""
    _save_tree(path, writing, Path(ANNOTATIONS))


def save_plain(path: Path, writing: Writing) -> None:
    """Write a folder of PNG files."""
    writing.check(*(path / f"{writing.stem(n)}.png" for n in writing.numbers))
    for frame in writing.frames():
        if frame.maps is not None:
            write_mask(path / f"{writing.stem(frame.number)}.png", frame.maps)


def _save_tree(path: Path, writing: Writing, below: Path) -> None:
    objects = list(writing.objects)
    if highest := [o.id for o in objects if o.id > HIGHEST]:
        raise InputError(
            f"{writing.title} has room for the ids 1 to {HIGHEST}, there is {highest[0]}: "
            "write npz or coco"
        )
    sequence = Path(writing.video.path).stem or "video"
    meta = path / META
    files = [path / below / sequence / f"{writing.stem(n)}.png" for n in writing.numbers]
    writing.check(meta, *files)
    shown: dict[int, list[str]] = {o.id: [] for o in objects}
    for frame in writing.frames():
        if frame.maps is not None:
            stem = writing.stem(frame.number)
            write_mask(path / below / sequence / f"{stem}.png", frame.maps)
            for i in frame.maps.present:
                shown[i].append(stem)
    entries = {}
    for o in objects:
        name = {} if o.name is None else {"name": o.name}
        entries[str(o.id)] = {"category": label_of(o), **name, "frames": shown[o.id]}
    write_json(meta, {"videos": {sequence: {"objects": entries}}})


def _sequences(path: Path) -> list[Path]:
    """The folders of files, one a sequence."""
    below = path / ANNOTATIONS
    if not below.is_dir():
        return [path]
    pattern = "*/*/*.png" if sniff_davis(path) else "*/*.png"
    return sorted({file.parent for file in below.glob(pattern)})


def _described(path: Path, sequence: str) -> Objects:
    """What meta.json says of the objects of a sequence."""
    meta = path / META
    if not meta.is_file():
        return Objects()
    try:
        entries: dict[str, Any] = read_json(meta)["videos"].get(sequence, {}).get("objects", {})
        return Objects(
            tuple(
                Object(int(i), name=e.get("name"), category=e.get("category"))
                for i, e in entries.items()
            )
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{meta} is not the list of a data set: {error!r}") from error
