"""Frames of a folder of images that cannot be used, found without decoding those that can.

A video file says of itself how far it can be read, see `pixelkin.video`; a folder of images does
not, and one frame that is cut off, or of another size, ends whatever reads it. Headers and ends of
files tell which frames to suspect; these alone are decoded, and reading them has the last word.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pixelkin.types import InputError
from pixelkin.video.images import opened
from pixelkin.video.reader import VideoReader

ENDS = {"PNG": b"\0\0\0\0IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # of whole files


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
                size = size or image.size
                sound = image.size == size and _is_whole(path, image)
            if not sound:
                next(reader.frames(number, number + 1))
        except InputError as error:
            return str(error)
    return None


def _is_whole(path: Path, image: Image.Image) -> bool:
    """Whether a picture, not yet decoded, is one alone and has its end, if its format tells."""
    if getattr(image, "n_frames", 1) > 1:
        return False
    end = ENDS.get(image.format or "")
    if end is not None:
        with path.open("rb") as file:
            file.seek(-min(len(end), path.stat().st_size), 2)
            return file.read() == end
    if image.format == "WEBP":
        with path.open("rb") as file:
            head = file.read(8)
        return path.stat().st_size >= 8 + int.from_bytes(head[4:], "little")
    return False
