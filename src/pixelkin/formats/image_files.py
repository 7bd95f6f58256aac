"""The images of frames that labels refer to: their files, and putting them into one folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import check_writable
from pixelkin.types import InputError, VideoInfo, check_size
from pixelkin.video.images import opened
from pixelkin.video.reader import VideoReader
from pixelkin.video.suffixes import IMAGES
from pixelkin.video.writer import write_image

ORIENTATION, TURNED = 274, 5  # the tag of EXIF; from which value on width and height change places
NEAR = 16  # frames that are rather decoded in passing than sought


def frame_file(video: VideoInfo, number: int) -> Path | None:
    """The file of a frame; None where the video is not a folder of images, or is not there."""
    name, path = video.name(number), Path(video.path)
    if name is None:
        return None
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name)

    def fits(file: Path) -> bool:
        return fnmatchcase(file.name, pattern) and file.is_file()

    likely = (folder / f"{name}{s}" for kind in sorted(IMAGES) for s in (kind, kind.upper()))
    found = next(filter(fits, likely), None)
    if found is None and folder.is_dir():  # such as .Jpg
        same = (f for f in folder.iterdir() if f.stem == name and f.suffix.lower() in IMAGES)
        found = next(filter(fits, same), None)
    return found


class ImageFiles:
    """The images of labelled frames, put into one folder.

    Image files are copied as they are, but where another kind is demanded; frames of a video file
    become PNGs. Frames that the folder holds already, as it is the video, are left alone.

    Args:
        video: Whose frames they are.
        folder: Where they go.
        overwrite: Whether files that are there are replaced.
    """

    def __init__(self, video: VideoReader, folder: Path, overwrite: bool) -> None:
        self.folder = folder
        self.staged = folder  # where they are written, until all is well
        self._video = video
        self._overwrite = overwrite
        self._files = video.paths if len(video.paths) == len(video) and video.names else None
        self._next = 0
        self._coming: Iterator[NDArray[np.uint8]] | None = None

    def file(self, number: int) -> Path | None:
        """The file of a frame; None where they are decoded from a video file."""
        return None if self._files is None else self._files[number]

    def check(self, names: dict[int, str]) -> None:
        """Check that all may be written.

        Args:
            names: File name by the number of the frame.

        Raises:
            InputError: If a file is in the way.
        """
        if self.folder.is_file():
            raise InputError(f"{self.folder} is a file, images go into a folder")
        for number, name in names.items():
            path = self.folder / name
            file = self.file(number)
            own = file is not None and file.parent.resolve() == path.parent.resolve()
            if own and not self._is_there(number, path):
                raise InputError(
                    f"{self.folder} is the video's own folder, where {name} would be one frame "
                    "more or take the place of a file of yours: give another folder for the images"
                )
            if path.exists() and not self._is_there(number, path):
                check_writable(path, overwrite=self._overwrite)

    def write(self, number: int, name: str) -> None:
        """Write the image of a frame; fastest in ascending order."""
        path = self.staged / name
        if self._is_there(number, self.folder / name):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._files is not None and self._files[number].suffix == path.suffix:
            self._check_size(self._files[number])
            shutil.copyfile(self._files[number], path)
            return
        write_image(path, self._frame(number))

    def _is_there(self, number: int, path: Path) -> bool:
        return self._files is not None and path.exists() and path.samefile(self._files[number])

    def _check_size(self, file: Path) -> None:
        """That an image that is not decoded has the size of the others."""
        with opened(file) as image:
            width, height = image.size
            if image.getexif().get(ORIENTATION, 1) >= TURNED:
                width, height = height, width
        check_size((height, width), self._video.info.size, str(file))

    def _frame(self, number: int) -> NDArray[np.uint8]:
        """A frame: the next one, or one nearby, needs no seeking."""
        if self._coming is None or not 0 <= number - self._next < NEAR:
            self._coming, self._next = self._video.frames(number), number
        while True:
            frame = next(self._coming)
            self._next += 1
            if self._next > number:
                return frame
