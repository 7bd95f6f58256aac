"""Which frame of a video a name in a file is, and which video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pixelkin.types import InputError, VideoInfo
from pixelkin.video.images import natural_key, read_image
from pixelkin.video.suffixes import IMAGES

MOST_FRAMES = 10**7
MOST_NAMES = 10**6
UNNAMED = "frame_{:06d}".format  # of frames of a video file
ENDING = re.compile(r"([0-9]{1,9})$", re.ASCII)


def frame_numbers(
    names: Sequence[str],
    video: VideoInfo,
    source: object,
    place: Callable[[int], str] | None = None,
) -> list[int]:
    """The number of each frame that is named by an image file.

    In a video of images it is that of the image with this stem; in others it is the number that
    the stem ends with ("frame_000012.png").

    Args:
        names: Paths or names of images.
        video: The video.
        source: What the file that names them is called in messages.
        place: Where in it the nth name is; None where that needs no word.

    Raises:
        InputError: If a frame is not in the video, or two are the same.
    """
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names]
    said = [source if place is None else f"{source}: {place(n)}" for n in range(len(names))]
    places = {stem: number for number, stem in enumerate(video.names or ())}
    numbers: list[int] = []
    for stem, where in zip(stems, said, strict=True):
        found = _ending(stem) if video.names is None else places.get(stem)
        if found is None:
            why = "which is not in the video"
            if video.names is None:
                why = "whose name does not end in a number"
                why += ": give the video as the folder of its frames"
            raise InputError(f"{where} labels the frame {one_line(stem)}, {why}")
        numbers.append(check_number(found, video, where))
    seen: set[int] = set()
    for number, where in zip(numbers, said, strict=True):
        if number in seen:
            raise InputError(f"{where} names frame {number} twice")
        seen.add(number)
    return numbers


def one_line(stem: str) -> str:
    """A name that a file says, on one line."""
    return stem if stem.isprintable() and stem else repr(stem)


def check_number(number: object, video: VideoInfo, source: object) -> int:
    """A frame number from a file.

    Raises:
        InputError: If it is no whole number, or not in the video.
    """
    most = MOST_FRAMES if video.frames is None else video.frames
    if type(number) is not int or not 0 <= number < most:
        raise InputError(f"{source} labels frame {number!r}, which is not in the video ({most})")
    return number


def named_video(
    names: Iterable[str],
    size: tuple[int, int],
    path: Path,
    *,
    numbers: Sequence[int] | None = None,
    frames: int = 0,
) -> VideoInfo:
    """The video that a file's own names of frames tell of: see `frame_numbers`.

    Frames that are not listed are called as the listed ones are, with their own number.

    Args:
        names: Paths or names of images.
        size: (height, width) of a frame.
        path: The file.
        numbers: Of each of these frames. None for the numbers that the names end in, where all end
            in different ones; else they are counted in natural order.
        frames: How many there are at least.
    """
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names]
    if numbers is None:
        stems = sorted(set(stems), key=lambda stem: natural_key(Path(stem)))
        known = [n for n in map(_ending, stems) if n is not None]
        numbers = known if len(set(known)) == len(stems) else range(len(stems))
    frames = max(frames, max(numbers, default=-1) + 1)
    return VideoInfo(str(path), size[1], size[0], frames, names=_every_name(numbers, stems, frames))


def _every_name(numbers: Sequence[int], stems: Sequence[str], count: int) -> tuple[str, ...] | None:
    """The names of all frames, of which these are known; None where they tell no frames apart.

    Nor where they are those that frames of a video file, which have none, are written with.
    """
    listed = dict(zip(numbers, stems, strict=True))
    apart = len(set(stems)) == len(listed) == len(stems) and all(map(is_stem, stems))
    if not apart or not listed or min(numbers) < 0 or count > MOST_NAMES:
        return None
    if all(UNNAMED(n) == stem for n, stem in listed.items()):
        return None
    called = _pattern(listed)
    names = tuple(listed.get(n) or called(n) for n in range(count))
    return names if len(set(names)) == count else None


def _pattern(listed: Mapping[int, str]) -> Callable[[int], str]:
    """What a frame that is not listed is called: as those that are, if one rule made them all."""
    first, last = min(listed), max(listed)
    ends = ENDING.search(listed[first]), ENDING.search(listed[last])
    if ends[0] and ends[1]:
        digits, begin = ends[0][1], listed[first][: ends[0].start()]
        step = (int(ends[1][1]) - int(digits)) // max(last - first, 1) or 1
        for width in (len(digits), 0):

            def called(n: int, width: int = width) -> str:
                number = int(digits) + (n - first) * step
                return f"{begin}{number:0{width}d}" if number >= 0 else UNNAMED(n)

            if all(called(n) == stem for n, stem in listed.items()):
                return called
    return UNNAMED


def is_stem(name: object) -> bool:
    """Whether files in a folder may be called so."""
    plain = isinstance(name, str) and name not in ("", ".", "..")
    return plain and not any(c in "/\\\0" for c in str(name))


def image_path(folder: Path, stem: str) -> Path:
    """The image of a folder that has this stem; a PNG if there is none."""
    found = (folder / f"{stem}{s}" for suffix in sorted(IMAGES) for s in (suffix, suffix.upper()))
    return next((path for path in found if path.is_file()), folder / f"{stem}.png")


def pictured_video(names: Sequence[str], folder: Path, path: Path) -> VideoInfo | None:
    """The same, of the size of the image of the first name; None where it is not in a folder.

    Args:
        names: Names of images.
        folder: Where they are.
        path: What names them.
    """
    file = image_path(folder, PurePosixPath(names[0]).stem) if names else folder
    if not file.is_file():
        return None
    height, width = read_image(file).shape[:2]
    return named_video(names, (height, width), path)


def choose_video(names: Sequence[str], video: VideoInfo, source: object) -> int:
    """Which of a file's videos is meant: the only one, or the one that is called as the video is.

    Raises:
        InputError: If there is none, or it cannot be told.
    """
    if len(names) == 1:
        return 0
    path = Path(video.path)
    if {path.name, path.stem} & set(names):
        return next(i for i, name in enumerate(names) if name in (path.name, path.stem))
    some = ", ".join(map(one_line, names[:5])) or "none"
    raise InputError(
        f"{source} holds {len(names)} videos ({some}): give the one that is meant, with its name"
    )


def _ending(stem: str) -> int | None:
    found = ENDING.search(stem)
    return None if found is None else int(found[1])
