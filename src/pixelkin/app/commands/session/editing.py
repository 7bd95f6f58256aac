"""What people give a session: labels, cuts, where the video is; and all of that taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.commands.session.common import (
    Folder,
    command,
    frame_of,
    opened,
    say_what_is_to_compute,
)
from pixelkin.app.console import say
from pixelkin.app.options import Device, Runtime
from pixelkin.types import InputError, Objects

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session


def new(
    folder: Folder,
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")] = (),
    weights: str = "default",
    snap: bool = False,
    runtime: Runtime = "torch",
    device: Device = "auto",
) -> None:
    """Begin a session about a video.

    Args:
        folder: New folder for the session.
        video: Video file, folder of frames, or quoted glob pattern.
        labels: Label files: FILE or FRAME=FILE.
        weights: Encoder: default, the folder of a training or of `pixelkin encoder import`, or
            F.onnx.
        runtime: What computes features: torch, or onnx (onnxruntime, pixelkin[onnx]).
        device: What runs of this session compute on: cpu, cuda or mps; auto takes a GPU where
            there is one.
        snap: Take the nearest of the colours that were meant where a mask has smoothed edges.
    """
    from pixelkin.annotation.session import Session
    from pixelkin.annotation.upkeep import remove
    from pixelkin.app.opening import open_and_tell

    open_and_tell(video)
    made = Session.create(folder, video, encoder=weights, runtime=runtime, device=device)
    with made as session:
        say(f"{folder}: {len(session)} frames of {session.size[1]}x{session.size[0]}")
        try:
            if labels:
                _add(session, labels, snap=snap)
        except InputError:  # the same command may be given again
            session.close()
            remove(folder)
            raise


def add(
    folder: Folder,
    labels: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FILE ...")],
    /,
    snap: bool = False,
) -> None:
    """Add labels of further frames, or corrections; objects that they lack keep theirs.

    Args:
        folder: The session.
        labels: Label files: FILE or FRAME=FILE.
        snap: As for `session new`.
    """
    if not labels:
        raise InputError(
            f"no labels are named: {command('add', folder, 'FILE')}, or FRAME=FILE ('#10=FILE' "
            "needs its quotes)"
        )
    with opened(folder, edit=True) as session:
        _add(session, labels, snap=snap)


def _add(session: Session, labels: Sequence[str], *, snap: bool) -> None:
    from pixelkin.app.commands.propagate import read_labels

    known = Objects(tuple(o for o in session.objects if o.kind == "mask"))
    found = read_labels(labels, session.video.info, snap=snap, objects=known)
    session.import_(found.annotations)
    for line in found.said:
        say(f"labels: {line}")
    say_what_is_to_compute(session, always=True)


def cut(folder: Folder, frame: tyro.conf.Positional[str], /, cut: bool = True) -> None:
    """Say whether a new shot begins with a frame: labels are not carried over cuts.

    Args:
        folder: The session.
        frame: The first frame of the shot: the number of its name; '#0' is a position.
        cut: --no-cut says that there is none.
    """
    with opened(folder, edit=True) as session:
        session.set_cut(frame_of(session, frame), cut)
        say_what_is_to_compute(session)


def undo(folder: Folder, /) -> None:
    """Take back the last edit.

    Args:
        folder: The session.
    """
    with opened(folder, edit=True) as session:
        what = session.undo()
    say("nothing to undo" if what is None else f"undone: {what}")


def redo(folder: Folder, /) -> None:
    """Do again what was undone last.

    Args:
        folder: The session.
    """
    with opened(folder, edit=True) as session:
        what = session.redo()
    say("nothing to redo" if what is None else f"done again: {what}")


def weights(
    folder: Folder,
    encoder: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="WEIGHTS")],
    /,
) -> None:
    """Go on with other weights; what was computed stays in sight until it is computed again.

    Args:
        folder: The session.
        encoder: As of `session new --weights`.
    """
    with opened(folder, edit=True) as session:
        session.use_weights(encoder)
        say_what_is_to_compute(session, always=True)


def relocate(
    folder: Folder, video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")], /
) -> None:
    """Say where the video lies by now.

    Args:
        folder: The session.
        video: The same video, in another place.
    """
    with opened(folder, edit=True) as session:
        session.relocate(video)
