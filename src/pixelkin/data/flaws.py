"""Frames of a folder of images that cannot be used, found without decoding those that can.

A video file says of itself how far it can be read, see `pixelkin.video`; a folder of images does
not, and one frame that is cut off, or of another size, ends whatever reads it. Headers and ends of
files tell which frames to suspect; these alone are decoded, and reading them has the last word. Of
formats that tell neither, all frames are.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pixelkin.types import InputError
from pixelkin.video.images import opened
from pixelkin.video.reader import VideoReader

ENDS = {"PNG": b"\0\0\0\0IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # of whole files
LAST = 64  # bytes in which the end is looked for: some cameras add to it
ORIENTATION = 0x0112  # in EXIF; from 5 on, width and height are the other way round
PIECES = ((273, 279), (324, 325))  # tags of TIFF: where strips and tiles begin, their lengths


def flaw_in(reader: VideoReader) -> str | None:
    """Why a folder of images cannot be read as a whole: its first such frame is named.

    Args:
        reader: Of any video.

    Returns:
        What is wrong, or None, as of all videos that are no image files.
    """
    if reader.names is None:
        return None
    size = None
    for number, path in enumerate(reader.paths):
        try:
            with opened(path) as image:
                turned = _orientation(image) >= 5
                shown = image.size, turned
                size = size or shown
                sound = shown == size and _is_whole(path, image)
            if not sound:
                next(reader.frames(number, number + 1))
        except InputError as error:
            return str(error)
    return None


def _orientation(image: Image.Image) -> int:
    """As far as the header says it: of a PNG, `getexif` decodes all to look behind the picture."""
    said = "exif" in image.info or image.format == "TIFF"
    return int(image.getexif().get(ORIENTATION, 1)) if said else 1


def _is_whole(path: Path, image: Image.Image) -> bool:
    """Whether a picture, not yet decoded, is one alone and has its end, if its format tells."""
    if getattr(image, "n_frames", 1) > 1:
        return False
    there = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(-min(LAST, there), 2)
        last = file.read()
    if image.format in ENDS:
        return ENDS[image.format] in last
    if image.format == "WEBP":
        return there >= 8 + int.from_bytes(head[4:], "little")
    if image.format == "BMP":
        return there >= int.from_bytes(head[2:6], "little") > 0
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        pieces = [(tags.get(at, ()), tags.get(length, ())) for at, length in PIECES]
        ends = [a + n for begins, lengths in pieces for a, n in zip(begins, lengths, strict=False)]
        return bool(ends) and there >= max(ends)
    return False
