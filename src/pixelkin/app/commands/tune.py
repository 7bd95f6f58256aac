"""pixelkin tune: an encoder for the very video, without labels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import say
from pixelkin.app.options import check_threads
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.training.tuning import Tuned

DESCRIPTION = """
Tune an encoder to the very video, without labels: about a minute of training on its frames.

VIDEO is what propagate takes: a file, a folder of frames, or a quoted pattern. Nothing else is
looked at. OUT is an encoder for every --weights. Where the share of cells that are each other's
best match in two frames falls, the weights that it began with are taken. A tuning that was
interrupted goes on when the command is given again.

Example:
  pixelkin tune video.mp4 --out tuned
  pixelkin propagate video.mp4 --labels first_frame.png --out out/video --weights tuned
"""


def tune(
    videos: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="VIDEO ...")],
    /,
    out: Path,
    weights: str = "default",
    steps: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    overwrite: bool = False,
) -> None:
    """Tune an encoder.

    Args:
        videos: Video files, folders of frames, or quoted glob patterns, each one video.
        out: Folder for the encoder.
        weights: Where to start: default, random, or a folder with weights.safetensors.
        steps: Of the training; 24 by default; every 24 are a stage.
        seed: Of all random choices.
        threads: CPU threads; all by default.
        device: What trains: cpu or cuda; auto takes a GPU where there is one.
        overwrite: Replace an encoder that was tuned to something else.
    """
    from pixelkin.checks import SettingError
    from pixelkin.training.tuning import tune

    check_threads(threads)
    try:
        done = tune(
            videos,
            out,
            weights=weights,
            steps=steps,
            seed=seed,
            threads=threads,
            device=device,
            overwrite=overwrite,
        )
    except SettingError as error:
        if error.key not in ("steps", "seed"):
            raise
        raise InputError(f"--{error}") from error
    tell(done)
    folder = shlex.quote(str(done.folder))
    say(f"use it: pixelkin propagate VIDEO --labels FILE --out DIR --weights {folder}")


def tell(done: Tuned) -> None:
    """Say which weights were taken, and why."""
    scores = ", ".join(f"{100 * x:.1f} % at {step}" for step, x in sorted(done.scores.items()))
    taken = f"step {done.step}" if done.step else "the weights that it began with"
    there = " (was there already)" if done.reused else ""
    say(f"{done.folder}{there}: {taken}; mutual matches by step: {scores}")


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(tune, "tune", arguments, DESCRIPTION)
