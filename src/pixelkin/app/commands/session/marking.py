"""What people say of frames in words: reviewed, flagged; and of objects in them: gone, hidden."""

from __future__ import annotations

from typing import Annotated

import tyro

from pixelkin.app.commands.session.common import (
    Folder,
    frame_of,
    frames_of,
    opened,
    say_what_is_to_compute,
    spoken,
)
from pixelkin.types import InputError

Frame = tyro.conf.Positional[str]
Frames = tyro.conf.Positional[str]
Name = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="OBJECT")]


def accept(folder: Folder, frames: Frames, /) -> None:
    """Say that frames are right as they are: nothing that is computed changes them any more.

    Args:
        folder: The session.
        frames: A frame, or FIRST:LAST without the last: numbers of their names; '#0' is a position.
    """
    with opened(folder, edit=True) as session:
        chosen = frames_of(session, frames)
        session.accept(chosen)


def reopen(folder: Folder, frames: Frames, /) -> None:
    """Take back that frames were reviewed or flagged: they take new results again.

    Args:
        folder: The session.
        frames: A frame, or FIRST:LAST without the last: numbers of their names; '#0' is a position.
    """
    with opened(folder, edit=True) as session:
        chosen = frames_of(session, frames)
        session.reopen(chosen)
        say_what_is_to_compute(session)


def absent(folder: Folder, frame: Frame, who: Name, /) -> None:
    """Say that an object is not in the video, from a frame on until its next label.

    Args:
        folder: The session.
        frame: The first frame without it: the number of its name; '#0' is a position.
        who: Name or id of the object.
    """
    with opened(folder, edit=True) as session:
        session.mark_absent(frame_of(session, frame), session.called(who))
        say_what_is_to_compute(session)


def occluded(folder: Folder, frames: Frames, who: Name, /) -> None:
    """Say that an object is there in frames, but hidden; labels that it has keep their place.

    Args:
        folder: The session.
        frames: A frame, or FIRST:LAST without the last: numbers of their names; '#0' is a position.
        who: Name or id of the object.
    """
    with opened(folder, edit=True) as session:
        chosen = frames_of(session, frames)
        session.mark_occluded(chosen, session.called(who))
        say_what_is_to_compute(session)


def unlabel(folder: Folder, frames: Frames, who: Name, /) -> None:
    """Take back what was said of an object in frames: masks, points, absent, occluded.

    Args:
        folder: The session.
        frames: A frame, or FIRST:LAST without the last: numbers of their names; '#0' is a position.
        who: Name or id of the object.
    """
    with opened(folder, edit=True) as session:
        chosen = frames_of(session, frames)
        one = session.called(who)
        known = set(session.labels(one))
        with session.edit(f"remove labels of {one.called}"):
            session.unlabel(chosen, one)  # says where there are no such frames
            if not known & set(chosen):
                there = spoken(session, sorted(known)) if known else "no frame"
                raise InputError(f"{one.called} has no label there: it has some in {there}")
        say_what_is_to_compute(session)


def flag(folder: Folder, frames: Frames, /, note: str = "", flag: bool = True) -> None:
    """Mark frames for a later look; `status` lists them. A review stays.

    Args:
        folder: The session.
        frames: A frame, or FIRST:LAST without the last: numbers of their names; '#0' is a position.
        note: What is to be looked at.
        flag: --no-flag takes the mark back.
    """
    if note and not flag:
        raise InputError("--note says what to look at: it does not go with --no-flag")
    with opened(folder, edit=True) as session:
        chosen = frames_of(session, frames)
        if flag:
            session.flag(chosen, note)
        else:
            session.unflag(chosen)
