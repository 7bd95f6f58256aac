"""What follows from labels: computing it, looking at it, writing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from pixelkin.app.commands.session.common import (
    Folder,
    command,
    frame_of,
    opened,
    say_how_frames_are_counted,
    spoken,
)
from pixelkin.app.console import late_bar, progress_bar, say, show_table, warn
from pixelkin.app.doubts import doubt
from pixelkin.app.options import Device
from pixelkin.types import InputError, Object

if TYPE_CHECKING:
    from pixelkin.annotation.session import Session


def compute(
    folder: Folder, /, near: str = "#0", threads: int | None = None, device: Device | None = None
) -> None:
    """Compute what is missing, and nothing else. Ctrl-C stops; the same command goes on.

    Args:
        folder: The session.
        near: Frames near this one are done first.
        threads: CPU threads.
        device: What computes: cpu, cuda or mps; auto takes a GPU where there is one. By default
            what `session new` was told.
    """
    from pixelkin.app.options import use_threads
    from pixelkin.formats.frame_names import spoken as called

    use_threads(threads)
    with (
        opened(folder, device=device) as session,
        progress_bar("computing", "frames of passes") as progress,
    ):
        for step in session.propagate(near=frame_of(session, near)):
            progress(step.done, step.total)
        worst, cuts, labelled = session.suggest(1), session.cuts, bool(session.objects)
        shots = spoken(session, cuts)
        first = [called(c.frame, session.video.info) for c in worst]
        meant = list(_meanings(session, {c.object for c in worst}))
    if not labelled:
        say(f"{folder}: nothing is labelled yet: {command('add', folder, 'FRAME=FILE')}")
        return
    say(f"{folder}: all is computed")
    if cuts:
        how = command("cut", folder, "FRAME", "--no-cut")
        over = f"over which nothing is carried ({how})"
        say(f"new shots begin at {shots}, {over}")
    if worst:
        say(f"look first at {first[0]}: {worst[0].why} ({worst[0].confidence:.2f})")
    for line in meant:
        say(line)


def status(folder: Folder, /) -> None:
    """Show objects and labels, and what is stale, reviewed or contested.

    Args:
        folder: The session.
    """
    from pixelkin.formats.frame_names import numbers_of

    with opened(folder) as session:
        lacking = session.stale()
        counts: Counter[int] = Counter()
        for one, frames in lacking:
            counts[one.id] += len(frames)
        rows = [
            [o.called, o.kind, spoken(session, session.labels(o)), str(counts[o.id])]
            for o in session.objects
        ]
        title = f"{session.video.info.path}, {len(session)} frames"
        if rows:
            heads = ("object", "kind", "labelled frames", "frames to compute")
            show_table(rows, columns=heads, title=title)
        else:
            say(f"{title}: nothing is labelled yet")
        for line in _doubts(session, lacking):
            say(line)
        reviewed, contested = session.reviewed(), session.contested()
        say(f"reviewed: {spoken(session, reviewed)}; contested: {spoken(session, contested)}")
        numbers = numbers_of(session.video.info)
        for frame, note in session.flagged().items():
            say(f"flagged: {numbers[frame]}{note and f' ({note})'}")
        if session.cuts:
            say(f"cuts, over which nothing is carried: {spoken(session, session.cuts)}")
        say_how_frames_are_counted(session)
        say(f"{session.bytes / 2**20:.1f} MiB: {folder}")


def _doubts(session: Session, lacking: list[tuple[Object, range]]) -> Iterator[str]:
    """What is not to be relied on of the results, a line each."""
    missing = {f for _, frames in session.missing() for f in frames}
    stale = {f for _, frames in lacking for f in frames} - missing
    run = command("run", session.folder)
    if missing:
        yield f"not computed yet: frames {spoken(session, sorted(missing))}: {run}"
    if stale:
        those = spoken(session, sorted(stale))
        yield f"stale, of labels that were changed since: frames {those}: {run}"
    unreached: dict[Object, list[int]] = {}
    for one, frames in session.unreached():
        unreached.setdefault(one, []).extend(frames)
    for one, known in unreached.items():
        yield f"{one.called} is reached by no label: frames {spoken(session, known)}"


def suggest(folder: Folder, /, count: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 5) -> None:
    """Show the frames that ask for a look most, the worst first.

    Args:
        folder: The session.
        count: How many.
    """
    with opened(folder) as session:
        names = {o.id: o.called for o in session.objects}
        found = session.suggest(count)
        rows = [
            [spoken(session, [c.frame]), names[c.object], f"{c.confidence:.2f}", c.why]
            for c in found
        ]
        if rows:
            show_table(rows, columns=("frame", "object", "confidence", "why"))
            for line in _meanings(session, {c.object for c in found}):
                say(line)
            say_how_frames_are_counted(session)
        elif names:
            say(f"nothing to look at: {command('run', folder)} computes results")
        else:
            say(f"nothing is labelled yet: {command('add', folder, 'FRAME=FILE')}")


def _meanings(session: Session, ids: Collection[int]) -> Iterator[str]:
    """Of what kinds of objects the confidence is not the J to be expected, a line each."""
    from pixelkin.propagation.confidence import meaning

    for kind in dict.fromkeys(o.kind for o in session.objects if o.id in ids):
        if said := doubt(meaning(session.protocols[kind], kind), session.weights):
            yield f"confidence of {kind}: {said}"


def export(
    folder: Folder,
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")],
    /,
    to: Annotated[str | None, tyro.conf.arg(aliases=["--format"])] = None,
    images: Path | None = None,
    as_: Annotated[Literal["labels", "predictions", "both"], tyro.conf.arg(name="as")] = "both",
    shapes: Literal["masks", "polygons", "boxes"] | None = None,
    simplify: float | None = None,
    scorer: str = "pixelkin",
    overwrite: bool = False,
) -> None:
    """Write labels and results of all frames.

    Args:
        folder: The session.
        out: File or folder to write.
        to: Format of OUT, where its suffix is that of several: coco, davis, cvat, ...
        images: A folder for the images of the frames, which OUT then names, as for `convert`.
        as_: Only labels that somebody gave or accepted; or all, as predictions; or both, each as
            what it is.
        shapes: What masks are written as, where the format has a choice, as for `convert`.
        simplify: Polygons with fewer corners: how many pixels those left out may be from a side.
        scorer: Who labelled, for DeepLabCut.
        overwrite: Replace what is there.
    """
    with opened(folder) as session:
        with late_bar("exporting") as progress:
            lost = session.export(
                out,
                to,
                images=images,
                what=as_,
                shapes=shapes,
                simplify=simplify,
                scorer=scorer,
                overwrite=overwrite,
                progress=progress,
            )
        doubts = list(_doubts(session, session.stale()))
    for line in (*lost, *doubts):
        warn(f"{out}: {line}")
    say(str(out))


def check(folder: Folder, /, vacuum: bool = False) -> None:
    """Look whether the session's file is sound.

    Args:
        folder: The session.
        vacuum: Also drop what no label asks for any more, and make the file smaller.
    """
    with opened(folder) as session:
        faults = session.faults()
        if faults:
            raise InputError(f"{folder} is damaged: {'; '.join(faults)}")
        if vacuum:
            session.vacuum()
        say(f"{folder} is sound, {session.bytes / 2**20:.1f} MiB")
