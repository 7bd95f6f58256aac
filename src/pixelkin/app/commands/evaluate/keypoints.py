"""pixelkin evaluate keypoints: one video of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say, show_table
from pixelkin.app.options import Common
from pixelkin.files import check_writable, write_json

DESCRIPTION = """
Carry the joints of a video's first annotated frame forwards and count those that are right (PCK):
at most alpha * 0.6 * the diagonal of the box around the frame's joints away. The protocol is that
of JHMDB by default.

Example:
  pixelkin evaluate keypoints JHMDB/Rename_Images/catch/CLIP --truth joint_positions.mat
  pixelkin evaluate keypoints DAVIS/JPEGImages/480p/dog --truth badja/dog.json --protocol davis
"""


def evaluate(
    video: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VIDEO")],
    /,
    truth: Path,
    common: Common,
    json: Path | None = None,
) -> None:
    """Score keypoints of one video.

    Args:
        video: Video file, folder of frames, or quoted glob pattern.
        truth: joint_positions.mat of JHMDB, or a joint file of BADJA.
        common: How to predict.
        json: Write the figures to this file.
    """
    from pixelkin.evaluation.keypoints import evaluate, load_truth
    from pixelkin.ops.devices import described
    from pixelkin.video.reader import open_video

    check_writable(json, overwrite=common.overwrite)
    common.use_threads()
    rules = common.rules("jhmdb")
    reader = open_video(video)
    joints = load_truth(truth, reader)
    with progress_bar("predicting") as progress:
        encoder = common.encoder()
        score = evaluate(reader, joints, encoder, rules, progress)
    where = described(encoder.device)
    how = f"weights {common.weights}, protocol {rules.name}"
    how += "" if where == "cpu" else f", on {where}"
    say(f"{truth}: {len(score.names)} joints, {score.frames} frames, {how}")
    show_table(score.rows(), columns=score.COLUMNS, total=True)
    if json is not None:
        settings = {"weights": common.weights, "protocol": dataclasses.asdict(rules)}
        write_json(json, {**settings, "devices": [where], **score.to_json()})


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(evaluate, "evaluate keypoints", arguments, DESCRIPTION)
