"""pixelkin session: label, carry on, correct and export a video, step by step."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say, show_table
from pixelkin.types import InputError, Objects

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session

USAGE = """usage: pixelkin session COMMAND DIR [options]

Label a video, carry the labels on, correct what is wrong and export the result. DIR holds the
session; whatever is done is kept at once, and a correction computes only what depends on it.

commands:
  new        begin a session about a video
  add        add labels of further frames, or corrections
  run        compute what is missing
  status     objects, labels, what is stale, reviewed or contested
  suggest    the frames that ask for a look most
  accept     say that frames are right as they are: 5, or 0:20
  cut        say whether a new shot begins with a frame
  undo       take back the last edit
  redo       do it again
  export     write labels and results
  relocate   say where the video lies by now
  check      look whether the session's file is sound

example:
  pixelkin session new dog.pixelkin video.mp4 --labels first_frame.png
  pixelkin session run dog.pixelkin
  pixelkin session export dog.pixelkin dog.npz

`pixelkin session COMMAND --help` shows a command's options.
"""

Folder = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]


def new(
    folder: Folder,
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")] = (),
    weights: str = "default",
) -> None:
    """Begin a session about a video.

    Args:
        folder: New folder for the session.
        video: Video file, folder of frames, or quoted glob pattern.
        labels: Label files: FILE or FRAME=FILE.
        weights: Encoder: default, or a folder that `pixelkin train` made.
    """
    from pixelkin.annotation.session import Session
    from pixelkin.annotation.upkeep import remove

    with Session.create(folder, video, encoder=weights) as session:
        say(f"{folder}: {len(session)} frames of {session.size[1]}x{session.size[0]}")
        try:
            if labels:
                _add(session, labels)
        except InputError:  # the same command may be given again
            session.close()
            remove(folder)
            raise


def add(
    folder: Folder,
    labels: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FILE ...")],
    /,
) -> None:
    """Add labels of further frames, or corrections; objects that they lack keep theirs.

    Args:
        folder: The session.
        labels: Label files: FILE or FRAME=FILE.
    """
    with _opened(folder, edit=True) as session:
        _add(session, labels)


def _add(session: Session, labels: Sequence[str]) -> None:
    from pixelkin.app.commands.propagate import read_labels

    known = Objects(tuple(o for o in session.objects if o.kind == "mask"))
    found = read_labels(labels, session.video.info, objects=known)
    session.import_(found.annotations)
    for line in found.said:
        say(f"labels: {line}")
    say(f"{_stale(session)} frames to compute: pixelkin session run {session.folder}")


def _stale(session: Session) -> int:
    return len({f for _, some in session.stale() for f in some})


def compute(folder: Folder, /, near: int = 0, threads: int | None = None) -> None:
    """Compute what is missing, and nothing else. Ctrl-C stops; the same command goes on.

    Args:
        folder: The session.
        near: Frames near this one are done first.
        threads: CPU threads.
    """
    from pixelkin.app.options import use_threads

    use_threads(threads)
    with _opened(folder) as session, progress_bar("computing", "frames of passes") as progress:
        for step in session.propagate(near=near):
            progress(step.done, step.total)
        worst, cuts = session.suggest(1), session.cuts
    say(f"{folder}: all is computed")
    if cuts:
        over = f"over which nothing is carried (pixelkin session cut {folder} FRAME --no-cut)"
        say(f"new shots begin at {_short(cuts)}, {over}")
    if worst:
        say(f"look first at frame {worst[0].frame}: {worst[0].why} ({worst[0].confidence:.2f})")


def status(folder: Folder, /) -> None:
    """Show objects and labels, and what is stale, reviewed or contested.

    Args:
        folder: The session.
    """
    with _opened(folder) as session:
        stale: dict[int, int] = {}
        for one, frames in session.stale():
            stale[one.id] = stale.get(one.id, 0) + len(frames)
        rows = [
            [o.name or str(o.id), o.kind, _short(session.labels(o)), str(stale.get(o.id, 0))]
            for o in session.objects
        ]
        title = f"{session.video.info.path}, {len(session)} frames"
        if rows:
            heads = ("object", "kind", "labelled frames", "frames to compute")
            show_table(rows, columns=heads, title=title)
        else:
            say(f"{title}: nothing is labelled yet")
        say(f"reviewed: {_short(session.reviewed())}; contested: {_short(session.contested())}")
        if session.cuts:
            say(f"cuts, over which nothing is carried: {_short(session.cuts)}")
        say(f"{session.bytes / 2**20:.1f} MiB: {folder}")


def suggest(folder: Folder, /, count: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 5) -> None:
    """Show the frames that ask for a look most, the worst first.

    Args:
        folder: The session.
        count: How many.
    """
    with _opened(folder) as session:
        names = {o.id: o.name or str(o.id) for o in session.objects}
        rows = [
            [str(c.frame), names[c.object], f"{c.confidence:.2f}", c.why]
            for c in session.suggest(count)
        ]
        if rows:
            show_table(rows, columns=("frame", "object", "confidence", "why"))
        else:
            say("nothing to look at: pixelkin session run computes results")


def accept(folder: Folder, frames: tyro.conf.Positional[str], /) -> None:
    """Say that frames are right as they are: nothing that is computed changes them any more.

    Args:
        folder: The session.
        frames: A frame number, or FIRST:LAST without the last.
    """
    found = re.fullmatch(r"(\d+)(?::(\d+))?", frames)
    if not found:
        raise InputError(f"{frames}: give a frame number, or FIRST:LAST, as in 0:20")
    start = int(found[1])
    with _opened(folder, edit=True) as session:
        session.accept(range(start, int(found[2]) if found[2] else start + 1))


def cut(folder: Folder, frame: tyro.conf.Positional[int], /, cut: bool = True) -> None:
    """Say whether a new shot begins with a frame: labels are not carried over cuts.

    Args:
        folder: The session.
        frame: The first frame of the shot.
        cut: --no-cut says that there is none.
    """
    with _opened(folder, edit=True) as session:
        session.set_cut(frame, cut)


def undo(folder: Folder, /) -> None:
    """Take back the last edit.

    Args:
        folder: The session.
    """
    with _opened(folder, edit=True) as session:
        what = session.undo()
    say("nothing to undo" if what is None else f"undone: {what}")


def redo(folder: Folder, /) -> None:
    """Do again what was undone last.

    Args:
        folder: The session.
    """
    with _opened(folder, edit=True) as session:
        what = session.redo()
    say("nothing to redo" if what is None else f"done again: {what}")


def export(
    folder: Folder,
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")],
    /,
    format: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write labels and results of all frames.

    Args:
        folder: The session.
        out: File or folder to write.
        format: Its format, where the name does not say it: coco, davis, cvat, ...
        overwrite: Replace what is there.
    """
    with _opened(folder) as session:
        for line in session.export(out, format, overwrite=overwrite):
            say(f"{out}: {line}")
        if count := _stale(session):
            say(f"{out}: {count} frames lack results of the labels: pixelkin session run {folder}")
    say(str(out))


def relocate(
    folder: Folder, video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")], /
) -> None:
    """Say where the video lies by now.

    Args:
        folder: The session.
        video: The same video, in another place.
    """
    with _opened(folder, edit=True) as session:
        session.relocate(video)


def check(folder: Folder, /, vacuum: bool = False) -> None:
    """Look whether the session's file is sound.

    Args:
        folder: The session.
        vacuum: Also drop what no label asks for any more, and make the file smaller.
    """
    with _opened(folder) as session:
        faults = session.faults()
        if faults:
            raise InputError(f"{folder} is damaged: {'; '.join(faults)}")
        if vacuum:
            session.vacuum()
        say(f"{folder} is sound, {session.bytes / 2**20:.1f} MiB")


def _opened(folder: Path, *, edit: bool = False) -> Session:
    from pixelkin.annotation.session import Session

    return Session.open(folder, edit=edit)


def _short(frames: Sequence[int]) -> str:
    """Frame numbers, as ranges where they follow each other: 0-3, 7."""
    from pixelkin.annotation.plan import ranges

    parts = ("-".join(map(str, dict.fromkeys((r[0], r[-1])))) for r in ranges(frames))
    return ", ".join(parts) or "none"


COMMANDS: dict[str, tuple[Callable[..., Any], str]] = {
    "new": (new, "video.mp4 --labels first_frame.png"),
    "add": (add, "40=corrected.png"),
    "run": (compute, ""),
    "status": (status, ""),
    "suggest": (suggest, "-k 10"),
    "accept": (accept, "0:20"),
    "cut": (cut, "120 --no-cut"),
    "undo": (undo, ""),
    "redo": (redo, ""),
    "export": (export, "dog.npz"),
    "relocate": (relocate, "elsewhere/video.mp4"),
    "check": (check, "--vacuum"),
}
"""By name: the command, and what its example says after the session."""


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"no command 'session {name}': there are {', '.join(COMMANDS)}")
    command, words = COMMANDS[name]
    about = (command.__doc__ or "").split("\n\n")[0]
    example = f"  pixelkin session {name} dog.pixelkin {words}".rstrip()
    call(command, f"session {name}", rest, f"{about}\n\nExample:\n{example}")
    return 0
