"""pixelkin evaluate davis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pixelkin.app.commands.evaluate.common import (
    MaskOptions,
    Result,
    Show,
    Task,
    run_task,
)

if TYPE_CHECKING:
    from pixelkin.evaluation.pipeline import Store
    from pixelkin.evaluation.scores import Score

DESCRIPTION = """
DAVIS: carry the first frame's masks through each sequence and score J and F (frames 1 to T-2), as
the official code does; or score PNGs of anyone with --results.

ROOT is the data set as downloaded from davischallenge.org (480p, trainval; 2016 or 2017):
  ImageSets/YEAR/SPLIT.txt  JPEGImages/480p/SEQUENCE/*.jpg  Annotations/480p/SEQUENCE/*.png

OUT receives predictions/SEQUENCE/*.png, result.json, table.md and the official CSV tables.

Example:
  pixelkin evaluate davis --root DAVIS --year 2017 --split val --out out/davis17 --videos
  pixelkin evaluate davis --root DAVIS --year 2017 --results somebodys/masks --csv out
"""


def evaluate(
    root: Path,
    run: MaskOptions,
    year: Literal[2016, 2017] = 2017,
    split: str = "val",
    every: int = 1,
    csv: Path | None = None,
) -> None:
    """Score DAVIS.

    Args:
        root: The data set's folder.
        run: How to run it.
        year: 2016 (one object) or 2017.
        split: Name of the split.
        every: Use every n-th frame only; not the benchmark's figure.
        csv: Write the two CSV tables of the official code into this folder.
    """
    from pixelkin.evaluation.davis import load_split, score_results
    from pixelkin.evaluation.predict import every_nth
    from pixelkin.files import write_text

    found = load_split(root, year, split, run.chosen, frames=run.results is None)
    found = [every_nth(s, every) for s in found]
    for sequence in found:
        sequence.check_scorable()

    def score(store: Store, show: Show) -> Score:
        return score_results(found, store.predictions, resize=run.resize, on_score=show)

    def finish(store: Store, result: Result | None) -> None:
        for name, text in cast("Score", result).csv_tables(split).items():
            write_text(store.file(name), text)

    title = f"DAVIS-{year} {split}" + (f", every {every}. frame" if every > 1 else "")
    settings = {
        "benchmark": "davis",
        "root": str(root.absolute()),
        "year": year,
        "split": split,
        "every": every,
    }
    task = Task(title, "davis", found, settings, score, finish)
    result = run_task(task, run)
    if csv is not None and result is not None:
        cast("Score", result).write_csv(csv, split=split, overwrite=run.overwrite)
