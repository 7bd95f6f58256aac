"""pixelkin demo: labels through a synthetic video with known truth, and the score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelkin.app.arguments import call
from pixelkin.app.console import say, show_table
from pixelkin.app.options import Common

DESCRIPTION = """
Make a video of moving, textured objects that pass in front of each other, carry the masks and
keypoints of its first frame through it, and score the result against the truth.

OUT receives video.mp4, mask.png and keypoints.json (to try `pixelkin propagate` with), overlay.mp4,
contact_sheet.png and scores.json.

Example:
  pixelkin demo --out out/demo
"""


def demo(
    common: Common,
    out: Path = Path("out/demo"),
    frames: int = 48,
    objects: int = 2,
    seed: int = 0,
) -> None:
    """Carry labels through a synthetic video.

    Args:
        common: How to carry them.
        out: Folder for the results.
        frames: Length of the video.
        objects: How many objects, 1 to 8.
        seed: Another seed is another video.
    """
    from pixelkin.app.demo import run_demo

    common.use_threads()
    result = run_demo(
        out,
        weights=common.weights,
        protocol=common.rules().name,
        runtime=common.runtime,
        device=common.device,
        frames=frames,
        objects=objects,
        seed=seed,
        overwrite=common.overwrite,
    )
    header, *rows = result.rows()
    show_table(rows, columns=header, title="against the truth, in percent")
    say("static: the first frame's labels left where they were")
    say(f"look at {result.folder}/contact_sheet.png and {result.folder}/overlay.mp4")


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(demo, "demo", arguments, DESCRIPTION)
