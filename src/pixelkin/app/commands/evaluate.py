"""pixelkin evaluate: run or score a benchmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.commands.propagate import check_threads
from pixelkin.app.console import console, progress
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.scores import Score


USAGE = """usage: pixelkin evaluate BENCHMARK [options]

Run a benchmark with some weights, or score predictions that are there.

benchmarks:
  davis      DAVIS 2016 and 2017, semi-supervised: J and F of masks
  keypoints  joints of one video (JHMDB's .mat, BADJA's .json): PCK

example:
  pixelkin evaluate davis --root DAVIS --year 2017 --split val

`pixelkin evaluate BENCHMARK --help` shows a benchmark's options and the folders it looks for.
"""

DAVIS = """
DAVIS: carry the first frame's masks through each sequence and score J and F (frames 1 to T-2), as
the official code does; or score PNGs of anyone with --results.

ROOT is the data set as downloaded from davischallenge.org:
  ImageSets/YEAR/SPLIT.txt  JPEGImages/480p/SEQUENCE/*.jpg  Annotations/480p/SEQUENCE/*.png

--out keeps the predictions and goes on after an interruption.

Example:
  pixelkin evaluate davis --root DAVIS --year 2017 --split val --out out/davis17
  pixelkin evaluate davis --root DAVIS --year 2017 --results somebodys/masks
"""


def check_writable(file: Path | None, overwrite: bool) -> None:
    """Find out before hours of work whether a file can be written in the end."""
    if file is None:
        return
    if file.exists() and not overwrite:
        raise InputError(f"{file} exists: --overwrite replaces it")
    file.parent.mkdir(parents=True, exist_ok=True)


def davis(
    root: Path,
    year: Literal[2016, 2017] = 2017,
    split: str = "val",
    sequences: str | None = None,
    results: Path | None = None,
    weights: str = "default",
    protocol: str = "davis",
    short_side: int | None = None,
    every: int = 1,
    out: Path | None = None,
    json: Path | None = None,
    csv: Path | None = None,
    resize: bool = False,
    threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Score DAVIS.

    Args:
        root: The data set's folder.
        year: 2016 (one object) or 2017.
        split: Name of the split.
        sequences: Only these, separated by commas.
        results: Score the PNGs in this folder (SEQUENCE/FRAME.png) instead of predicting.
        weights: default, random, lab, or a folder with weights.safetensors.
        protocol: Propagation protocol.
        short_side: Work at this short side in pixels; not the benchmark's resolution.
        every: Use every n-th frame only; not the benchmark's figure.
        out: Keep predictions here.
        json: Write all figures to this file.
        csv: Write the two CSV tables of the official code into this folder.
        resize: With --results: resample masks of another size.
        threads: CPU threads; all by default.
        overwrite: Replace what --out, --json or --csv hold.
    """
    from pixelkin.evaluation.davis import load_split, score_results
    from pixelkin.evaluation.predict import every_nth

    check_writable(json, overwrite)
    chosen = None if sequences is None else [s.strip() for s in sequences.split(",") if s.strip()]
    found = load_split(root, year, split, chosen, frames=results is None)
    found = [every_nth(s, every) for s in found]
    title = f"DAVIS-{year} {split}" + (f", every {every}. frame" if every > 1 else "")
    extra: dict[str, object] = {"year": year, "split": split, "every": every}
    if results is not None:
        with progress("scoring", "sequences") as show:
            counter = iter(range(1, len(found) + 1))
            score = score_results(
                found, results, resize=resize, on_score=lambda _: show(next(counter), len(found))
            )
        title += f", {results}"
    else:
        from pixelkin.evaluation.davis import Sequence as Davis
        from pixelkin.evaluation.davis import evaluate
        from pixelkin.evaluation.predict import Predictor
        from pixelkin.models.encoder import load_encoder
        from pixelkin.propagation.protocol import Protocol

        if threads is not None:
            import torch

            torch.set_num_threads(check_threads(threads))
        rules = Protocol.named(protocol)
        if short_side is not None:
            rules = dataclasses.replace(rules, short_side=short_side)
        total = sum(len(s.names) for s in found)
        before = {s.name: sum(len(o.names) for o in found[:i]) for i, s in enumerate(found)}
        with progress("predicting") as show:

            def tell(sequence: Davis, done: int) -> None:
                show(before[sequence.name] + done, total)

            predictor = Predictor(
                load_encoder(weights),
                rules,
                out,
                settings={"root": str(root.absolute()), "year": year, "every": every},
                overwrite=overwrite,
                on_frame=tell,
            )
            score = evaluate(found, predictor)
        extra |= {"weights": weights, "protocol": dataclasses.asdict(rules)}
        title += f", weights {weights}, protocol {rules.name}"
        title += f", short side {short_side}" if short_side else ""
        if predictor.frames:
            rate = predictor.seconds / predictor.frames
            title += f", {rate:.2f} s a frame"
            extra["seconds_per_frame"] = rate
    _show(score, title)
    if csv is not None:
        score.write_csv(csv, split=split, overwrite=overwrite)
    if json is not None:
        from pixelkin.video.writer import write_json

        write_json(json, {**extra, **score.to_json()})


def _show(score: Score, title: str) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for i, name in enumerate(score.COLUMNS):
        table.add_column(name, justify="left" if i == 0 else "right")
    *rows, overall = score.rows()
    for row in rows:
        table.add_row(*row)
    table.add_section()
    table.add_row(*overall, style="bold")
    console().print(table)


KEYPOINTS = """
Carry the joints of a video's first annotated frame forwards and count those that are right (PCK):
at most alpha * 0.6 * the diagonal of the box around the frame's joints away.

Example:
  pixelkin evaluate keypoints JHMDB/Rename_Images/catch/CLIP --truth joint_positions.mat
  pixelkin evaluate keypoints DAVIS/JPEGImages/480p/dog --truth badja/dog.json --protocol davis
"""


def keypoints(
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
    from rich.table import Table

    from pixelkin.evaluation.keypoints import ALPHAS, evaluate, load_truth
    from pixelkin.models.encoder import load_encoder
    from pixelkin.propagation.protocol import Protocol
    from pixelkin.video.reader import open_video

    check_writable(json, overwrite)
    if threads is not None:
        torch.set_num_threads(check_threads(threads))
    rules = Protocol.named(protocol)
    reader = open_video(video)
    joints = load_truth(truth, reader)
    with progress("predicting") as show:
        score = evaluate(reader, joints, load_encoder(weights), rules, show)
    title = f"{truth}: {score.joints} joints, {score.frames} frames"
    table = Table(title=f"{title}, weights {weights}, protocol {protocol}", title_justify="left")
    table.add_column("PCK in percent")
    for alpha in ALPHAS:
        table.add_column(f"@{alpha}", justify="right")
    for row in score.rows():
        table.add_row(*row)
    console().print(table)
    if json is not None:
        from pixelkin.video.writer import write_json

        settings = {"weights": weights, "protocol": dataclasses.asdict(rules)}
        write_json(json, {**settings, **score.to_json()})


BENCHMARKS: dict[str, tuple[Callable[..., None], str]] = {
    "davis": (davis, DAVIS),
    "keypoints": (keypoints, KEYPOINTS),
}


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    name, *rest = arguments
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
    command, description = BENCHMARKS[name]
    call(command, f"evaluate {name}", rest, description)
