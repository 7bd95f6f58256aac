"""Trainings and scores of rows, kept under one folder and found by what decides them.

    OUT/runs/NAME-DIGEST/              a training, as `pixelkin train` leaves it
    OUT/runs/NAME-DIGEST/points/STEP/  its encoder at some steps
    OUT/runs/NAME-DIGEST/scores.json   J and F of every frame, by scoring, step and sequence

Whatever is there already is not done again; a training that was killed goes on from its last
checkpoint, a scoring from its last sequence. Rows that share a phase share its training. Several
processes may work in one OUT: who comes second to a training waits for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pixelkin import __version__
from pixelkin.data.frames import sample_frames
from pixelkin.data.index import Source, digest, index_videos
from pixelkin.evaluation.davis import DavisVideo, every_nth
from pixelkin.evaluation.quick import score_encoder
from pixelkin.evaluation.scores import JF, SequenceScore
from pixelkin.experiments.catalogue import Row
from pixelkin.experiments.scale import Scale, Scoring
from pixelkin.files import cache_folder, remove_leftovers, write_json
from pixelkin.locks import Lock
from pixelkin.models.encoder import Encoder, load_encoder, save_encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.training.config import Recipe
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.schema import build
from pixelkin.training.trainer import initial_encoder
from pixelkin.training.weights import measure_batch_norm
from pixelkin.types import InputError

END = "end"
Tell = Callable[[str], None]


class Result(NamedTuple):
    """Scores of one encoder.

    Attributes:
        sequences: J and F of the scored frames of each video, by its name.
        every: Distance in frames between two that were seen.
    """

    sequences: dict[str, SequenceScore]
    every: int

    @property
    def mean(self) -> JF:
        """Mean J and F over the videos; DAVIS-2016, which has one object in each, is scored so."""
        j, f = zip(*(s.summary.mean for s in self.sequences.values()), strict=True)
        return JF(float(np.mean(j)), float(np.mean(f)))


class Training(NamedTuple):
    """One phase of a row with one seed: where it is kept, and its recipe."""

    folder: Path
    recipe: Recipe


def check_rows(experiment: str, rows: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError if an experiment lacks one of the rows that are asked for."""
    if missing := set(rows) - set(known):
        raise InputError(f"{experiment} has no row {min(missing)!r}: there are {', '.join(known)}")


def is_done(folder: Path) -> bool:
    """Whether a training is complete: it has its encoder, and says so."""
    if not (folder / "encoder" / "config.json").is_file():
        return False
    return bool(_read(folder / "run.json").get("complete", True))  # earlier versions say nothing


class Runs:
    """All trainings and scores under one folder.

    Args:
        root: The folder.
        scale: What all rows have in common.
        data: Folders of videos to train on.
        videos: What encoders are scored on.
        tell: Called with a line about what begins.
    """

    def __init__(
        self,
        root: Path,
        scale: Scale,
        data: Sequence[Path],
        videos: Sequence[DavisVideo],
        tell: Tell = lambda _: None,
    ) -> None:
        self.root, self.scale, self.data, self.videos, self.tell = root, scale, data, videos, tell
        store = (scale.recipe.get("run") or {}).get("store")
        index = Path(store) if store else cache_folder() / ("clips" if store is None else "")
        exclude = (scale.recipe.get("data") or {}).get("exclude", ())
        self.sources: list[Source] = index_videos(data, index / "index.json", exclude=exclude)
        self.digest = digest(self.sources)
        self._trainings: dict[tuple[str, int], list[Training]] = {}

    def trainings(self, row: Row, seed: int) -> list[Training]:
        """The phases of a row; none if it is not trained."""
        known = row.name, seed
        if known not in self._trainings:
            self._trainings[known] = self._plan(row, seed)
        return self._trainings[known]

    def _plan(self, row: Row, seed: int) -> list[Training]:
        if row.parts and len(row.parts) != len(self.scale.phases):
            raise InputError(
                f"scale {self.scale.name} has {len(self.scale.phases)} phases, row {row.name} "
                f"{len(row.parts)}"
            )
        found: list[Training] = []
        key = f"{__version__} {self.digest}"
        for phase, parts in enumerate(row.parts):
            before = found[-1].folder / "encoder" if found else None
            raw = self.scale.recipe_of(
                [(p.objective, p.settings) for p in parts], phase=phase, seed=seed, init=before
            )
            # What decides the weights: those to start from go by their own key, wherever they are.
            facts = {k: v for k, v in raw.items() if k not in ("name", "run")}
            facts |= {"init": key, "points": self._interval(phase)}
            key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
            name = "-".join([*(p.objective for p in parts), str(seed), key[:12]])
            folder = self.root / "runs" / name
            found.append(Training(folder, self._build(raw)))
        return found

    def _build(self, raw: dict[str, Any]) -> Recipe:
        try:
            return build(Recipe, raw)
        except InputError as error:
            raise InputError(f"scale {self.scale.name}, {raw['name']}: {error}") from error

    def train(self, row: Row, seed: int) -> None:
        """Do what is missing of a row's training.

        Raises:
            KeyboardInterrupt: If the user stopped it; a checkpoint has been written.
        """
        for phase, (folder, recipe) in enumerate(self.trainings(row, seed)):
            if not is_done(folder):
                with alone(folder):
                    if not is_done(folder):  # nobody else has done it meanwhile
                        self.tell(f"training {row.name}, seed {seed}, phase {phase + 1}: {folder}")
                        self._train(folder, recipe, self._interval(phase))
            # Three times the encoder, and no longer needed; a run may have been killed right here.
            (folder / "checkpoint.pt").unlink(missing_ok=True)

    def _train(self, folder: Path, recipe: Recipe, interval: int | None) -> None:
        run = replace(recipe.run, validate_every=interval, validate_scenes=0, report=False)
        keep = partial(_keep_point, folder) if interval else None
        result = train(replace(recipe, run=run), self.data, folder, validate=keep)
        if result.encoder is None or not result.complete:
            raise KeyboardInterrupt

    def _interval(self, phase: int) -> int | None:
        last = phase == len(self.scale.phases) - 1
        return self.scale.interval if last and self.scale.points else None

    def seconds(self, row: Row, seed: int) -> float:
        """Wall-clock seconds that the steps of a row took."""
        lines = (read_metrics(t.folder / "metrics.jsonl") for t in self.trainings(row, seed))
        return float(sum(x["seconds"] for metrics in lines for x in metrics))

    def score(
        self, row: Row, seed: int, step: int | None = None, scoring: Scoring | None = None
    ) -> Result:
        """Scores of a row that has been trained; computed unless they are kept.

        Args:
            row: The row.
            seed: Of its training.
            step: One of the scale's points, or 0 for the end of the phase before the last; None
                for the end.
            scoring: The scale's unless another is given.
        """
        scoring = scoring or self.scale.scoring
        folder, name = self._place(row, seed, step)
        with alone(folder):
            content = _read(folder / "scores.json")
            kept = content.setdefault(str(scoring), {}).setdefault(name, {})
            todo = [v for v in self.videos if v.name not in kept]
            if todo:
                at = "" if step is None else f" at step {step}"
                self.tell(f"scoring {row.name}, seed {seed}{at}: {len(todo)} sequences, {scoring}")
                encoder = self.encoder(row, seed, step)
                protocol = replace(Protocol.named("davis"), short_side=scoring.short_side)
            for video in todo:
                fewer = every_nth(video, scoring.every)
                (found,) = score_encoder(encoder, [fewer], protocol).sequences
                kept[video.name] = {"j": found.j.tolist(), "f": found.f.tolist()}
                write_json(folder / "scores.json", content)
        return self._result(kept, scoring)

    def result(
        self, row: Row, seed: int, step: int | None = None, scoring: Scoring | None = None
    ) -> Result | None:
        """What `score` would give, or None if some of it is not there yet."""
        folder, name = self._place(row, seed, step)
        scoring = scoring or self.scale.scoring
        kept = _read(folder / "scores.json").get(str(scoring), {}).get(name, {})
        if any(v.name not in kept for v in self.videos):
            return None
        return self._result(kept, scoring)

    def _result(self, kept: Mapping[str, Any], scoring: Scoring) -> Result:
        scores = {
            v.name: SequenceScore(v.name, *(np.array(kept[v.name][x]) for x in "jf"))
            for v in self.videos
        }
        return Result(scores, scoring.every)

    def _place(self, row: Row, seed: int, step: int | None) -> tuple[Path, str]:
        """Where the scores of a row at a step are: its folder, and the name of the step."""
        trainings = self.trainings(row, seed)
        if not trainings:
            name = row.weights or f"{row.name}-{seed}"
            return self.root / "runs" / name, END
        if step == 0 and len(trainings) > 1:  # the end of the phase before
            return trainings[-2].folder, END
        return trainings[-1].folder, END if step is None else str(step)

    def encoder(self, row: Row, seed: int, step: int | None = None) -> Encoder:
        """A row's encoder at a step of the last phase; None for the end."""
        if row.weights is not None:
            return load_encoder(row.weights)
        folder, name = self._place(row, seed, step)
        if row.parts:
            return load_encoder(folder / "encoder" if name == END else folder / "points" / name)
        # The network of the first phase before its first step, with batch-norm as after the last.
        raw = self.scale.recipe_of([("known_geometry", {})], phase=0, seed=seed, init=None)
        recipe = self._build(raw)
        encoder = initial_encoder(recipe)
        count = recipe.run.batch_norm_frames
        measure_batch_norm(encoder, list(sample_frames(self.sources, count, seed=seed)))
        return encoder.eval()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one process at a time is inside for a folder; others wait."""
    lock = Lock(folder.parent / f".{folder.name}.lock")  # that in it is its training's own
    with closing(lock):
        lock.acquire(wait=True)
        remove_leftovers([folder / "scores.json"])
        yield


def _keep_point(folder: Path, encoder: Encoder) -> dict[str, float]:
    """Keep the encoder of a validation, unless it is the last one, which is kept anyway."""
    training = encoder.config.meta["training"]
    if training["step"] < training["steps"]:
        point = folder / "points" / str(training["step"])
        remove_leftovers([point / "weights.safetensors", point / "config.json"])
        save_encoder(encoder, point)
    return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path} is damaged: delete it to score again") from error
    return content
