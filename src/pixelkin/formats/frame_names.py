"""Which frame of a video a name means: that of a file of labels, or a word of a command.

Names are compared in one Unicode form and without regard to case, so that files may come from any
system. Nothing is guessed: a name that fits no frame, or several, is an error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pixelkin.types import InputError, VideoInfo

_DIGITS = re.compile(r"(?<![0-9])[0-9]{1,18}(?![0-9])")
# Numbers that are no frame's: a size (640x480, 480p), a version (v2).
_OTHER = re.compile(r"(?<![^\W_])([0-9]+ ?[x×] ?[0-9]+|[0-9]+p|v[0-9]+)(?![^\W_])")
_BESIDE = r"(?<![^\W_]){}(?![^\W_])"  # a word: what is beside it is neither a letter nor a digit


def frame_of(path: Path, video: VideoInfo) -> int | None:
    """The frame that a file of labels belongs to by its name; None if its name has no number.

    The first of these that fits exactly one frame:

    * the whole name: `frame_3.png`, `Frame_3.json`;
    * the name of a frame within it, as a word: `frame_3_mask.png`;
    * one of its numbers: `3.png`, `mask_0003.png`, for the frame `frame_3`, or for frame 3 where
      frames have no names. Sizes (640x480, 480p) and versions (v2) do not count.

    Example:
        >>> video = VideoInfo("frames", 64, 48, 2, names=("frame_1", "frame_2"))
        >>> frame_of(Path("frame_2_mask.png"), video), frame_of(Path("mask.png"), video)
        (1, None)

    Raises:
        InputError: If its numbers fit no frame, or those of several frames are in its name.
    """
    stem = _plain(path.stem)
    if video.names is not None:
        names = [_plain(name) for name in video.names]
        exact = [i for i, name in enumerate(video.names) if name == path.stem]
        whole = exact or [i for i, name in enumerate(names) if name == stem]
        found = whole or _outermost(names, stem)
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(_several(path, video, found))
    stated = {int(n) for n in _DIGITS.findall(_OTHER.sub("", stem))}
    if not stated:
        return None
    if video.names is None and video.frames is None and len(stated) == 1:
        return stated.pop()  # nothing is known of the video
    found = [i for i, number in enumerate(_numbers(video) or ()) if number in stated]
    if len(found) > 1:
        raise InputError(_several(path, video, found))
    if not found:
        raise InputError(
            f"the name of {path} fits no frame of the video ({_extent(video)}): give it the name "
            f"of its frame, or say which frame it labels, as {_example(video)}={path.name}"
        )
    return found[0]


def frame_called(word: str, video: VideoInfo) -> int:
    """The frame that a word of a command means.

    `#10` is the position 10, counted from 0. `10` is the frame whose name has the number 10, where
    the names of frames have numbers, else the position. Anything else is the name of a frame.

    Raises:
        InputError: If there is no such frame, or several.
    """
    word = word.strip()
    number = re.fullmatch(r"(#?)\s*(-?[0-9]{1,18})", word)
    numbers = None if video.names is None else _numbers(video)
    if number and (number[1] or numbers is None):
        position, last = int(number[2]), (video.frames or 0) - 1
        if not 0 <= position <= last:
            raise InputError(f"labels for frame {position}, but the video has frames 0 to {last}")
        return position
    if number:
        found = [i for i, n in enumerate(numbers or ()) if n == int(number[2])]
    else:
        names = [_plain(name) for name in video.names or ()]
        found = [i for i, name in enumerate(names) if name == _plain(word)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} frames are" if found else "no frame is"
    raise InputError(
        f"{what} named {word} ({_extent(video)}); a position, counted from 0, is '#10'"
    )


def frames_called(words: str, video: VideoInfo) -> range:
    """The frames that words of a command mean: one, as in `frame_called`, or 0:20 without the last.

    Example:
        >>> video = VideoInfo("frames", 64, 48, 4, names=("5", "6", "7", "8"))
        >>> frames_called("6:8", video), frames_called("#0:2", video), frames_called("8", video)
        (range(1, 3), range(0, 2), range(3, 4))

    Raises:
        InputError: If there is no such frame, or several, or they do not follow each other.
    """
    ends = re.fullmatch(r"\s*(#?)([0-9]{1,18})(?::(#?)([0-9]{1,18}))?\s*", words)
    if ends is None or (ends[3] and not ends[1]):
        if _plain(words.strip()) not in map(_plain, video.names or ()):
            raise InputError(
                f"{words}: give a frame number, or FIRST:LAST, as in 0:20, without the last"
                + ("" if video.names is None else f", or a name ({_extent(video)})")
            )
        one = frame_called(words, video)
        return range(one, one + 1)
    numbers = range(video.frames or 0) if ends[1] else numbers_of(video)
    first, end = int(ends[2]), int(ends[4] or int(ends[2]) + 1)
    if first >= end:
        raise InputError(f"no frame is named in {words}: the last one does not count")
    chosen = sorted(i for i, number in enumerate(numbers) if first <= number < end)
    beyond = end - 1 > max(numbers)
    if beyond or not chosen:
        lacking = max(first, max(numbers) + 1) if beyond else first
        there = f"{'positions' if ends[1] else 'frames'} {min(numbers)} to {max(numbers)}"
        some = "" if beyond or first < min(numbers) else ", not all of them"
        raise InputError(f"no frame {ends[1]}{lacking}: the video has {there}{some}")
    if chosen[-1] - chosen[0] >= len(chosen):
        raise InputError(
            f"the frames {words} do not follow each other: give positions, counted from 0, as in "
            f"'#{chosen[0]}:{chosen[0] + 1}'"
        )
    return range(chosen[0], chosen[-1] + 1)


def numbers_of(video: VideoInfo) -> Sequence[int]:
    """By which numbers commands call frames: those in their names, else positions from 0."""
    return _numbers(video) or range(video.frames or 0)


def spoken(index: int, video: VideoInfo) -> str:
    """What a frame is called in messages: its number, and its name; its position where they differ.

    Example:
        >>> video = VideoInfo("frames", 64, 48, 2, names=("frame_1", "frame_2"))
        >>> spoken(1, video)
        'frame_2 (position 1, counted from 0)'
    """
    name = video.name(index)
    if name is None:
        return f"frame {index}"
    numbers = _numbers(video)
    if numbers is not None and numbers[index] != index:
        return f"{name} (position {index}, counted from 0)"
    return f"frame {index} ({name})"


def first_apart(video: VideoInfo) -> int | None:
    """The first frame whose name has another number than its position; None if there is none.

    Example:
        >>> first_apart(VideoInfo("frames", 64, 48, 3, names=("0", "5", "10")))
        1
    """
    numbers = _numbers(video) or ()
    return next((i for i, number in enumerate(numbers) if number != i), None)


def object_name(path: Path, video: VideoInfo, index: int, *, stated: bool) -> str | None:
    """What a file of one object of a frame calls it: its name, without that of the frame.

    The name of its folder, where nothing is left; None if there is none.

    Args:
        path: The file.
        video: Of the frame.
        index: The frame.
        stated: Whether the frame was told; numbers in the name are then the object's.

    Example:
        >>> object_name(Path("frame_3_dog.png"), VideoInfo("v.mp4", 64, 48, 9), 3, stated=False)
        'frame_dog'
    """
    stem, name = unicodedata.normalize("NFC", path.stem), video.name(index)
    numbers = _numbers(video)
    cuts = []
    if name is not None and not (stated and name.isdigit()):
        cuts.append(_word(unicodedata.normalize("NFC", name)))
    if numbers is not None and not stated:
        cuts.append(rf"(?<![0-9])0*{numbers[index]}(?![0-9])")
    found = (re.subn(cut, "", stem, count=1, flags=re.IGNORECASE) for cut in cuts)
    rest = next((text for text, n in found if n), stem)
    return re.sub(r"[\W_]+", "_", rest).strip("_") or path.resolve().parent.name or None


def _numbers(video: VideoInfo) -> Sequence[int] | None:
    """The number of each frame: the last number in the names of frames that differs in all of them.

    Positions where frames have no names; None where no number tells their names apart.
    """
    return range(video.frames or 0) if video.names is None else _numbers_in(video.names)


@lru_cache(maxsize=16)
def _numbers_in(names: tuple[str, ...]) -> tuple[int, ...] | None:
    numbers = [_DIGITS.findall(_plain(name)) for name in names]
    if len({len(n) for n in numbers}) != 1:
        return None
    columns = [tuple(int(n) for n in column) for column in zip(*numbers, strict=True)]
    different = [column for column in columns if len(set(column)) == len(column)]
    return different[-1] if different else None


def _outermost(names: list[str], stem: str) -> list[int]:
    """The frames whose names are words of `stem`, without those that lie within another's name."""
    inside = [i for i, n in enumerate(names) if n in stem and re.search(_word(n), stem)]
    longest = max((names[i] for i in inside), key=len, default="")
    return [i for i in inside if names[i] == longest or not re.search(_word(names[i]), longest)]


def _word(name: str) -> str:
    return _BESIDE.format(re.escape(name))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _several(path: Path, video: VideoInfo, found: list[int]) -> str:
    first, second, *_ = (spoken(i, video) for i in found)
    return (
        f"the name of {path} fits {len(found)} frames, {first} and {second}"
        f"{' among them' if len(found) > 2 else ''}: say which one it labels, as "
        f"{_example(video)}={path.name}"
    )


def _extent(video: VideoInfo) -> str:
    if video.names is None:
        return f"frames 0 to {(video.frames or 0) - 1}"
    first, last = video.names[0], video.names[-1]
    return first if first == last else f"{first} to {last}"


def _example(video: VideoInfo) -> str:
    return "0" if video.names is None else video.names[0]
