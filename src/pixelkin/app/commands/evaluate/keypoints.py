"""pixelkin evaluate keypoints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from pixelkin.app.commands.evaluate.common import show_table
from pixelkin.app.commands.propagate import check_threads
from pixelkin.app.console import progress
from pixelkin.files import check_writable, write_json

DESCRIPTION = """
Carry the joints of a video's first annotated frame forwards and count those that are right (PCK):
at most alpha * 0.6 * the diagonal of the box around the frame's joints away.

Example:
  pixelkin evaluate keypoints JHMDB/Rename_Images/catch/CLIP --truth joint_positions.mat
  pixelkin evaluate keypoints DAVIS/JPEGImages/480p/dog --truth badja/dog.json --protocol davis
"""


def evaluate(
    video: tyro.conf.Positional[str],
    /,
    truth: Path,
    weights: str = "default",
    protocol: str = "jhmdb",
    json: Path | None = None,
    threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Score keypoints of one video.

    Args:
        video: Video file, folder of frames, or quoted glob pattern.
        truth: joint_positions.mat of JHMDB, or a joint file of BADJA.
        weights: default, random, lab, or a folder with weights.safetensors.
        protocol: Propagation protocol.
        json: Write the figures to this file.
        threads: CPU threads; all by default.
        overwrite: Replace what --json holds.
    """
    import torch

    from pixelkin.evaluation.keypoints import evaluate, load_truth
    from pixelkin.models.encoder import load_encoder
    from pixelkin.propagation.protocol import Protocol
    from pixelkin.video.reader import open_video

    check_writable(json, overwrite=overwrite)
    if threads is not None:
        torch.set_num_threads(check_threads(threads))
    rules = Protocol.named(protocol)
    reader = open_video(video)
    joints = load_truth(truth, reader)
    with progress("predicting") as show:
        score = evaluate(reader, joints, load_encoder(weights), rules, show)
    title = f"{truth}: {len(score.names)} joints, {score.frames} frames"
    show_table(f"{title}, weights {weights}, protocol {protocol}", score.COLUMNS, score.rows())
    if json is not None:
        settings = {"weights": weights, "protocol": dataclasses.asdict(rules)}
        write_json(json, {**settings, **score.to_json()})
