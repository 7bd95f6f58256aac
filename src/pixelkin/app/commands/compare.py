"""pixelkin compare: which weights are better on a video of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.arguments import call, video_first
from pixelkin.app.commands.propagate import read_labels
from pixelkin.app.console import progress_bar, say, show_table
from pixelkin.app.options import Rules
from pixelkin.files import check_writable, write_json

if TYPE_CHECKING:
    from pixelkin.evaluation.compare import Comparison

DESCRIPTION = """
Say which weights are better on a video, from one labelled frame.

Its labels are carried 5, 10, 20 and 40 frames on and back again: "cycle" is J (of keypoints: PCK)
of what comes back. Where more frames are labelled, the labels carried to each are compared with its
own: that is a truth, a cycle is none. "moved" guards it: labels carried to a moved copy of the same
frame; weights that leave labels where they are return perfectly, but fail there.

Example:
  pixelkin compare video.mp4 --labels first_frame.png --weights default tuned
"""


def compare(
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    labels: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE ...")],
    weights: tuple[str, ...],
    common: Rules,
    distances: tuple[int, ...] = (5, 10, 20, 40),
    short_side: int | None = None,
    json: Path | None = None,
) -> None:
    """Compare weights.

    Args:
        video: Video file, folder of frames, or quoted glob pattern.
        labels: Label files: FILE or FRAME=FILE.
        weights: One or more of default, random, lab, folders with weights.safetensors, ONNX files.
        common: How to carry labels.
        distances: Frames from the first labelled one to where its labels turn back.
        short_side: Work at this short side in pixels: faster, coarser.
        json: Write the figures to this file.
    """
    from pixelkin.app.opening import open_and_tell
    from pixelkin.evaluation.compare import compare

    check_writable(json, overwrite=common.overwrite)
    common.use_threads()
    rules = common.rules()
    if short_side is not None:
        rules = dataclasses.replace(rules, short_side=short_side)
    reader = open_and_tell(video)
    annotations = read_labels(labels, reader.info).annotations
    with progress_bar("carrying") as progress:
        found = compare(
            reader,
            annotations,
            weights,
            distances=distances,
            protocol=rules,
            device=common.device,
            progress=progress,
        )
    if found.left_out:
        say(_left_out(found, distances, len(reader) - 1 - found.frame))
    say(f"{found.measure} in percent, labels of frame {found.frame}, protocol {rules.name}")
    show_table(found.rows(), columns=found.columns)
    if json is not None:
        write_json(json, {"protocol": dataclasses.asdict(rules), **found.to_json()})


def _left_out(found: Comparison, distances: Sequence[int], room: int) -> str:
    """Which distances were left out, and what was taken where none was left."""
    few = ", ".join(map(str, found.left_out))
    instead = f", and {room} is taken instead" if min(distances) > room else ""
    follow = "1 frame follows" if room == 1 else f"{room} frames follow"
    return f"--distances {few} left out, as {follow} frame {found.frame}{instead}"


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(compare, "compare", video_first(arguments), DESCRIPTION)
