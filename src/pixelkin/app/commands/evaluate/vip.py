"""pixelkin evaluate vip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelkin.app.commands.evaluate.common import MaskOptions, Show, Task, run_task

if TYPE_CHECKING:
    from pixelkin.evaluation.pipeline import Store
    from pixelkin.evaluation.vip import PartsScore

DESCRIPTION = """
VIP: carry the body parts of each video's first frame through it (n = 1, k = 5, 560 x 560) and score
the mean IoU over 20 classes, as the published script does; or score PNGs with --results.

ROOT is the folder VIP_Fine of the Video Instance-level Parsing data set (sysu-hcp.net/lip, "Video
Multi-Person Human Parsing"; a link to the download is there):
  lists/val_videos.txt  Images/VIDEO/*.jpg  Annotations/Category_ids/VIDEO/*.png

OUT receives predictions/VIDEO/*.png, result.json and table.md.

Example:
  pixelkin evaluate vip --root VIP_Fine --out out/vip --videos
"""


def evaluate(root: Path, run: MaskOptions, split: str = "val") -> None:
    """Score VIP.

    Args:
        root: The folder VIP_Fine.
        run: How to run it.
        split: val or train.
    """
    from pixelkin.evaluation.vip import load_split, score_results

    found = load_split(root, split, run.chosen, frames=run.results is None)

    def score(store: Store, show: Show) -> PartsScore:
        return score_results(found, store.predictions, resize=run.resize, on_score=show)

    settings = {"benchmark": "vip", "root": str(root.absolute()), "split": split}
    task = Task(f"VIP {split}, {len(found)} videos, percent", "vip", found, settings, score)
    run_task(task, run)
