"""What the commands of sessions share."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.console import progress_bar, say
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session

Folder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]


def opened(folder: Path, *, edit: bool = False, device: str | None = None) -> Session:
    """An open session; `edit` says whether labels are to be changed, `device` what computes."""
    from pixelkin.annotation.session import Session

    with ExitStack() as stack:  # nothing is shown where nothing is to be done
        shown: list[Callable[[int, int], None]] = []

        def progress(done: int, total: int) -> None:
            if not shown:
                bar = progress_bar(f"{folder}: bringing it up to date", "frames of passes")
                shown.append(stack.enter_context(bar))
            shown[0](done, total)

        return Session.open(folder, edit=edit, device=device, progress=progress)


def command(name: str, folder: Path, *words: str) -> str:
    """A command of a session, as a shell takes it."""
    return " ".join(["pixelkin session", name, shlex.quote(str(folder)), *words])


def say_what_is_to_compute(session: Session, *, always: bool = False) -> None:
    """How many frames, and how; where there are none, nothing, but for `always`."""
    frames = {f for _, some in session.stale() for f in some}
    if frames or always:
        say(f"{len(frames)} frames to compute: {command('run', session.folder)}")


def say_how_frames_are_counted(session: Session) -> None:
    """Where the names of frames have other numbers than their positions."""
    from pixelkin.formats.frame_names import first_apart
    from pixelkin.formats.frame_names import spoken as called

    video = session.video.info
    apart = first_apart(video)
    if apart is not None:
        say(f"frames have the numbers of their names: {called(apart, video)}, is also '#{apart}'")


def spoken(session: Session, frames: Sequence[int]) -> str:
    """Numbers of frames, as ranges where they follow each other: 0-3, 7."""
    from pixelkin.annotation.plan import ranges
    from pixelkin.formats.frame_names import numbers_of

    numbers = numbers_of(session.video.info)
    runs: list[list[int]] = []
    for frame in (f for some in ranges(frames) for f in some):
        rises = bool(runs) and runs[-1][-1] == frame - 1 and numbers[frame] > numbers[frame - 1]
        runs[-1].append(frame) if rises else runs.append([frame])
    ends = ([numbers[f] for f in dict.fromkeys((run[0], run[-1]))] for run in runs)
    return ", ".join("-".join(map(str, some)) for some in ends) or "none"


def frame_of(session: Session, word: str) -> int:
    """The one frame that a word means."""
    frames = frames_of(session, word)
    if len(frames) > 1:
        raise InputError(f"{word}: give one frame")
    return frames[0]


def frames_of(session: Session, words: str) -> range:
    """The frames that words mean: see `frame_names.frames_called`."""
    from pixelkin.formats.frame_names import frames_called

    return frames_called(words, session.video.info)
