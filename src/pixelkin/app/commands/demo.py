"""pixelkin demo: labels through a synthetic video with known truth, and the score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelkin.app.arguments import call
from pixelkin.app.console import console

DESCRIPTION = """
Make a video of moving, textured objects that pass in front of each other, carry the masks and
keypoints of its first frame through it, and score the result against the truth.

OUT receives video.mp4, mask.png and keypoints.json (to try `pixelkin propagate` with), overlay.mp4,
contact_sheet.png and scores.json.

Example:
  pixelkin demo --out out/demo
"""


def demo(
    out: Path = Path("out/demo"),
    weights: str = "default",
    protocol: str = "davis",
    frames: int = 48,
    objects: int = 2,
    seed: int = 0,
    overwrite: bool = False,
) -> None:
    """Carry labels through a synthetic video.

    Args:
        out: Folder for the results.
        weights: default, random, lab, or a folder with weights.safetensors.
        protocol: davis, youtube_vos, jhmdb or vip.
        frames: Length of the video.
        objects: How many objects, 1 to 8.
        seed: Another seed is another video.
        overwrite: Replace results that are there.
    """
    from rich.table import Table

    from pixelkin.app.demo import run_demo

    result = run_demo(
        out,
        weights=weights,
        protocol=protocol,
        frames=frames,
        objects=objects,
        seed=seed,
        overwrite=overwrite,
    )
    header, *rows = result.rows()
    table = Table(title="against the truth, in percent", title_justify="left")
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    say = console().print
    say(table)
    say("static: the first frame's labels left where they were", highlight=False)
    say(
        f"look at {result.folder}/contact_sheet.png and {result.folder}/overlay.mp4",
        highlight=False,
    )


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(demo, "demo", arguments, DESCRIPTION)
