"""pixelkin evaluate youtube_vos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixelkin.app.commands.evaluate.common import (
    MaskOptions,
    Result,
    Show,
    Task,
    run_task,
)
from pixelkin.app.console import console
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.pipeline import Store
    from pixelkin.evaluation.scores import GroupScore

DESCRIPTION = """
YouTube-VOS 2018 by the MAST protocol at stride 4: carry every object from the frame in which it is
annotated first to the end of its video.

Of the splits valid and test only the first masks are public: OUT/submission.zip is what the
evaluation server takes. The split train is scored here: name the videos that training has not seen
with --sequences, or hold some out with --hold-out, and categories that it has not seen with
--unseen; printed are J and F over the objects of seen and of unseen categories, and their mean.

ROOT is the 2018 data set of youtube-vos.org, unpacked (the second line for --frames all):
  SPLIT/meta.json  SPLIT/Annotations/VIDEO/*.png  SPLIT/JPEGImages/VIDEO/*.jpg
  SPLIT_all_frames/JPEGImages/VIDEO/*.jpg

OUT receives predictions/VIDEO/*.png, result.json, and submission.zip or table.md.

Example:
  pixelkin evaluate youtube_vos --root YouTube-VOS --out out/ytvos --frames all
  pixelkin evaluate youtube_vos --root YouTube-VOS --split train --hold-out 20 --unseen parrot,snail
"""

FRAMES = {"fifth": "every fifth frame (6 a second)", "all": "all frames (30 a second)"}


def evaluate(
    root: Path,
    run: MaskOptions,
    split: Literal["valid", "test", "train"] = "valid",
    frames: Literal["fifth", "all"] = "fifth",
    hold_out: int | None = None,
    unseen: str | None = None,
) -> None:
    """Predict or score YouTube-VOS.

    Args:
        root: The data set's folder.
        run: How to run it.
        split: valid, test or train.
        frames: Predict every fifth frame or all of them; the scored ones are the same.
        hold_out: With train: every n-th video, and all with objects of unseen categories.
        unseen: With train: categories that training has not seen, separated by commas.
    """
    from pixelkin.evaluation import youtube_vos as benchmark

    categories = tuple(c.strip() for c in (unseen or "").split(",") if c.strip())
    annotated = split == "train"
    if not annotated and (categories or hold_out is not None):
        raise InputError(f"--unseen and --hold-out are for --split train, not {split}")
    if not annotated and run.out is None and run.results is None:
        raise InputError(f"{split} is scored by the server: --out keeps what it takes")
    chosen = run.chosen
    if hold_out is not None:
        if chosen is not None:
            raise InputError("--hold-out chooses the videos: leave out --sequences")
        chosen = benchmark.hold_out(root, split, unseen=categories, every=hold_out)
    found = benchmark.load_split(root, split, frames, chosen, images=run.results is None)

    def score(store: Store, show: Show) -> GroupScore:
        return benchmark.score_results(
            found, store.predictions, unseen=categories, resize=run.resize, on_score=show
        )

    def submit(store: Store, _: Result | None) -> None:
        path = store.file("submission.zip")
        benchmark.write_submission(found, store.predictions, path)
        partly = "" if chosen is None else f", of {len(found)} videos only"
        console().print(f"for the evaluation server: {path}{partly}", highlight=False)

    settings = {
        "benchmark": "youtube_vos",
        "root": str(root.absolute()),
        "split": split,
        "frames": frames,
    }
    task = Task(
        f"YouTube-VOS 2018 {split}, {len(found)} videos, {FRAMES[frames]}",
        "youtube_vos",
        found,
        settings,
        score if annotated else None,
        None if annotated else submit,
    )
    run_task(task, run)
