"""pixelkin evaluate jhmdb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pixelkin.app.commands.evaluate.common import Options, Show, Task, run_task

if TYPE_CHECKING:
    from pixelkin.evaluation.keypoints import KeypointScore
    from pixelkin.evaluation.pipeline import Store

DESCRIPTION = """
JHMDB: carry 15 body joints from each clip's first frame through it (n = 7, k = 5, 320 x 320) and
score PCK: a joint is right at most alpha * 0.6 * the diagonal of the box around the person's joints
away. Two ways: as the published script counts (lost joints left out), and strictly (lost = wrong).

ROOT holds the folders of the archives at jhmdb.is.tue.mpg.de, unpacked (puppet_mask is optional and
only shown in --videos):
  splits/ACTION_test_split1.txt
  Rename_Images/ACTION/CLIP/*.png
  joint_positions/ACTION/CLIP/joint_positions.mat
  puppet_mask/ACTION/CLIP/puppet_mask.mat

OUT receives records/ACTION/CLIP.json (joints by frame), result.json and table.md.

Example:
  pixelkin evaluate jhmdb --root JHMDB --out out/jhmdb --videos
"""


def evaluate(root: Path, run: Options, split: Literal[1, 2, 3] = 1) -> None:
    """Score JHMDB.

    Args:
        root: The data set's folder.
        run: How to run it; sequences are named ACTION/CLIP.
        split: Whose test clips are scored.
    """
    from pixelkin.evaluation.jhmdb import load_split, score_records

    found = load_split(root, split, run.chosen)

    def score(store: Store, show: Show) -> KeypointScore:
        result = score_records(found, store)
        show(len(found), len(found))
        return result

    settings = {"benchmark": "jhmdb", "root": str(root.absolute()), "split": split}
    task = Task(f"JHMDB split {split}, {len(found)} clips", "jhmdb", found, settings, score)
    run_task(task, run)
