"""The formats of labels: the only list of them, and reading and writing whatever is on it.

    annotations = load_annotations("mask.png", video.info)
    save_annotations("nose.json", annotations)

A format is a module with `sniff(path) -> bool`, `load(path, video) -> Annotations` and, where it
can be written, `save(path, annotations)`. It imports types, files, pixels and other formats,
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pixelkin.formats import badja, frame_json, jhmdb_mat, mask_png, points_json
from pixelkin.types import Annotations, InputError, VideoInfo


@dataclass(frozen=True)
class Format:
    """One format of labels.

    Attributes:
        name: What it is called on the command line.
        about: What a person would call it.
        suffix: Of the files that are written.
        sniff: Whether a file looks like it.
        load: Reads a file, for the video that it belongs to.
        save: Writes one; None where it can be read only.
    """

    name: str
    about: str
    suffix: str
    sniff: Callable[[Path], bool]
    load: Callable[[Path, VideoInfo], Annotations]
    save: Callable[[Path, Annotations], None] | None = None


FORMATS = (
    Format("points_json", "points of one frame", ".json", points_json.sniff, points_json.load,
           points_json.save),
    Format("frame_json", "result of one frame", ".json", frame_json.sniff, frame_json.load),
    Format("badja", "BADJA's joints of a video", ".json", badja.sniff, badja.load),
    Format("jhmdb_mat", "JHMDB's joints of a video", ".mat", jhmdb_mat.sniff, jhmdb_mat.load),
    Format("mask_png", "mask of one frame", ".png", mask_png.sniff, mask_png.load, mask_png.save),
)  # fmt: skip


def load_annotations(
    path: str | Path, video: VideoInfo, format: str | None = None, *, snap: bool = False
) -> Annotations:
    """Read labels of one file; `label_files.load_label_files` joins several.

    Args:
        path: The file.
        video: The video that they belong to; frames are found by their names.
        format: Name of the format; None to find out.
        snap: As in `read_mask`, for masks.

    Raises:
        InputError: If the file is missing, of no known format, damaged, or does not fit the video.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such labels file: {path}")
    one = format_of(path) if format is None else _named(format)
    return (
        mask_png.load(path, video, snap=snap)
        if one.load is mask_png.load
        else one.load(path, video)
    )


def format_of(path: Path) -> Format:
    """The format of a file, by what is in it.

    Raises:
        InputError: If the file is missing, or of no known format.
    """
    if not path.exists():
        raise InputError(f"no such labels file: {path}")
    for one in FORMATS:
        if one.sniff(path):
            return one
    known = "; ".join(f"{f.name}: {f.about}" for f in FORMATS)
    raise InputError(f"{path} is of no known format of labels ({known})")


def save_annotations(path: str | Path, annotations: Annotations, format: str | None = None) -> None:
    """Write labels; the format is the one named, or the first that writes files of this suffix.

    Raises:
        InputError: If the format cannot be written, or cannot hold these labels.
    """
    path = Path(path)
    if format is not None:
        _named(format)
    writers = [(one, one.save) for one in FORMATS if one.save is not None]
    for one, write in writers:
        if one.name == format or (format is None and one.suffix == path.suffix.lower()):
            try:
                return write(path, annotations)
            except ValueError as error:
                raise InputError(f"{path}: {one.name} cannot hold this: {error}") from error
    writable = ", ".join(f"{one.name} (*{one.suffix})" for one, _ in writers)
    raise InputError(f"cannot write {path}: labels can be written as {writable}")


def _named(name: str) -> Format:
    for one in FORMATS:
        if one.name == name:
            return one
    raise InputError(f"no format {name!r}: there are {', '.join(f.name for f in FORMATS)}")
