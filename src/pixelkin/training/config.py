"""Recipes: everything that decides what a training gives, as one YAML file.

A recipe is checked as a whole before anything starts: an unknown key, a wrong value or settings
that contradict each other are errors that name the key. Section `run` holds what does not change
the weights (workers, intervals, limits) and may differ when a training is resumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from pixelkin.checks import SettingError, check_types
from pixelkin.checks import check_number as _check
from pixelkin.data.augment import Augmentation
from pixelkin.data.clips import ClipSettings
from pixelkin.files import write_text
from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.objectives import OBJECTIVES, Objective, ObjectiveName
from pixelkin.reading import RECIPE_BYTES, read_text, yaml_reason
from pixelkin.training.optimiser import Optimiser
from pixelkin.training.schema import build, build_with, plain, read_yaml
from pixelkin.types import InputError

# More than any machine has use for: what is above is a slip, and would be worked at for ever.
MAX_SIZE = 4096
MOST = {"steps": 10**9, "batch": 4096, "accumulate": 4096}
BOUNDS = {
    "workers": (0, 256),
    "threads": (1, 1024),
    "store_gb": (0, math.inf),
    "checkpoint_every": (1, math.inf),
    "validate_every": (1, math.inf),
    "validate_scenes": (0, 100_000),
    "batch_norm_frames": (1, 100_000),
}


@dataclass(frozen=True)
class ObjectiveShare:
    """One objective of a stage, and how much of the batch it has.

    Attributes:
        name: One of `pixelkin.objectives.OBJECTIVES`.
        share: Share of the batch that it gets; its loss has the same weight.
        settings: Its own settings: the fields of its dataclass.
        augmentation: How its views are cut and coloured; null takes the stage's.
        objective: The objective with these settings; a training uses what its `prepare` gives.
    """

    name: ObjectiveName
    share: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    augmentation: Augmentation | None = None
    objective: Objective = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_types(self)
        _check("share", self.share, above=0, most=1)
        built = build(OBJECTIVES[self.name], self.settings, "settings")
        object.__setattr__(self, "objective", built)


@dataclass(frozen=True)
class Stage:
    """A stretch of the training with one mixture of objectives.

    Attributes:
        objectives: What is minimised; their shares of the batch sum to 1.
        share: Share of the steps; those of all stages sum to 1.
        rate: Factor on the scheduled learning rate.
        augmentation: How its views are cut and coloured; null takes the recipe's.
    """

    objectives: tuple[ObjectiveShare, ...]
    share: float = 1.0
    rate: float = 1.0
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        check_types(self)
        _check("share", self.share, above=0, most=1)
        _check("rate", self.rate, above=0)
        _check_sum("objectives", [o.share for o in self.objectives])


@dataclass(frozen=True)
class Run:
    """How a training runs; none of it changes the weights on a given kind of device.

    Attributes:
        device: "auto" takes a GPU if there is one.
        workers: Processes that make clips; 0 makes them in the training process; null takes the
            cores but one, at most 8 (shared among the processes of a distributed training).
        threads: CPU threads of the training process, or null for torch's default.
        frames: Where frames wait to be seen: "store", in the folder of that name; "memory", all of
            them; "device", all of them in the memory of the device, for batched views; "auto" takes
            the device where that is a GPU and they fit, or else the store. Clips are the same.
        store: Folder for decoded frames; null for the user's cache, "" to keep none.
        store_gb: GB that the folder may hold.
        checkpoint_every: Steps between checkpoints.
        validate_every: Steps between validations, or null for five in all.
        validate_scenes: Synthetic videos through which each validation carries labels (about a
            second each, see `synthetic_score`), or 0 for none.
        limit_minutes: Stop after this wall-clock time with a checkpoint to resume from, or null.
        batch_norm_frames: Whole frames on which batch-norm statistics are measured in the end (and
            before validations).
        half: Store the encoders in half precision: half as large.
        report: Whether to draw report.png at the end (needs the extra "plots").
        tensorboard: Whether curves go to tensorboard/ too (needs the extra "train").
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | None = None
    threads: int | None = None
    frames: Literal["auto", "store", "memory", "device"] = "auto"
    store: str | None = None
    store_gb: float = 8.0
    checkpoint_every: int = 200
    validate_every: int | None = None
    validate_scenes: int = 3
    limit_minutes: float | None = None
    batch_norm_frames: int = 64
    half: bool = False
    report: bool = True
    tensorboard: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        for name, (least, most) in BOUNDS.items():
            if (value := getattr(self, name)) is not None:
                _check(name, value, least=least, most=most)
        if self.limit_minutes is not None:
            _check("limit_minutes", self.limit_minutes, above=0)


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        steps: Number of weight updates.
        stages: What is minimised when.
        name: For logs and the encoder's config.
        seed: Of the initial weights and of all random choices.
        batch: Clips of one step, over all processes.
        accumulate: Micro-batches into which every process divides its part of a step, to save
            memory. Batch-norm sees one at a time.
        size: Side of the square views in pixels.
        precision: "bfloat16" computes the network in mixed precision; "auto" does so where a
            training begins on a device that is faster with it: processors with AMX or AVX512_BF16,
            GPUs from Ampere on.
        init: Encoder to start from (a name or folder for `load_encoder`), or null.
        batch_norm: "measured": every batch is normalised by its own statistics, and those of whole
            frames are measured in the end; "kept": by those of the weights that the training starts
            from, which stay as they are.
        ema: Decay of the averaged weights, which are the ones that are shipped.
        network: The encoder's configuration.
        data: Which frames are seen.
        augmentation: How views are cut and coloured; a stage or an objective may have its own.
        optimiser: The optimiser and its schedule.
        run: What does not change the weights.
    """

    steps: int
    stages: tuple[Stage, ...]
    name: str = "unnamed"
    seed: int = 0
    batch: int = 16
    accumulate: int = 1
    size: int = 128
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    init: str | None = None
    batch_norm: Literal["measured", "kept"] = "measured"
    ema: float = 0.999
    network: EncoderConfig = field(default_factory=EncoderConfig)
    data: ClipSettings = field(default_factory=ClipSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimiser: Optimiser = field(default_factory=Optimiser)
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("steps", "batch", "accumulate"):
            _check(name, getattr(self, name), least=1, most=MOST[name])
        _check("size", self.size, least=1, most=MAX_SIZE)
        _check("seed", self.seed, least=0, most=2**63 - 1)
        _check("ema", self.ema, least=0, below=1)
        _check_sum("stages", [s.share for s in self.stages])
        if self.batch_norm == "kept" and self.init is None:
            raise SettingError("batch_norm", "kept needs an init, whose statistics are kept")
        if self.network.network != "resnet18":
            raise SettingError(
                "network.network", f"{self.network.network!r} has no weights to train"
            )
        try:
            with torch.device("meta"):
                Encoder(self.network)
        except SettingError as error:
            raise error.below("network") from error
        if self.size < 4 * self.network.stride or self.size % self.network.stride:
            raise SettingError(
                "size",
                f"{self.size} must be a multiple of network.stride {self.network.stride}, and at "
                "least four times as large",
            )
        for i, stage in enumerate(self.stages):
            for k, share in enumerate(stage.objectives):
                how = share.augmentation or stage.augmentation or self.augmentation
                try:
                    share.objective.check_views(self.size, self.network.stride, how.crop_jitter)
                except SettingError as error:
                    raise error.below(f"stages.{i}.objectives.{k}.settings") from error
        self.check_processes(1)

    def check_processes(self, processes: int) -> None:
        """Check that the batch divides evenly among objectives, processes and micro-batches.

        Raises:
            InputError: If it does not.
        """
        for i, stage in enumerate(self.stages):
            for k, objective in enumerate(stage.objectives):
                clips = objective.share * self.batch
                parts = self.accumulate * processes
                if not math.isclose(clips, round(clips), abs_tol=1e-6) or round(clips) % parts:
                    raise SettingError(
                        f"stages.{i}.objectives.{k}.share",
                        f"{objective.share:g} of batch {self.batch} is {clips:g} clips, which do "
                        f"not divide evenly among {processes} process(es) of {self.accumulate} "
                        "micro-batch(es): change batch, share or accumulate",
                    )

    def fingerprint(self) -> dict[str, Any]:
        """All that decides the weights, as plain values: everything but `run` and `name`.

        Settings that version 0.1 did not have are left out where they change nothing, so that what
        was trained without them is known again.
        """
        settings: dict[str, Any] = plain(self)
        del settings["run"], settings["name"]
        if self.batch_norm == "measured":
            del settings["batch_norm"]
        if self.network.head is None:
            del settings["network"]["head"]
        if settings["data"]["rendering"] == "single":
            del settings["data"]["rendering"]
        return settings


def load_recipe(path: str | Path, overrides: Mapping[str, object] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: A YAML file.
        overrides: Values that replace or add to the file's, by dotted path:
            {"optimiser.learning_rate": 3e-4, "stages.0.objectives.0.settings.temperature": 0.1}.

    Raises:
        OverrideError: If the recipe is not a valid one because of the overrides.
        InputError: If there is no such file, it is not YAML, or the recipe is not a valid one.
    """
    path = Path(path)
    try:
        if not path.exists() and not path.is_symlink():
            raise InputError(f"no recipe {path}: the file does not exist")
        raw = read_yaml(read_text(path, RECIPE_BYTES))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {yaml_reason(error)}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} is not a recipe: it must hold settings 'key: value'")
    return build_with(Recipe, {"name": path.stem, **raw}, overrides or {}, path)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe with all defaults filled in; `load_recipe` gives the same one back."""
    write_text(path, yaml.safe_dump(plain(recipe), sort_keys=False))


def _check_sum(name: str, shares: list[float]) -> None:
    if not shares:
        raise SettingError(name, "give at least one")
    if not math.isclose(sum(shares), 1.0, abs_tol=1e-3):
        raise SettingError(name, f"the shares sum to {sum(shares):g}, must sum to 1")
