"""pixelkin propagate: labels of one frame (or more) through a video, into a folder."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say
from pixelkin.app.options import Faster
from pixelkin.types import Annotations, InputError, Objects, VideoInfo

DESCRIPTION = """
Carry labels of one frame through a whole video.

Labels are a mask (palette, grey or colour-coded PNG, one colour an object), or a JSON file of
keypoints or points. They belong to frame 0, to the frame that has their file name in a folder of
frames, or to the frame given as NUMBER=FILE; frames before it are labelled backwards.

OUT receives masks/*.png at the video's size, frames/*.json (confidence, coordinates), run.json, and
overlay.mp4 with --overlay. A run that was interrupted goes on when the command is given again.

Example:
  pixelkin propagate video.mp4 --labels first_frame.png --out out/video --overlay
  pixelkin propagate video.mp4 --labels first_frame.png --out out/tuned --tune
  pixelkin propagate frames/ --labels 0=a.png 40=b.png --out out/two_keyframes
  pixelkin propagate --list jobs.csv --out results      # many videos: see --list x --help
"""


def propagate(
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")],
    out: Path,
    common: Faster,
    overlay: bool = False,
    tune: bool = False,
) -> None:
    """Carry labels through a video.

    Args:
        video: Video file, folder of frames, or quoted glob pattern; comes before the options.
        labels: Label files: FILE or FRAME_NUMBER=FILE.
        out: Folder for the results.
        common: How to carry them.
        overlay: Also write overlay.mp4.
        tune: First tune the weights to this video, without labels, into the folder OUT-tuned, or
            take what is there from before.
    """
    from pixelkin.models.encoder import load_encoder
    from pixelkin.propagation.run import propagate_to_folder
    from pixelkin.video.reader import open_video

    common.use_threads()
    rules = common.rules()
    reader = open_video(video)
    annotations = read_labels(labels, reader.info)
    say(f"labels: {_frames_of(annotations)}")
    weights = tuned(video, out, common) if tune else common.weights
    encoder = load_encoder(weights)
    began = time.monotonic()
    with progress_bar("propagating") as progress:
        run = propagate_to_folder(
            reader,
            annotations,
            out,
            encoder=encoder,
            protocol=rules,
            overwrite=common.overwrite,
            reuse=overlay and not (out / "overlay.mp4").exists(),
            progress=progress,
        )
    seconds = time.monotonic() - began
    if overlay:
        from pixelkin.app.overlay import write_overlay

        with progress_bar("drawing") as progress:
            write_overlay(reader, run.folder, progress=progress)
    done = run.frames - run.resumed
    resumed = f", {run.resumed} were there" if run.resumed else ""
    rate = f" ({seconds / done:.2f} s each)" if done else ""
    say(f"{done} frames in {seconds:.1f} s{rate}{resumed}: {run.folder}")
    if run.lowest[1] < 1:  # otherwise all frames were given
        index, confidence = run.lowest
        name = reader.info.name(index)
        named = "" if name is None else f" ({name})"
        say(f"lowest confidence {confidence:.2f} in frame {index}{named}: look there first")


def tuned(video: str, out: Path, common: Faster) -> str:
    """Weights tuned to the video, beside the results.

    Raises:
        InputError: As `pixelkin.tune`, or if `out` holds a run of other weights, before any work.
    """
    from pixelkin.app.commands.tune import tell
    from pixelkin.training.tuning import tune

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
        overwrite=common.overwrite,
    )
    tell(done)
    return str(done.folder)


def read_labels(files: Sequence[str], video: VideoInfo) -> Annotations:
    """The labels in FILE or NUMBER=FILE.

    Args:
        files: As on the command line.
        video: What they belong to.

    Raises:
        InputError: If a file is missing or wrong, or two belong to one frame.
    """
    from pixelkin.formats.registry import load_annotations

    if not files:
        raise InputError("--labels needs at least one file")
    annotations = Annotations(Objects(), {})
    for item in files:
        number, path = _parse(item)
        if not path.exists() and "=" in item:
            raise InputError(
                f"no such labels file: {item}; labels of a frame are NUMBER=FILE, counted from 0"
            )
        found = load_annotations(path, video)
        try:
            if number is not None:
                if len(found.frames) > 1:
                    raise InputError(
                        f"labels {len(found.frames)} frames: give it without {number}="
                    )
                found = Annotations.of({number: found.only()}, str(path))
            annotations = annotations.joined(found)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return annotations


def _frames_of(annotations: Annotations) -> str:
    """Which file labels which frames."""
    files: dict[str, list[int]] = {}
    for number in annotations.frames:
        files.setdefault(annotations.called(number), []).append(number)
    return "; ".join(
        f"{file} for frame {frames[0]}" if len(frames) == 1 else f"{file} for {len(frames)} frames"
        for file, frames in files.items()
    )


def _parse(item: str) -> tuple[int | None, Path]:
    """(frame number, if it is given, file) of FILE or NUMBER=FILE."""
    before, equals, after = item.partition("=")
    if equals and re.fullmatch(r"\s*-?[0-9]+\s*", before) and not Path(item).exists():
        return int(before), Path(after)
    return None, Path(item)


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments."""
    if any(word.partition("=")[0] == "--list" for word in arguments):  # many videos
        from pixelkin.app.commands.batch import run as run_batch

        return run_batch(arguments)
    call(propagate, "propagate", arguments, DESCRIPTION)
    return 0
