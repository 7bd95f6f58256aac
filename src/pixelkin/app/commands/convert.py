"""pixelkin convert: labels of a video from one format into another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say, warn
from pixelkin.types import InputError, VideoInfo

if TYPE_CHECKING:
    from pixelkin.formats.catalogue import Format

DESCRIPTION = """
Read labels of a video in one format, write them in another.

SRC is recognised by what is in it: a file, a folder of masks, or the folder that `pixelkin
propagate` wrote. DST is a file, or a folder for formats that are one; its format is that of its
suffix where only one has it. What a format cannot keep is said, a line each.

Formats: {names}.

Example:
  pixelkin convert out/video labels.json --to coco
  pixelkin convert labels.json yolo/ --to yolo --frames 0:120 --names 1=dog
  pixelkin convert out/video yolo/ --to yolo --images yolo/images
  pixelkin convert CollectedData_me.csv mouse.slp --video mouse.mp4
"""


def convert(
    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SRC")],
    target: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DST")],
    /,
    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None,
    to: Annotated[str | None, tyro.conf.arg(aliases=["--format"])] = None,
    video: str | None = None,
    images: Path | None = None,
    frames: str | None = None,
    snap: bool = False,
    as_: Annotated[Literal["labels", "predictions", "both"], tyro.conf.arg(name="as")] = "both",
    names: tuple[str, ...] = (),
    shapes: Literal["masks", "polygons", "boxes"] | None = None,
    simplify: float | None = None,
    uncompressed: bool = False,
    scorer: str = "pixelkin",
    overwrite: bool = False,
) -> None:
    """Convert labels.

    Args:
        source: Labels.
        target: Where they go.
        from_: Format of SRC, where it may be several.
        to: Format of DST, where its suffix is that of several: coco, davis, cvat, ...
        video: The video, where SRC does not tell its size or its frames.
        images: A folder for the images of the labelled frames, which DST then names: coco, cvat,
            label_studio, labelme, yolo, dlc_csv and dlc_h5.
            They come from the video (of SRC, where that is a run's folder).
        frames: Only these, as in 0:120, which is frames 0 to 119, by the numbers in the names of
            images where they have any; '#0:120' are positions.
        snap: Take the nearest of the colours that were meant where masks have smoothed edges.
        as_: Only labels that somebody gave; or all, as predictions; or both, each as what it is.
        names: What objects are called, as in 1=dog 2=cat; else what SRC calls them.
        shapes: What masks are written as: polygons for coco, polygons or boxes for cvat and
            label_studio; masks by default.
        simplify: Polygons with fewer corners: how many pixels those left out may be from a side.
        uncompressed: Run lengths of coco as lists, in place of strings.
        scorer: Who labelled, for DeepLabCut.
        overwrite: Replace files that are there.
    """
    from pixelkin.formats.frame_names import numbers_of
    from pixelkin.formats.losses import counted
    from pixelkin.formats.registry import (
        load_annotations,
        probe_video,
        recognise,
        save_annotations,
    )
    from pixelkin.formats.selecting import named, taken, watched, within
    from pixelkin.video.reader import open_video

    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"{target} is what is read: give another place to write to")
    format = recognise(source, from_)
    info = probe_video(source, format) if video is None else open_video(video).info
    reader = None if images is None else open_video(_pictured(video, info, format, source))
    info = info if reader is None else reader.info
    annotations = load_annotations(source, info, format.name, snap=snap)
    if frames is not None:
        every = range(max(annotations.frames) + 1)
        known = every if info.names is None or frames.strip()[:1] == "#" else numbers_of(info)
        asked = read_frames(frames, max(known) + 1)
        annotations = within(annotations, [i for i, number in enumerate(known) if number in asked])
    annotations = named(taken(annotations, as_), read_names(names))
    if not annotations.frames:
        raise InputError(f"{source} has no such labels: nothing is written")
    with progress_bar("converting") as progress:
        lost = save_annotations(
            target,
            watched(annotations, progress),
            to,
            video=info if reader is None else reader,
            images=images,
            shapes=shapes,
            simplify=simplify,
            uncompressed=uncompressed,
            scorer=scorer,
            overwrite=overwrite,
        )
    frames_said = counted(len(annotations.frames), "frame")
    say(f"{target}: {frames_said}, {counted(len(annotations.objects), 'object')}")
    if images is not None:
        say(f"{images}: images of {frames_said}")
    if video is None and info.names is None and format.name != "results":
        say("frames are called by their numbers; --video FOLDER gives them the names of its images")
    for line in (*annotations.notes, *lost):
        warn(f"convert: {line}")


def _pictured(video: str | None, info: VideoInfo, format: Format, source: Path) -> str:
    """The video that images are made of: the one given, or the one that a run was of."""
    if video is not None:
        return video
    if format.name != "results":
        raise InputError(f"{source} does not tell where frames are: --images needs --video")
    if not Path(info.path).exists() and not any(c in info.path for c in "*?["):
        raise InputError(f"{info.path}, of which {source} is, is not here: --images needs --video")
    return info.path


def read_frames(text: str, count: int) -> range:
    """The frames in "0:120", ":120" or "100:".

    Args:
        text: As on the command line.
        count: Where an open end is.

    Raises:
        InputError: If it is no range.
    """
    found = re.fullmatch(r"\s*#?([0-9]*)\s*:\s*([0-9]*)\s*", text)
    if found is None:
        raise InputError(f"--frames {text}: must be FIRST:END, as in 0:120")
    first, end = int(found[1] or 0), int(found[2] or count)
    if first >= end:
        raise InputError(f"--frames {text}: there is no frame in it")
    return range(first, min(end, count))


def read_names(given: Sequence[str]) -> dict[int, str]:
    """The names in "1=dog" by the ids of objects.

    Raises:
        InputError: If one is no id and a name, or an id is there twice.
    """
    names: dict[int, str] = {}
    for text in given:
        found = re.fullmatch(r"([0-9]{1,10})=(.*\S.*)", text)
        if found is None or int(found[1]) in names:
            raise InputError(f"--names {text}: must be ID=NAME, each id once, as in 1=dog 2=cat")
        names[int(found[1])] = found[2]
    return names


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    from pixelkin.formats.catalogue import FORMATS

    names = ", ".join(f.name if f.save else f"{f.name} (read only)" for f in FORMATS)
    call(convert, "convert", arguments, DESCRIPTION.format(names=names))
