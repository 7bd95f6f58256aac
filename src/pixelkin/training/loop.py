"""The training loop: from a recipe and folders of videos to an encoder.

    pixelkin train recipes/small.yaml --data VIDEOS --out RUN

RUN receives recipe.yaml (all settings), metrics.jsonl (a line a step), checkpoint.pt (the full
state), and in the end encoder/ (averaged weights), encoder_raw/ (the last weights) and report.png.
A training that was killed or stopped goes on from its last checkpoint, and ends with the weights
that it would have had: to the bit, where the device computes reproducibly, as CPUs do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.checks import check_same
from pixelkin.data.batch import ClipBatch
from pixelkin.data.frames import sample_frames, sample_pairs
from pixelkin.data.index import Source
from pixelkin.formats.damages import DAMAGES
from pixelkin.models.encoder import Encoder, save_encoder
from pixelkin.processes import Processes, join_processes
from pixelkin.run_folder import RunFolder
from pixelkin.training.checkpoint import load_checkpoint, save_checkpoint
from pixelkin.training.config import Recipe, load_recipe, save_recipe
from pixelkin.training.feed import Feed
from pixelkin.training.identity import check_videos, identity_of
from pixelkin.training.log import TrainingLog
from pixelkin.training.plan import Plan
from pixelkin.training.report import mining_of, write_report
from pixelkin.training.resources import cpu_threads, fast_convolutions, interrupts, kept_memory
from pixelkin.training.trainer import Trainer
from pixelkin.training.validation import synthetic_score
from pixelkin.training.weights import measure_batch_norm
from pixelkin.types import InputError

Validate = Callable[[Encoder], dict[str, float]]
# What a training writes and may be killed at writing.
FILES = (
    *("recipe.yaml", "metrics.jsonl", "checkpoint.pt", "report.png"),
    *("encoder/config.json", "encoder/weights.safetensors"),
    *("encoder_raw/config.json", "encoder_raw/weights.safetensors"),
)
log = logging.getLogger(__name__)
_FEWER_FRAMES = 16  # for the batch-norm statistics of an encoder that is soon thrown away


@dataclass(frozen=True)
class TrainingResult:
    """How a call of `train` ended.

    Attributes:
        out: Folder of the training.
        step: Steps done so far, over all calls.
        steps: Steps of the recipe; equal to `step` when the training is complete.
        encoder: Folder with the averaged weights, or None if the user interrupted.
        figures: Of the last step of this call, with those of its validation.
        is_main: Whether this process is the one that talks to the user.
    """

    out: Path
    step: int
    steps: int
    encoder: Path | None
    figures: dict[str, float]
    is_main: bool = True

    @property
    def complete(self) -> bool:
        """Whether all steps of the recipe are done."""
        return self.step == self.steps


def train(
    recipe: str | Path | Recipe,
    data: Sequence[str | Path | Source],
    out: str | Path,
    *,
    resume: bool = True,
    overrides: Mapping[str, object] | None = None,
    validate: Validate | None = None,
) -> TrainingResult:
    """Train an encoder, or go on with a training.

    Started by torchrun, it trains in all processes together.

    Args:
        recipe: YAML file, or a recipe.
        data: Folders of videos and folders of frames, searched recursively, and packs; and single
            videos, see `source_of`.
        out: Folder for everything that is written; made if missing.
        resume: Go on from the checkpoint in `out`, if there is one; otherwise that is an error.
        overrides: Settings that replace the file's, by dotted path.
        validate: Called with the averaged encoder at each validation (`run.validate_every`, and
            at the end) besides the synthetic videos of `run.validate_scenes`; its figures are
            logged.

    Raises:
        InputError: If recipe or data are not valid, `out` holds another training, or the training
            diverges.
    """
    data = [data] if isinstance(data, str | Path) else data
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, overrides)
    elif overrides:
        raise ValueError("overrides apply to a recipe file; use dataclasses.replace on a Recipe")
    threads = cpu_threads(recipe.run.threads)
    with ExitStack() as stack:
        processes = stack.enter_context(join_processes(recipe.run.device))
        for context in (threads, kept_memory(), fast_convolutions()):
            stack.enter_context(context)
        folder = stack.enter_context(RunFolder(Path(out), "training"))
        recipe.check_processes(processes.count)
        processes.agree(lambda: folder.claim({}))  # what decides the weights is in the checkpoint
        return _Training(recipe, data, folder, resume, processes, validate).run()


class _Training:
    def __init__(
        self,
        recipe: Recipe,
        data: Sequence[str | Path | Source],
        folder: RunFolder,
        resume: bool,
        processes: Processes,
        validate: Validate | None,
    ) -> None:
        self.recipe, self.processes, self.validate = recipe, processes, validate
        self.folder, self.out = folder, folder.folder
        self.feed = Feed(recipe, data, processes)
        self.sources = self.feed.sources
        self.trainer = Trainer(recipe, processes)
        specs = self.trainer.specs
        for spec in {spec for stage in specs for spec in stage}:
            self.feed.dataset.eligible(spec)  # complains now rather than in a worker
        self.plan = Plan(recipe, specs, rank=processes.rank, processes=processes.count)
        self.checkpoint = self.out / "checkpoint.pt"
        self.identity = identity_of(recipe, self.sources, self.trainer.precision)
        self.owed: dict[str, float] | None = None
        self._frames: list[NDArray[np.uint8]] | None = None
        with processes.main_first():
            self._open(resume)

    def run(self) -> TrainingResult:
        recipe, trainer = self.recipe, self.trainer
        begun = time.monotonic()
        figures: dict[str, float] = {}
        late = user = False
        fifth = -(-recipe.steps // 5)
        with interrupts() as interrupted, self._log() as told:
            if self.owed is not None and self.processes.is_main:
                told.write(trainer.step - 1, self.owed | self._validated())
                self._save()
            # Closed even if a step fails: the workers end then, not when the error is forgotten.
            with closing(self.feed.batches(self.plan, trainer.step)) as batches:
                while trainer.step < recipe.steps and not (late or user):
                    figures = self._step(batches)
                    mine = interrupted.is_set(), self._is_late(begun)
                    user, late = map(any, zip(*self.processes.gather(mine), strict=True))
                    if self.processes.is_main:
                        judged = self._due(recipe.run.validate_every or fifth)
                        if judged and not user:
                            figures |= self._validated()
                        told.write(trainer.step - 1, figures)
                        if self._due(recipe.run.checkpoint_every) or late or user:
                            self._save(owed=figures if judged and user else None)
            if self.processes.is_main:
                told.say(self._ending(user, late))
                if not user:
                    self._export(told)
                    self.folder.finish()
        encoder = None if user else self.out / "encoder"
        return TrainingResult(
            self.out, trainer.step, recipe.steps, encoder, figures, self.processes.is_main
        )

    def _save(self, owed: Mapping[str, float] | None = None) -> None:
        """Keep all; `owed` are the figures of a step whose validation is left to the next call."""
        state = self.identity | self.trainer.state_dict()
        save_checkpoint(self.checkpoint, state if owed is None else state | {"owed": dict(owed)})

    def _step(self, batches: Iterator[ClipBatch]) -> dict[str, float]:
        """Do a step; its figures and what it cost."""
        clock, step = time.monotonic(), self.trainer.step
        figures = self.trainer.train_step(self.plan, batches)
        seconds = time.monotonic() - clock
        return figures | {
            "seconds": seconds,
            "frames_per_second": self.plan.frames(step) / seconds,
            "stage": float(self.plan.stage(step)),
        }

    def _open(self, resume: bool) -> None:
        """Take up the checkpoint, or begin in an empty folder."""
        if self.checkpoint.exists():
            if not resume:
                raise InputError(
                    f"{self.out} already holds a training: resume it, or choose another folder"
                )
            saved = load_checkpoint(self.checkpoint)
            if missing := {"data", "recipe", "precision", "step"} - saved.keys():
                raise InputError(f"{self.checkpoint} is damaged: it has no {min(missing)}")
            check_videos(self.out, saved, self.sources)
            if self.recipe.precision == "auto":  # decided once, by the machine that it began on
                self.trainer.precision = self.identity["precision"] = saved["precision"]
            keys = ("recipe", "precision")
            check_same(self.out, *({k: x[k] for k in keys} for x in (saved, self.identity)))
            self.owed = saved.pop("owed", None)
            try:
                self.trainer.load_state_dict(saved)
            except DAMAGES as error:
                said = " ".join(str(error).split())[:200]
                raise InputError(f"{self.checkpoint} is damaged: {said}") from error
        elif (self.out / "encoder").exists():
            raise InputError(f"{self.out} already holds an encoder: choose another folder")
        if self.processes.is_main:
            self.folder.begin()
            for name in FILES:
                self.folder.file(name)
            save_recipe(self.recipe, self.out / "recipe.yaml")

    def _log(self) -> TrainingLog:
        trainer, sources = self.trainer, self.sources
        start = trainer.step - (self.owed is not None)  # that step is written once more
        run, main = self.recipe.run, self.processes.is_main
        told = TrainingLog(self.out, self.recipe.steps, start, enabled=main, board=run.tensorboard)
        told.say(
            f"{len(sources)} videos, {sum(s.frames for s in sources)} frames; "
            f"{self.processes.count} x {self.processes.device.type}, {trainer.precision}; "
            f"{'resumed at' if trainer.step else 'from'} step {trainer.step} of {self.recipe.steps}"
        )
        return told

    def _due(self, every: int | None) -> bool:
        """Whether something that is done every so many steps, and at the end, is due now."""
        step = self.trainer.step
        return step == self.recipe.steps or (every is not None and step % every == 0)

    def _is_late(self, begun: float) -> bool:
        limit = self.recipe.run.limit_minutes
        return limit is not None and time.monotonic() - begun > 60 * limit

    def _measured(self, *, average: bool, most: int | None = None) -> Encoder:
        """A copy of the encoder as it is exported: its batch-norm measured, or kept."""
        encoder = self.trainer.copy(average=average)
        if self.recipe.batch_norm == "measured":
            if self._frames is None:
                count = self.recipe.run.batch_norm_frames
                self._frames = list(sample_frames(self.sources, count, seed=self.recipe.seed))
            if not self._frames:
                log.warning("no frame could be read: batch-norm keeps the statistics of training")
            with self.trainer.autocast():
                measure_batch_norm(encoder, self._frames[:most])
        encoder.cpu()  # where whatever uses it has its labels
        meta = {**self.recipe.network.meta, "training": self._facts()}
        encoder.config = replace(encoder.config, meta=meta)
        return encoder

    def _facts(self) -> dict[str, object]:
        """What an encoder tells about its training."""
        return {
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "step": self.trainer.step,
            "steps": self.recipe.steps,
            "videos": len(self.sources),
            "frames": sum(s.frames for s in self.sources),
            "precision": self.trainer.precision,
        }

    def _validated(self) -> dict[str, float]:
        scenes = self.recipe.run.validate_scenes
        if not scenes and self.validate is None:
            return {}
        brief = self.validate is None and self.trainer.step < self.recipe.steps
        encoder = self._measured(average=True, most=_FEWER_FRAMES if brief else None)
        figures = {"synthetic_j": synthetic_score(encoder, scenes)} if scenes else {}
        if self.validate is not None:
            figures |= self.validate(encoder)
        return {f"validation/{name}": value for name, value in figures.items()}

    def _export(self, told: TrainingLog) -> None:
        """Write the encoders and the report."""
        self.trainer.check_weights()
        for average, name in ((False, "encoder_raw"), (True, "encoder")):
            encoder = self._measured(average=average)
            save_encoder(encoder, self.out / name, half=self.recipe.run.half)
        if self.recipe.run.report:
            try:
                pairs = list(sample_pairs(self.sources, 4))
                write_report(self.out, encoder, pairs, mining_of(self.recipe))
            except InputError as error:  # a picture less is no reason to fail
                told.say(f"no report: {error}")

    def _ending(self, user: bool, late: bool) -> str:
        reason = "interrupted" if user else "time is up" if late else "finished"
        again = (
            "" if self.trainer.step == self.recipe.steps else "; the same command goes on from it"
        )
        return (
            f"{reason} at step {self.trainer.step} of {self.recipe.steps}: {self.checkpoint}{again}"
        )
