"""pixelkin propagate: labels of one frame (or more) through a video, into a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.arguments import call, video_first
from pixelkin.app.console import progress_bar, say
from pixelkin.app.doubts import doubt
from pixelkin.app.options import Faster
from pixelkin.types import Annotations, InputError, Objects, VideoInfo

if TYPE_CHECKING:
    from pixelkin.formats.label_files import LabelFile, Labelled

MOST_LINES = 20  # of what is said of the labels
OVER_CUTS = "labels were carried over, so look there"
NOT_OVER_CUTS = "nothing is carried over, label a frame of it (--over-cuts carries on all the same)"
DESCRIPTION = """
Carry labels of one frame through a whole video.

Labels are a mask (palette, grey or colour-coded PNG, one colour an object), masks of one object
each, a JSON file of keypoints or points, or a folder of these. They belong to the frame whose name
or number is in theirs, or to the frame given as NAME=FILE, NUMBER=FILE or '#POSITION=FILE'; a mask
without any number to frame 0. Frames before the first one are labelled backwards.

OUT receives masks/*.png at the video's size, frames/*.json (confidence, coordinates), run.json, and
overlay.mp4 with --overlay. A run that was interrupted goes on when the command is given again.

Example:
  pixelkin propagate video.mp4 --labels first_frame.png --out out/video --overlay
  pixelkin propagate video.mp4 --labels first_frame.png --out out/tuned --tune
  pixelkin propagate frames/ --labels 0=a.png 40=b.png --out out/two_keyframes
  pixelkin propagate --list jobs.csv --out results      # many; --list jobs.csv --help
"""


def propagate(
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")],
    out: Path,
    common: Faster,
    snap: bool = False,
    replace: bool = False,
    over_cuts: bool = False,
    overlay: bool = False,
    tune: bool = False,
) -> None:
    """Carry labels through a video.

    Args:
        video: Video file, folder of frames, or quoted glob pattern.
        labels: Files or folders of labels: FILE or FRAME=FILE.
        out: Folder for the results.
        common: How to carry them.
        snap: Take the nearest of the colours that were meant where a mask has smoothed edges.
        replace: Labels of a later frame are all that there is: objects that they lack end there.
        over_cuts: Carry labels on over hard cuts too; otherwise they end there.
        overlay: Also write overlay.mp4.
        tune: First tune the weights to this video, without labels, into the folder OUT-tuned, or
            take what is there from before.
    """
    from pixelkin.app.opening import open_and_tell
    from pixelkin.formats.frame_names import spoken
    from pixelkin.propagation.overlay import playable_rate
    from pixelkin.propagation.results import OVERLAY
    from pixelkin.propagation.run import propagate_to_folder

    common.use_threads()
    rules = common.rules()
    reader = open_and_tell(video)
    labelled = read_labels(labels, reader.info, snap=snap)
    for line in _shortened(labelled.said):
        say(f"labels: {line}")
    if not replace:
        for line in _shortened(going_on(labelled.annotations, reader.info)):
            say(line)
    weights = tuned(video, out, common) if tune else common.weights
    encoder = common.encoder(weights)
    began = time.monotonic()
    with progress_bar("propagating") as bar:

        def progress(done: int, _: int) -> None:
            drawn = done - len(reader)  # where it is drawn afterwards, frames count again
            if drawn > 0:
                bar(drawn, len(reader), "drawing")
            else:
                bar(done, len(reader))

        run = propagate_to_folder(
            reader,
            labelled.annotations,
            out,
            encoder=encoder,
            protocol=rules,
            overwrite=common.overwrite,
            replace=replace,
            over_cuts=over_cuts,
            overlay=overlay,
            reuse=overlay and not (out / OVERLAY).exists(),
            progress=progress,
        )
    seconds = time.monotonic() - began
    if overlay:
        stated, shown = reader.info.fps, playable_rate(reader)
        if stated is not None and stated != shown:
            say(f"{OVERLAY} has {shown:g} frames a second, as players cannot show {stated:g}")
    done = run.frames - run.resumed
    resumed = f", {run.resumed} were there" if run.resumed else ""
    rate = f" ({seconds / done:.2f} s each)" if done else ""
    where = "" if run.device == "cpu" else f" on {run.device}"
    say(f"{done} frames in {seconds:.1f} s{rate}{where}{resumed}: {run.folder}")
    if run.cuts:
        say(f"{_shots(run.cuts, reader.info)}: {OVER_CUTS if over_cuts else NOT_OVER_CUTS}")
    if run.lowest[1] < 1:  # otherwise all frames were given
        index, confidence = run.lowest
        doubtful = doubt(run.meaning, weights)
        what = f"lowest confidence {confidence:.2f}{doubtful and f' ({doubtful})'}"
        say(f"{what} in {spoken(index, reader.info)}: look there first")


def tuned(video: str, out: Path, common: Faster) -> str:
    """Weights tuned to the video, beside the results.

    Raises:
        InputError: As `pixelkin.tune`, or if `out` holds a run of other weights, before any work.
    """
    from pixelkin.app.commands.tune import tell
    from pixelkin.ops.devices import find_device
    from pixelkin.training.tuning import tune

    find_device(common.device)  # whether it is there is known before a minute's work
    device = common.device
    if device == "mps":
        say("tuning computes on the processor, as trainings do not know mps")
        device = "cpu"
    folder = out.with_name(f"{out.name}-tuned")
    if (out / "run.json").exists() and not folder.exists() and not common.overwrite:
        raise InputError(
            f"{out} holds a run, but {folder} no weights that it was made with: --overwrite "
            "replaces it, or choose another folder"
        )
    done = tune(
        [video],
        folder,
        weights=common.weights,
        threads=common.threads,
        device=device,
        overwrite=common.overwrite,
    )
    tell(done)
    return str(done.folder)


def read_labels(
    files: Sequence[str], video: VideoInfo, *, snap: bool = False, objects: Objects | None = None
) -> Labelled:
    """The labels in FILE or FRAME=FILE.

    Args:
        files: As on the command line.
        video: What they belong to.
        snap: As in `read_mask`.
        objects: Masks that have ids, names and colours already, if there are any.

    Raises:
        InputError: If a file is missing or wrong, or two belong to one frame.
    """
    from pixelkin.formats.label_files import load_label_files

    if not files:
        raise InputError("--labels needs at least one file ('#10=FILE' needs its quotes)")
    parsed = [_parse(item, video) for item in files]
    return load_label_files(parsed, video, snap=snap, objects=objects)


def _parse(item: str, video: VideoInfo) -> LabelFile:
    """The file of FILE or FRAME=FILE."""
    from pixelkin.formats.frame_names import frame_called
    from pixelkin.formats.label_files import LabelFile

    word, equals, file = item.partition("=")
    if not item or (equals and not file):
        raise InputError(f"--labels {item!r} names no file")
    if not equals or Path(item).exists():
        return LabelFile(Path(item))
    if not Path(file).exists():
        raise InputError(
            f"no such labels file: {item}; labels of a frame are FRAME=FILE, where FRAME is its "
            "name or number"
        )
    return LabelFile(Path(file), frame_called(word, video))


def going_on(annotations: Annotations, video: VideoInfo) -> list[str]:
    """Which objects go on over which keyframes, as these do not show them."""
    from pixelkin.formats.frame_names import spoken

    seen: dict[int, str] = {}
    lines = []
    for number, labels in annotations:
        names = {o.id: o.name or str(o.id) for o in labels.objects if o.id in labels.present}
        if lacking := [name for i, name in seen.items() if i not in names]:
            what = f"object {lacking[0]} goes" if len(lacking) == 1 else "objects {} go"
            lines.append(
                f"{what.format(', '.join(lacking))} on over {spoken(number, video)} from earlier "
                "labels; --replace ends what a frame lacks"
            )
        seen |= names
    return lines


def _shots(cuts: Sequence[int], video: VideoInfo) -> str:
    """Where new shots begin."""
    from pixelkin.formats.frame_names import spoken

    named = [spoken(i, video) for i in cuts[:MOST_LINES]]
    more = f" and {len(cuts) - len(named)} more" if len(cuts) > len(named) else ""
    verb = "a new shot begins" if len(cuts) == 1 else "new shots begin"
    return f"{verb} at {', '.join(named)}{more}"


def _shortened(lines: Sequence[str]) -> Sequence[str]:
    """The first lines, and how many more there are."""
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments."""
    if any(word.partition("=")[0] == "--list" for word in arguments):  # many videos
        from pixelkin.app.commands.batch import run as run_batch

        return run_batch(arguments)
    call(propagate, "propagate", video_first(arguments), DESCRIPTION)
    return 0
