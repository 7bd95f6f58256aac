"""Weights tuned to the very video: a short training on it, without labels, that knows when to stop.

    ENC/config.json, weights.safetensors   the encoder, for every --weights
    ENC/run.json                           what it was made of
    ENC/training/                          its recipe and figures, as every training has them

The training is `loop.train` by the recipe tune.yaml. It starts from an encoder and is anchored to
it. Every few steps the averaged weights are scored without labels (`evaluation.mutual`): a brake.
The last are taken whose score has not fallen, and where all have, those it started from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pixelkin.checks import SettingError
from pixelkin.data.index import Source, source_of
from pixelkin.evaluation.mutual import PAIRS, mutual_share, sample_pairs
from pixelkin.models.config import check_trainable
from pixelkin.models.encoder import (
    NAMED,
    Encoder,
    describe_encoder,
    load_encoder,
    save_encoder,
)
from pixelkin.objectives.distillation import Distillation
from pixelkin.ops.devices import find_device
from pixelkin.run_folder import RunFolder, Standing
from pixelkin.training.config import Recipe, load_recipe
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import FILES, train
from pixelkin.training.resources import cpu_threads
from pixelkin.training.schema import OverrideError, plain
from pixelkin.types import InputError
from pixelkin.video.reader import open_video

RECIPE = Path(__file__).parent / "tune.yaml"
TRAINING = "training"
POINTS = "training/points"
SCORED = 4  # videos that are looked at for the score
EPSILON = "stages.0.objectives.1.settings.mining.transport.epsilon"
FLATTER = 0.02  # that epsilon for features that are not whitened, whose T is flatter
FALL = 0.01  # of the score, that is no fall: gains of labels go with shares that stay as they are


@dataclass(frozen=True)
class Tuned:
    """How a tuning ended.

    Attributes:
        folder: Of the encoder, for `load_encoder`.
        step: After which its weights were taken; 0 for those it started from.
        scores: The score without labels by step, 0 to the last, in [0, 1].
        reused: Whether it was there already.
    """

    folder: Path
    step: int
    scores: Mapping[int, float]
    reused: bool = False


def tune(
    videos: Sequence[str | Path],
    out: str | Path,
    *,
    weights: str | Path = "default",
    steps: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    overrides: Mapping[str, object] | None = None,
    keep_points: bool = False,
) -> Tuned:
    """Tune an encoder to videos, without labels; about a minute on a CPU.

    Nothing but these videos is looked at. Called again after an interruption it goes on, and where
    the encoder is there already it is taken as it is.

    Args:
        videos: Files, folders of frames or glob patterns, each one video.
        out: Folder for the encoder.
        weights: What `load_encoder` takes, to start from.
        steps: Of the training, instead of the recipe's.
        seed: Of all random choices.
        threads: CPU threads; torch's default if None.
        device: What trains: "cpu", "cuda", or "auto" for a GPU where there is one.
        overwrite: Whether an encoder of other videos or settings in `out` may be replaced.
        overrides: Further settings of the recipe, by dotted path.
        keep_points: Keep the weights of every step that was scored, in ENC/training/points/STEP.

    Returns:
        Where the encoder is, and how it was chosen.

    Raises:
        InputError: If a video cannot be read or has a single frame, the weights cannot be trained,
            a setting is wrong, there is no such device, or `out` holds something else.
        KeyboardInterrupt: If the user stopped it; a checkpoint has been written.
    """
    videos = [videos] if isinstance(videos, str | Path) else videos
    sources = [source_of(video) for video in dict.fromkeys(map(str, videos))]
    if not sources:
        raise InputError("give at least one video to tune to")
    for source in sources:
        if source.frames < 2:
            raise InputError(f"{source.path} has a single frame: tuning needs two at least")
    start = load_encoder(weights)
    if str(weights) not in NAMED:
        weights = Path(weights).absolute()
    settings = {"run.device": device, **(overrides or {}), "seed": seed, "run.threads": threads}
    if steps is not None:
        settings["steps"] = steps
    recipe = tuning_recipe(start, weights, settings)
    find_device(recipe.run.device)  # whether it is there is known before any work
    made_of = facts(sources, start, weights, recipe)
    with RunFolder(Path(out), "tuning", partial(_other, made_of, videos)) as folder:
        replaced = overwrite and not folder.matches(made_of)
        if folder.claim(made_of, overwrite=replaced) is Standing.COMPLETE:
            return _known(folder, reused=True)
        folder.begin()
        return _Tuning(folder, sources, start, recipe, made_of).run(keep_points)


def tuning_recipe(
    start: Encoder, weights: str | Path, overrides: Mapping[str, object] | None = None
) -> Recipe:
    """The recipe of a tuning: the package's own, from these weights and anchored to them.

    Args:
        start: The encoder to start from.
        weights: What it was loaded from.
        overrides: Settings of the recipe, by dotted path.

    Raises:
        SettingError: If one of the overrides is wrong.
        InputError: If the encoder has no weights to train, or they do not go with the recipe.
    """
    check_trainable(start.config, weights)
    network = plain(replace(start.config, meta={}))
    own: dict[str, object] = {"network": network, "init": str(weights)}
    if network.get("head") is None and not any(EPSILON.startswith(k) for k in overrides or ()):
        own[EPSILON] = FLATTER
    try:
        recipe = load_recipe(RECIPE, {**own, **(overrides or {})})
    except InputError as error:  # the file is ours, and says nothing to who calls
        if isinstance(error, OverrideError) and not own.keys() >= set(error.given):
            raise SettingError(error.key, error.reason) from error
        said = str(error).removeprefix(f"{RECIPE}: ")
        try:
            load_recipe(RECIPE, own)
        except InputError:
            said = f"the weights {weights} cannot be tuned: {said}"
        raise InputError(said) from error
    stages = []
    for stage in recipe.stages:
        parts = [
            replace(o, settings={**o.settings, "teachers": (str(weights),)})
            if isinstance(o.objective, Distillation)
            else o
            for o in stage.objectives
        ]
        stages.append(replace(stage, objectives=tuple(parts)))
    return replace(recipe, stages=tuple(stages))


def facts(
    sources: Sequence[Source], start: Encoder, weights: str | Path, recipe: Recipe
) -> dict[str, Any]:
    """What an encoder is made of, ready for JSON: videos, weights, settings, by their content."""
    settings = recipe.fingerprint()
    for own in ("init", "network"):  # known by their content
        del settings[own]
    return {
        "videos": [{"frames": s.frames, "content": s.content} for s in sources],
        "weights": {"name": str(weights), "content": describe_encoder(start)["weights"]},
        "recipe": settings,
    }


def _other(
    made_of: Mapping[str, Any],
    videos: Sequence[str | Path],
    known: Mapping[str, Any],
    changed: Sequence[str],
) -> str:
    """What another tuning in the folder is, in words; the names of settings where it is damaged."""
    try:
        told = list(_differences(made_of, videos, known, changed))
    except (AttributeError, LookupError, TypeError):
        told = []
    return f"tuning {', '.join(told)}" if told else f"tuning with another {', '.join(changed)}"


def _differences(
    made_of: Mapping[str, Any],
    videos: Sequence[str | Path],
    known: Mapping[str, Any],
    changed: Sequence[str],
) -> Iterator[str]:
    if "videos" in changed:
        yield f"to other frames than those of {', '.join(map(str, videos))}"
    if "weights" in changed:
        name, before = (x["weights"]["name"] for x in (made_of, known))
        since = "before they changed" if name == before else f"not {name}"
        yield f"that began with the weights {before}, {since}"
    if "recipe" in changed:
        now, then = made_of["recipe"], known["recipe"]
        keys = [k for k in {**now, **then} if json.dumps(now.get(k)) != json.dumps(then.get(k))]
        few = [f"{k} {then.get(k)} ({now[k]} now)" for k in keys if k in ("steps", "seed")]
        if few or "weights" not in changed:  # whose name is among the settings
            yield f"with other settings: {', '.join(few or keys)}"


class _Tuning:
    def __init__(
        self,
        folder: RunFolder,
        sources: Sequence[Source],
        start: Encoder,
        recipe: Recipe,
        made_of: Mapping[str, Any],
    ) -> None:
        self.folder, self.sources, self.start = folder, sources, start
        self.recipe, self.made_of = recipe, made_of
        looked_at = sources[:SCORED]
        self.pairs = [
            pair
            for source in looked_at
            for pair in sample_pairs(open_video(source.path), max(2, PAIRS // len(looked_at)))
        ]

    def run(self, keep_points: bool) -> Tuned:
        folder, out = self.folder, self.folder.folder / TRAINING
        # Listed here, so that what replaces this encoder removes its training too.
        for name in ("run.json", ".pixelkin-files", *FILES):
            folder.file(f"{TRAINING}/{name}")
        with cpu_threads(self.recipe.run.threads):
            if "0" not in folder.progress:
                folder.note({"0": mutual_share(self.start, self.pairs)})
            result = train(self.recipe, self.sources, out, validate=self._judge)
        if result.encoder is None or not result.complete:
            raise KeyboardInterrupt
        scores = self._scores()
        step = choose(scores)
        encoder = load_encoder(out / "points" / str(step)) if step else self.start
        self._write(encoder, step, scores)
        folder.note({"step": step, "scores": {str(n): x for n, x in scores.items()}})
        if not keep_points:
            self._clear()
        folder.finish()
        return _known(folder)

    def _judge(self, encoder: Encoder) -> dict[str, float]:
        """Keep the averaged weights of a point, and score them."""
        step = encoder.config.meta["training"]["step"]
        for name in ("config.json", "weights.safetensors"):
            self.folder.file(f"{POINTS}/{step}/{name}")
        save_encoder(encoder, self.folder.folder / POINTS / str(step))
        return {"mutual": mutual_share(encoder, self.pairs)}

    def _scores(self) -> dict[int, float]:
        """The score by step, as the training has logged it."""
        lines = read_metrics(self.folder.folder / TRAINING / "metrics.jsonl")
        found = {x["step"] + 1: x["validation/mutual"] for x in lines if "validation/mutual" in x}
        return {0: float(self.folder.progress["0"]), **found}

    def _write(self, encoder: Encoder, step: int, scores: Mapping[int, float]) -> None:
        tuned = {**self.made_of, "step": step, "scores": {str(n): x for n, x in scores.items()}}
        meta = {**self.start.config.meta, "tuned": tuned}
        encoder.config = replace(encoder.config, meta=meta)
        for name in ("weights.safetensors", "config.json"):
            self.folder.file(name)
        save_encoder(encoder, self.folder.folder)

    def _clear(self) -> None:
        """Remove what only an unfinished tuning needs."""
        root = self.folder.folder
        spent = {p.relative_to(root).as_posix() for p in (root / POINTS).glob("*/*")}
        spent |= {f"{TRAINING}/{n}" for n in FILES if n.startswith(("checkpoint", "encoder"))}
        for name in spent:
            self.folder.remove(name)
        for place in sorted({(root / n).parent for n in spent} - {root / TRAINING}, reverse=True):
            with suppress(OSError):  # not empty: files of others are in it
                place.rmdir()
        with suppress(OSError):
            (root / POINTS).rmdir()


def choose(scores: Mapping[int, float]) -> int:
    """The last step whose score has not fallen below the start's by more than `FALL` of it.

    Args:
        scores: By step, 0 for the start.
    """
    return max(step for step, score in scores.items() if score >= (1 - FALL) * scores[0])


def _known(folder: RunFolder, *, reused: bool = False) -> Tuned:
    """What a finished tuning has noted."""
    scores = {int(n): float(x) for n, x in folder.progress["scores"].items()}
    return Tuned(folder.folder, int(folder.progress["step"]), scores, reused)
