from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pixelkin.app.commands.experiment import NAMES as COMMAND_NAMES
from pixelkin.experiments.catalogue import EXPERIMENTS, NAMES
from pixelkin.experiments.scale import SCALES, load_scale, merge
from pixelkin.objectives import OBJECTIVES
from pixelkin.objectives.mined_contrast import MinedContrast
from pixelkin.training.config import Recipe
from pixelkin.training.schema import build
from pixelkin.types import InputError


def scale_names() -> list[str]:
    return sorted(p.stem for p in SCALES.glob("*.yaml"))


def test_the_catalogue_hangs_together() -> None:
    assert COMMAND_NAMES == NAMES
    rows = {row.name: row for e in EXPERIMENTS.values() for row in e.rows}
    for experiment in EXPERIMENTS.values():
        own = [row.name for row in experiment.rows]
        assert len(set(own)) == len(own) and experiment.control in own
        assert all({c.better, c.worse} <= set(own) for c in experiment.claims)
        assert all(row == rows[row.name] for row in experiment.rows)  # one name, one row
    assert {row.name for row in EXPERIMENTS["criteria"].rows} <= {
        row.name for row in EXPERIMENTS["comparison"].rows
    }


@pytest.mark.parametrize("name", scale_names())
def test_every_row_has_recipes_at_every_scale(name: str) -> None:
    scale = load_scale(name)
    parts = {
        str(p): p for e in EXPERIMENTS.values() for row in e.rows for ps in row.parts for p in ps
    }
    assert {p.objective for p in parts.values()} == set(OBJECTIVES) - {
        "distillation",
        "chained_distillation",
    }
    assert all(
        len(row.parts) in (0, len(scale.phases)) for e in EXPERIMENTS.values() for row in e.rows
    )
    for part in parts.values():
        own = [(part.objective, part.settings)]
        first, second = (
            build(Recipe, scale.recipe_of(own, phase=i, seed=1, init=None)) for i in (0, 1)
        )
        assert (first.steps, second.steps) == tuple(p.steps for p in scale.phases)
        assert first.seed == 1 != second.seed  # other clips in the later phase
        clip = first.stages[0].objectives[0].objective.clip
        if name != "smoke":  # as many views a step, whatever the objective
            assert first.batch * clip.views == scale.recipe["batch"] * 2


def test_settings_of_rows_and_scale_are_merged() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}) == {
        "a": {"b": 1, "c": 4},
        "d": 3,
    }
    row = next(r for r in EXPERIMENTS["upper-threshold"].rows if r.name == "m2_0.4")
    ((part,),) = row.parts[1:]
    own = [(part.objective, part.settings)]
    raw = load_scale("cpu").recipe_of(own, phase=1, seed=0, init=Path("x"))
    mined = build(Recipe, {**raw, "init": None}).stages[0].objectives[0].objective
    assert isinstance(mined, MinedContrast) and mined.max_pairs == 1024
    mining = mined.mining
    assert mining.curriculum.signal == "fixed" and mining.curriculum.upper(0.9, 0.3, 256) == 0.4
    assert mining.confidence.level == "qtc" and mining.transport.epsilon == 0.02
    assert mining.negatives.m1 == 0 and mining.negatives.cross_video == 4096
    assert raw["init"] == "x"


def test_objectives_side_by_side_have_equal_shares_and_views_of_their_own() -> None:
    halves = next(r for r in EXPERIMENTS["comparison"].rows if r.name == "halves")
    own = [(p.objective, p.settings) for p in halves.parts[1]]
    recipe = build(Recipe, load_scale("cpu-long").recipe_of(own, phase=1, seed=0, init=None))
    known, mined = recipe.stages[0].objectives
    assert (known.name, mined.name) == ("known_geometry", "mined_contrast")
    assert (known.share, mined.share) == (0.5, 0.5)
    assert known.augmentation is None and recipe.augmentation.hue == 0
    scale = load_scale("cpu-long")
    mild = {"scale": [0.7, 1.0]}
    settings = {**scale.objectives["mined_contrast"], "augmentation": mild}
    scale = replace(scale, objectives={**scale.objectives, "mined_contrast": settings})
    recipe = build(Recipe, scale.recipe_of(own, phase=1, seed=0, init=None))
    known, mined = recipe.stages[0].objectives
    assert known.augmentation is None and mined.augmentation is not None
    assert mined.augmentation.scale == (0.7, 1.0) and recipe.augmentation.scale == (0.35, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": 2}, "equal parts"),
        ({"seeds": []}, "at least one"),
        ({"recipe": {"seed": 3}}, "seed is set by the experiment"),
        ({"speed": 1}, "unknown setting"),
        ({"scoring": {"every": 0}}, "at least 1"),
    ],
)
def test_bad_scales_say_why(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"recipe": {}, "phases": [{"steps": 4}], "points": 1} | change))
    with pytest.raises(InputError, match=message):
        load_scale(str(path))


def test_scales_are_named_or_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cpu, cpu-long, paper, smoke"):
        load_scale("huge")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not YAML"):
        load_scale(str(tmp_path / "bad.yaml"))
    assert load_scale("smoke", (5, 5, 6)).seeds == (5, 6)
    cpu = load_scale("cpu")
    assert cpu.identity() == load_scale("cpu", (7,)).identity() != load_scale("smoke").identity()
