"""The experiment `tuning`: weights tuned to each video under test, without labels, then scored.

    OUT/tuning/    report.md, results.csv, plot.png
      scores.json    every score, by row, seed and sequence; what is there is not done again
      runs/          a tuning that is under way

That networks see the very frames that they are scored on is what is measured here, and nowhere
else; labels are read for the score alone.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelkin import __version__
from pixelkin.checks import check_same
from pixelkin.evaluation.davis import DavisVideo, every_nth, load_split
from pixelkin.evaluation.quick import score_encoder
from pixelkin.experiments.runs import Tell, check_rows
from pixelkin.experiments.scale import Scale, load_scale
from pixelkin.experiments.synthetic import make_davis
from pixelkin.experiments.tuned import ROWS, START, Key, Point, Row, Tuning
from pixelkin.experiments.tuning_report import write_report
from pixelkin.files import write_json
from pixelkin.locks import LOCK, Lock
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.training.config import load_recipe
from pixelkin.training.schema import plain
from pixelkin.training.tuning import RECIPE, choose, tune
from pixelkin.types import InputError


def run_tuning(
    out: str | Path,
    *,
    scale: str = "cpu",
    davis: str | Path | None = None,
    sequences: Sequence[str] = (),
    rows: Sequence[str] = (),
    seeds: Sequence[int] = (),
    minutes: float | None = None,
    report_only: bool = False,
    command: str = "",
    tell: Tell = lambda _: None,
) -> Path:
    """Tune to each sequence in every way, score, and write OUT/tuning.

    Args:
        out: Folder of the experiments.
        scale: Its seeds and its scoring count, and `tuning`, settings of the recipe.
        davis: Data set in DAVIS-2016's layout; None where the scale makes it up.
        sequences: Which of its val split; all by default.
        rows: Tune in these ways alone.
        seeds: Instead of the scale's.
        minutes: Begin no further tuning after this time.
        report_only: Write the report from what is there, and run nothing.
        command: The command line, for the report.
        tell: Called with a line about what happens.

    Returns:
        Path of the report.

    Raises:
        InputError: If there is no such scale, data set or row, or OUT/tuning has other settings.
    """
    check_rows("tuning", rows, [row.name for row in ROWS])
    size, folder = load_scale(scale, tuple(seeds)), Path(out).absolute() / "tuning"
    if davis is None:
        if not size.synthetic:
            raise InputError(f"scale {size.name} needs --davis (in DAVIS-2016's layout)")
        davis = make_davis(Path(out).absolute() / "synthetic" / "davis")
    videos = load_split(davis, 2016, "val", list(sequences) or None)
    with Lock(folder / LOCK):
        work = _Work(folder, size, videos, tell)
        tuned = [row for row in ROWS[1:] if not rows or row.name in rows]
        begun = time.monotonic()
        for _ in () if report_only else work.steps(tuned):
            write_report(folder, work.results(), size, videos, command, tell)
            if minutes is not None and time.monotonic() - begun > 60 * minutes:
                break
        return write_report(folder, work.results(), size, videos, command, tell)


class _Work:
    def __init__(self, folder: Path, size: Scale, videos: Sequence[DavisVideo], tell: Tell) -> None:
        self.folder, self.size, self.videos, self.tell = folder, size, videos, tell
        self.file = folder / "scores.json"
        recipe = load_recipe(RECIPE, {"init": START, **size.tuning}).fingerprint()
        settings = json.loads(
            json.dumps({"version": __version__, "recipe": recipe, "scoring": plain(size.scoring)})
        )
        self.content: dict[str, Any] = {"settings": settings, "scores": {}}
        if self.file.is_file():
            self.content = json.loads(self.file.read_text(encoding="utf-8"))
            check_same(folder, self.content["settings"], settings)

    def results(self) -> dict[Key, Tuning]:
        """All that is there."""
        found = {}
        for row in ROWS:
            for seed in self.size.seeds:
                for video in self.videos:
                    raw = self.content["scores"].get(f"{row.name} {seed} {video.name}")
                    if raw is not None:
                        points = {int(n): Point(**p) for n, p in raw["points"].items()}
                        step = choose({n: p.told for n, p in points.items()})
                        known = Tuning(step, points, raw["seconds"])
                        found[row.name, seed, video.name] = known
        return found

    def steps(self, rows: Sequence[Row]) -> Iterator[None]:
        """Do what is missing, one row of one seed at a time."""
        for seed in self.size.seeds:
            for row in rows:
                missing = [
                    v
                    for v in self.videos
                    if f"{row.name} {seed} {v.name}" not in self.content["scores"]
                ]
                for video in missing:
                    self._do(row, seed, video)
                if missing:
                    yield

    def _do(self, row: Row, seed: int, video: DavisVideo) -> None:
        out = self.folder / "runs" / f"{row.name}-{seed}-{video.name}"
        overrides = {**self.size.tuning, **stages_of(row), "run.workers": 0}
        begun = time.process_time()
        done = tune(
            [video.frames[0].parent],
            out,
            weights=START,
            seed=seed,
            threads=1,
            overrides=overrides,
            keep_points=True,
        )
        seconds = time.process_time() - begun
        points = {}
        for step, told in done.scores.items():
            if step == 0:
                points[0] = self._start(video, told)
            else:
                encoder = load_encoder(out / "training" / "points" / str(step))
                points[step] = self._point(encoder, video, told)
        self._keep(row.name, seed, video, Tuning(done.step, points, seconds))
        shutil.rmtree(out)
        jf = ", ".join(f"{p.jf:.1f}" for p in points.values())
        self.tell(f"{row.name}, seed {seed}, {video.name}: J&F {jf}; step {done.step} chosen")

    def _start(self, video: DavisVideo, told: float) -> Point:
        """The weights as they are, scored once a sequence."""
        known = self.results().get((START, self.size.seeds[0], video.name))
        point = known.chosen if known else self._point(load_encoder(START), video, told)
        for seed in self.size.seeds:
            self._keep(START, seed, video, Tuning(0, {0: point}, 0.0))
        return point

    def _point(self, encoder: Encoder, video: DavisVideo, told: float) -> Point:
        scoring = self.size.scoring
        protocol = replace(Protocol.named("davis"), short_side=scoring.short_side)
        score = score_encoder(encoder, [every_nth(video, scoring.every)], protocol).sequences[0]
        quarter = max(1, score.j.shape[1] // 4)
        last = float(score.j[:, -quarter:].mean())
        return Point(float(score.j.mean()), float(score.f.mean()), last, told)

    def _keep(self, row: str, seed: int, video: DavisVideo, found: Tuning) -> None:
        points = {str(n): vars(p) for n, p in found.points.items()}
        raw = {"seconds": found.seconds, "points": points}
        self.content["scores"][f"{row} {seed} {video.name}"] = raw
        write_json(self.file, self.content)


def stages_of(row: Row) -> dict[str, object]:
    """The recipe's one stage with a row's objectives, as settings by dotted path."""
    (stage,) = plain(load_recipe(RECIPE, {"init": START}))["stages"]
    known, mined, anchor = stage["objectives"]
    mined["settings"]["mining"]["confidence"] = {"level": row.level}
    shares = (row.known, row.mined, 1 - row.known - row.mined)
    parts = [
        {**part, "share": share}
        for part, share in zip((known, mined, anchor), shares, strict=True)
        if share > 0
    ]
    return {"stages": [{**stage, "objectives": parts}]}
