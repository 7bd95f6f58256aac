"""What is known of a video, and the error that tells a person what to do."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any


class InputError(ValueError):
    """What the user gave is wrong; the message says what, where, and what would be right.

    The command line prints it as one line and exits with code 2.
    """


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    Attributes:
        path: The file, folder or glob pattern it came from.
        width: Frame width in pixels.
        height: Frame height in pixels.
        frames: Number of frames, or None where the container does not say.
        fps: Frames per second, or None for folders of images.
        names: File stem of every frame where they are images, else None.
    """

    path: str
    width: int
    height: int
    frames: int | None = None
    fps: float | None = None
    names: tuple[str, ...] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return self.height, self.width

    def name(self, number: int) -> str | None:
        """File stem of a frame; None where frames have none."""
        return None if self.names is None else self.names[number]

    def number(self, name: str) -> int | None:
        """Number of the frame with this file stem; None where there is none."""
        return self.names.index(name) if self.names is not None and name in self.names else None


def whole_number(value: Any, wrong: str) -> int:
    """An integer of any type, NumPy's among them, as a plain int; True and False are none.

    Args:
        value: The integer.
        wrong: What is said of anything else.

    Raises:
        InputError: If it is none.
    """
    try:
        number = index(value)
    except TypeError:
        raise InputError(wrong) from None
    if isinstance(value, bool):
        raise InputError(wrong)
    return number


def frame_number(frame: Any) -> int:
    """The number of a frame as a plain int; see `whole_number`.

    Raises:
        InputError: If it is no integer.
    """
    return whole_number(frame, f"no frame {frame!r}: give the number of one")


def check_size(size: tuple[int, int], frame: tuple[int, int], what: str) -> None:
    """Check that labels have the size of their frame.

    Args:
        size: (height, width) of the labels.
        frame: (height, width) of the frame.
        what: What the labels are called in the message.

    Raises:
        InputError: If the sizes differ.
    """
    if tuple(size) != tuple(frame):
        raise InputError(
            f"{what}: {size[1]}x{size[0]}, the video is {frame[1]}x{frame[0]} (WxH): labels must "
            "have the size of their frame"
        )
