"""Reading and writing labels of any format in the catalogue.

annotations = load_annotations("mask.png", video.info)
lost = save_annotations("labels.json", annotations, "coco", video=video.info)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pixelkin.formats import mask_png, png_tree
from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.formats.image_files import ImageFiles
from pixelkin.formats.json_file import forget_json
from pixelkin.formats.staging import check_finished, staged_file, staged_folder
from pixelkin.formats.writing import Shapes, Writing
from pixelkin.reading import check_file
from pixelkin.types import Annotations, InputError, VideoInfo
from pixelkin.video.images import MAX_PIXELS
from pixelkin.video.reader import VideoReader

MAX_FRAMES = 10**8  # a month of video

__all__ = ["FORMATS", "Format", "load_annotations", "probe_video", "recognise", "save_annotations"]


def recognise(path: str | Path, format: str | None = None) -> Format:
    """The format of a file or folder of labels: the one named, or what it looks like.

    Raises:
        InputError: If it is missing, or looks like no format, or like several.
    """
    path = Path(path)
    if not path.exists() and not path.is_symlink():
        raise InputError(f"no such labels file: {path}")
    check_finished(path)
    if not path.is_dir():
        check_file(path)
    if format is not None:
        named = _named(format)
        if path.is_dir() != named.folder:
            kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
            raise InputError(f"{path} is {kinds[0]}, {format} is {kinds[1]}")
        return named
    found = [one for one in FORMATS if _looks_like(one, path)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(f"{one.name} ({one.about})" for one in found)
        raise InputError(f"{path} may be {names}: name the format (--from)")
    raise InputError(f"{path} {_unknown(path)}")


def load_annotations(
    path: str | Path, video: VideoInfo | None, format: str | None = None, *, snap: bool = False
) -> Annotations:
    """Read labels of one file or folder; `label_files.load_label_files` joins several.

    Args:
        path: The file or folder.
        video: The video that they belong to; frames are found by their names. None where the
            labels themselves say enough of it.
        format: Name of the format; None to find out.
        snap: As in `read_mask`, for masks.

    Raises:
        InputError: If the file is missing, of no known format, or of several, damaged, or does not
            fit the video.
    """
    path = Path(path)
    try:
        one = recognise(path, format)
        video = probe_video(path, one) if video is None else video
        with _reading(path, one):
            for load in (mask_png.load, png_tree.load):
                if one.load is load:
                    return load(path, video, snap=snap)
            return one.load(path, video)
    finally:
        forget_json()


def probe_video(path: str | Path, format: Format) -> VideoInfo:
    """What labels say of their video.

    Raises:
        InputError: If that is too little, or they are damaged.
    """
    path = Path(path)
    with _reading(path, format):
        found = None if format.probe is None else format.probe(path)
    if found is None:
        raise InputError(
            f"{path}: {format.name} does not tell what the video is: give it (--video)"
        )
    if found.width * found.height > MAX_PIXELS or (found.frames or 0) > MAX_FRAMES:
        raise InputError(
            f"{path} is of {found.frames or 'some'} frames of {found.width}x{found.height} (WxH): "
            f"at most {MAX_FRAMES:,} of {MAX_PIXELS:,} pixels are read"
        )
    return found


def save_annotations(
    path: str | Path,
    annotations: Annotations,
    format: str | None = None,
    *,
    video: VideoInfo | VideoReader | None = None,
    images: str | Path | None = None,
    shapes: Shapes | None = None,
    simplify: float | None = None,
    uncompressed: bool = False,
    scorer: str = "pixelkin",
    overwrite: bool = True,
) -> tuple[str, ...]:
    """Write labels, going through the frames once, in ascending order.

    Args:
        path: The file, or the folder for formats that are one.
        annotations: The labels.
        format: Name of the format; None for the one that writes files of this suffix. Where there
            are several, and the labels are of one frame, the one for those.
        video: What they belong to; None for what the labels themselves tell.
        images: A folder for the images of the labelled frames, for formats that refer to them: the
            video must be a reader then. See docs/use/formats.md.
        shapes: What masks are written as, where the format has a choice.
        simplify: How many pixels the corners that polygons leave out may be from a side; None to
            keep all, so that polygons are exact.
        uncompressed: Write lists of run lengths where there is a string for them (COCO).
        scorer: Who labelled, where the format has a place for it (DeepLabCut).
        overwrite: Replace files that are there.

    Returns:
        What the format does not keep of these labels, and what `simplify` cost, a line each.

    Raises:
        InputError: If the format cannot be written, or cannot hold these labels, or the video has
            no such frames, or frames of another size. Nothing is written then.
    """
    path = Path(path)
    one = _writer(path, annotations, format)
    if shapes is not None and shapes not in one.shapes:
        raise InputError(f"{one.name} has no {shapes}: it writes {' or '.join(one.shapes)}")
    if simplify is not None:
        _check_simplify(simplify, one, shapes or one.shapes[0])
    info = video.info if isinstance(video, VideoReader) else video
    writing = Writing(
        annotations,
        _video_of(annotations) if info is None else info,
        one.name,
        one.loses,
        shapes=shapes or one.shapes[0],
        simplify=simplify,
        uncompressed=uncompressed,
        scorer=scorer,
        overwrite=overwrite,
        images=None
        if images is None
        else _images(one, video, Path(images), annotations, overwrite),
    )
    _check_frames(writing)
    if one.save is not None:
        try:
            with _staged(path, one, writing) as target:
                one.save(target, writing)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{path}: {one.name} cannot hold this: {error}") from error
    return writing.lost()


@contextmanager
def _staged(path: Path, one: Format, writing: Writing) -> Iterator[Path]:
    """Where a format is written to until all is well: images are put in place before it."""
    with ExitStack() as stack:
        if one.folder:
            target = stack.enter_context(staged_folder(path, one.last))
            writing.staged = target, path
        else:
            target = stack.enter_context(staged_file(path))
            writing.staged = target.parent, path.parent
        if (images := writing.images) is not None:
            folder, whole = images.folder.resolve(), path.resolve()
            images.staged = (
                target / folder.relative_to(whole)
                if one.folder and folder.is_relative_to(whole)
                else stack.enter_context(staged_folder(images.folder))
            )
        yield target


def _looks_like(one: Format, path: Path) -> bool:
    try:
        return one.looks_like(path)
    except InputError:
        raise
    except DAMAGES as error:
        raise InputError(f"{path} cannot be read: {told(error)}") from error


def _unknown(path: Path) -> str:
    """What is said of a file or folder that looks like no format."""
    if path.is_file() and not path.stat().st_size:
        return "is empty"
    folder, suffix = path.is_dir(), path.suffix.lower()
    alike = [one for one in FORMATS if one.folder == folder and (folder or one.suffix == suffix)]
    what = "a folder" if folder else f"*{suffix}" if suffix else "a file without a suffix"
    if not alike:
        every = sorted({one.suffix for one in FORMATS if one.suffix})
        return f"is of no known format of labels: there are folders and {', '.join(every)}"
    names = ", ".join(f"{one.name} ({one.about})" for one in alike)
    return f"is of no known format of labels: {what} can be {names}"


def _writer(path: Path, annotations: Annotations, name: str | None) -> Format:
    writers = [one for one in FORMATS if one.save is not None]
    if name is not None:
        _named(name)
    suffix = path.suffix.lower()
    fitting = [one for one in writers if name in (one.name, None)]
    if name is None:
        fitting = [one for one in fitting if one.suffix == suffix and one.by_suffix]
    if len(fitting) > 1:
        short = len(annotations.frames) <= 1
        fitting = [one for one in fitting if one.one_frame == short] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(one.name for one in fitting)
        raise InputError(f"{path} may be written as {names}: name the format (--to)")
    writable = ", ".join(f"{one.name} (*{one.suffix or '/'})" for one in writers)
    raise InputError(f"cannot write {path}: labels can be written as {writable}")


def _check_simplify(tolerance: float, one: Format, shapes: Shapes) -> None:
    """That there are polygons to simplify, by a number of pixels."""
    if "polygons" not in one.shapes:
        raise InputError(f"{one.name} has no polygons that could be simplified")
    if shapes != "polygons":
        raise InputError(f"{one.name} writes {shapes}: only polygons can be simplified (--shapes)")
    if not 0 < tolerance < float("inf"):
        raise InputError(f"polygons are simplified by a number of pixels above 0, not {tolerance}")


def _images(
    one: Format,
    video: VideoInfo | VideoReader | None,
    folder: Path,
    annotations: Annotations,
    overwrite: bool,
) -> ImageFiles:
    """The images of a format that refers to them."""
    if not one.images:
        names = ", ".join(f.name for f in FORMATS if f.images)
        raise InputError(f"{one.name} refers to no images (--images): {names} do")
    if not isinstance(video, VideoReader):
        raise InputError("images are made of the video: save_annotations needs video=open_video()")
    if (last := max(annotations.frames, default=0)) >= len(video):
        there = f"{video.info.path} has {len(video)} frames"
        raise InputError(f"frame {last} is labelled, and {there}: no image can be made of it")
    return ImageFiles(video, folder, overwrite)


def _check_frames(writing: Writing) -> None:
    """That the video has all frames that are labelled, as far as its length is known."""
    count = writing.video.frames
    for number in writing.numbers:
        where = writing.annotations.called(number)
        if number < 0:
            raise InputError(f"{where}: no frame {number}, they are counted from 0")
        if count is not None and number >= count:
            raise InputError(f"{where}: no frame {number}, the video has frames 0 to {count - 1}")


def _video_of(annotations: Annotations) -> VideoInfo:
    """What labels tell of their video."""
    for _, labels in annotations:
        height, width = labels.size
        return VideoInfo("", width, height, max(annotations.frames) + 1)
    raise InputError("there are no labels to write")


@contextmanager
def _reading(path: Path, format: Format) -> Iterator[None]:
    """What goes wrong in content that others made is an error of theirs, in one line."""
    try:
        yield
    except InputError:
        raise
    except DAMAGES as error:
        raise InputError(
            f"{path} is damaged, or not {format.name} ({format.about}): {told(error)}"
        ) from error


def _named(name: str) -> Format:
    for one in FORMATS:
        if one.name == name:
            return one
    raise InputError(f"no format {name!r}: there are {', '.join(f.name for f in FORMATS)}")
