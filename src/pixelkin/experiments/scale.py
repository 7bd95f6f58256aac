"""How large an experiment is: everything that its rows have in common, as one YAML file.

The scales in the package are `smoke` (seconds, synthetic videos), `cpu` and `paper`; a file of
one's own is as good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from pixelkin.checks import SettingError, check_number, check_types
from pixelkin.reading import RECIPE_BYTES, read_text, yaml_reason
from pixelkin.training.schema import build, plain, read_yaml
from pixelkin.types import InputError

SCALES = Path(__file__).parent / "scales"
# Far from all seeds that anyone gives: a later phase must not see the clips of the one before.
_SEED_STEP = 1_000_003


@dataclass(frozen=True)
class Scoring:
    """How encoders are scored: DAVIS protocol, DAVIS-2016 (one object).

    Attributes:
        short_side: Short side of the frames in pixels, or null for their own.
        every: Only every n-th frame is used.
    """

    short_side: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        check_number("every", self.every, least=1)

    @property
    def native(self) -> bool:
        """Whether this is the benchmark's own setting."""
        return self.short_side is None and self.every == 1

    def __str__(self) -> str:
        side = "native size" if self.short_side is None else f"short side {self.short_side}"
        ordinal = {1: "", 2: "second ", 3: "third "}.get(self.every, f"{self.every}th ")
        return f"{side}, every {ordinal}frame"


@dataclass(frozen=True)
class Phase:
    """One stretch of the training of every row; a later one starts from the earlier's encoder.

    Attributes:
        steps: Number of weight updates.
        recipe: Settings on top of the scale's recipe.
    """

    steps: int
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """What all rows of an experiment have in common.

    Attributes:
        name: For reports.
        about: One line for reports: what it is for, on what hardware, how long.
        recipe: Settings of every training, as in a recipe file; without seed, steps and stages.
        phases: The stretches of every training, one after the other.
        objectives: Settings of each objective; "recipe" among them changes the recipe where the
            objective is trained, and "augmentation" is that of its own views.
        seeds: Each trains every row once.
        points: How many equidistant steps inside the last phase keep their weights, for curves.
        scoring: How encoders are scored.
        native: Whether the best rows are also scored at native size.
        synthetic: Whether videos are made where none are given.
        cells: Sides of the grids of cells whose mining is timed.
        repeats: Measurements of each time.
        pairs: Pairs of views of each kind whose positives are counted.
        tuning: Settings of the recipe of `pixelkin tune`, by dotted path, where the experiment
            `tuning` has others.
    """

    name: str
    recipe: dict[str, Any]
    phases: tuple[Phase, ...]
    about: str = ""
    objectives: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    points: int = 2
    scoring: Scoring = field(default_factory=Scoring)
    native: bool = False
    synthetic: bool = False
    cells: tuple[int, ...] = (16, 24, 32, 64)
    repeats: int = 7
    pairs: int = 32
    tuning: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("phases", "seeds", "cells"):
            if not getattr(self, name):
                raise SettingError(name, "give at least one")
        if taken := {"seed", "steps", "stages", "init"} & self.recipe.keys():
            raise SettingError("recipe", f"{', '.join(sorted(taken))} is set by the experiment")
        check_number("pairs", self.pairs, least=1)
        if self.points < 0 or self.phases[-1].steps % (self.points + 1):
            raise SettingError(
                "points",
                f"{self.points} must cut the {self.phases[-1].steps} steps of the last phase into "
                "equal parts",
            )

    @property
    def steps(self) -> int:
        """Weight updates of a row."""
        return sum(p.steps for p in self.phases)

    @property
    def interval(self) -> int:
        """Steps between the points of the last phase."""
        return self.phases[-1].steps // (self.points + 1)

    def identity(self) -> dict[str, Any]:
        """What may not change while an experiment goes on."""
        free = ("about", "seeds", "native", "cells", "repeats", "pairs", "tuning")
        kept: dict[str, Any] = {k: v for k, v in plain(self).items() if k not in free}
        kept["recipe"].pop("run", None)
        return kept

    def recipe_of(
        self,
        parts: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        phase: int,
        seed: int,
        init: Path | None,
    ) -> dict[str, Any]:
        """The recipe of one phase of a row, as a recipe file would have it.

        Args:
            parts: The objectives that are minimised in equal shares, with settings on top of the
                scale's.
            phase: Which.
            seed: Of the row.
            init: Folder of the encoder that the phase before has left.
        """
        recipe = merge(self.recipe, self.phases[phase].recipe)
        objectives = []
        for name, settings in parts:
            own = dict(self.objectives.get(name) or {})
            recipe = merge(recipe, own.pop("recipe", {}))
            entry = {key: own.pop(key) for key in ("augmentation",) if key in own}
            if len(parts) > 1:
                entry["share"] = 1 / len(parts)
            objectives.append({"name": name, "settings": merge(own, settings)} | entry)
        return recipe | {
            "name": "-".join([self.name, *(name for name, _ in parts)]),
            "seed": seed + _SEED_STEP * phase,
            "steps": self.phases[phase].steps,
            "stages": [{"objectives": objectives}],
            "init": None if init is None else str(init),
        }


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top, mappings inside them merged too."""
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def load_scale(name_or_path: str, seeds: tuple[int, ...] = ()) -> Scale:
    """A scale of the package by its name, or one from a YAML file.

    Args:
        name_or_path: smoke, cpu, paper, or a file.
        seeds: Take these instead of the file's.

    Raises:
        InputError: If there is none, or it is not valid.
    """
    path = SCALES / f"{name_or_path}.yaml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.exists() and not path.is_symlink():
        names = ", ".join(sorted(p.stem for p in SCALES.glob("*.yaml")))
        raise InputError(f"no scale {name_or_path!r}: give {names}, or a file")
    try:
        raw = read_yaml(read_text(path, RECIPE_BYTES))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {yaml_reason(error)}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} is not a scale: it must hold settings 'key: value'")
    try:
        scale = build(Scale, {"name": path.stem, **raw})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return replace(scale, seeds=tuple(dict.fromkeys(seeds))) if seeds else scale
