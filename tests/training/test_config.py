from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

from pixelkin.data.batch import ClipSpec
from pixelkin.objectives import OBJECTIVES, Objective
from pixelkin.training.config import ObjectiveShare, Optimiser, Recipe, load_recipe, save_recipe
from pixelkin.training.schema import OverrideError
from pixelkin.types import InputError

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    header = path.read_text().split("\n\n")[0]
    for line in ("What:", "Data:", "Hardware:", "Wall clock:", "Expected score:", "Command:"):
        assert line in header


def test_there_are_recipes() -> None:
    assert {p.stem for p in RECIPES.glob("*.yaml")} >= {"small", "default", "paper"}


def test_a_saved_recipe_is_the_same_recipe(tmp_path: Path, recipe_file: Path) -> None:
    first = load_recipe(recipe_file)
    save_recipe(first, tmp_path / "b.yaml")
    assert load_recipe(tmp_path / "b.yaml") == first
    assert first.name == "tiny"


def test_run_and_name_do_not_change_the_weights(recipe_file: Path) -> None:
    first = load_recipe(recipe_file).fingerprint()
    assert load_recipe(recipe_file, {"run.workers": 3, "name": "other"}).fingerprint() == first
    assert load_recipe(recipe_file, {"seed": 1}).fingerprint() != first


def test_kept_statistics_are_those_of_some_weights(recipe_file: Path) -> None:
    plain = load_recipe(recipe_file).fingerprint()
    assert "batch_norm" not in plain  # as recipes were known before there was a choice
    with pytest.raises(InputError, match="batch_norm: kept needs an init"):
        load_recipe(recipe_file, {"batch_norm": "kept"})
    kept = load_recipe(recipe_file, {"batch_norm": "kept", "init": "default"}).fingerprint()
    assert kept["batch_norm"] == "kept"


def test_overrides_go_by_dotted_path(recipe_file: Path) -> None:
    changes = {
        "optimiser.learning_rate": "3e-4",
        "stages.1.objectives.1.settings.mining.curriculum.signal": "clock",
    }
    loaded = load_recipe(recipe_file, changes)
    assert loaded.optimiser.learning_rate == 3e-4
    mining = loaded.stages[1].objectives[1].objective.mining
    assert mining is not None and mining.curriculum.signal == "clock"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 5}, r"step: unknown setting \(did you mean 'steps'\?\); allowed: steps, stages"),
        ({"optimiser.lr": 1}, r"optimiser.lr: unknown setting.*allowed: learning_rate"),
        ({"network.network": "lab"}, r"network.network: 'lab' has no weights to train"),
        ({"network.stride": 5}, r": network.stride: 5 is not one of 4, 8$"),
        ({"size": 100}, r"size: 100 must be a multiple of network.stride 8"),
        ({"size": 16}, r"size: 16 must be .* at least four times"),
        ({"steps": 0}, r"steps: 0 must be at least 1"),
        ({"ema": 1.0}, r"ema: 1.0 must be at least 0 and below 1"),
        ({"augmentation.scale": [0.8, 0.2]}, r": augmentation.scale: \[0.8, 0.2\] must be"),
        ({"optimiser.warmup": float("nan")}, r"optimiser.warmup: nan must be"),
        ({"stages": []}, r"stages: give at least one"),
        ({"stages.0.share": 0.7}, r"stages: the shares sum to 1.2, must sum to 1"),
        ({"stages.0.objectives.0.name": "magic"}, r"name: 'magic' is not one of known_geometry"),
        (
            {"stages.1.objectives.1.settings.mining.confidence.treshold": 0.5},
            r": stages.1.objectives.1.settings.mining.confidence.treshold: unknown setting "
            r"\(did you mean 'threshold'\?\); allowed: level, threshold, hard_q$",
        ),
        (
            {"stages.1.objectives.1.settings.mining.confidence.threshold": 3},
            r": stages.1.objectives.1.settings.mining.confidence.threshold: 3.0 must be "
            r"above 0 and at most 1$",
        ),
        (
            {"stages.1.objectives.1.settings.mining.confidence.level": "t"},
            r": stages.1.objectives.1.settings.mining.confidence.level: 't' is not one of argmax, "
            r"q, qt, qtc",
        ),
        (
            {"stages.1.objectives.1.settings.mining.negatives.m1": 0.5},
            r": stages.1.objectives.1.settings.mining.negatives.m1: 0.5 must lie in \[0, 0.3\]",
        ),
        (  # as recipes of version 0.1 have it
            {"stages.1.objectives.1.settings.epsilon": 0.02},
            r": stages.1.objectives.1.settings.epsilon: unknown setting \(did you mean "
            r"'mining.transport.epsilon'\?\); allowed: gaps, mining, temperature, max_pairs$",
        ),
        (
            {"stages.1.objectives.1.settings.positives": "qtc"},
            r": stages.1.objectives.1.settings.positives: unknown setting; allowed: gaps, mining",
        ),
        (
            {"stages.1.objectives.0.share": 0.4, "stages.1.objectives.1.share": 0.6},
            r"stages.1.objectives.0.share: 0.4 of batch 4 is 1.6 clips",
        ),
        ({"accumulate": 3}, r"do not divide evenly among 1 process\(es\) of 3 micro-batch\(es\)"),
        ({"run.limit_minutes": 0}, r": run.limit_minutes: 0.0 must be above 0$"),
        (
            {"stages.1.objectives.1.augmentation": {"crop_jitter": 2}},
            r": stages.1.objectives.1.augmentation.crop_jitter: 2.0 must be at least 0 and at most",
        ),
        (
            {"stages.0.objectives.0": {"name": "random_walk", "settings": {"nodes": "patches"}}},
            r": stages.0.objectives.0.settings.patches: 7 along a side of 32 pixels are patches",
        ),
    ],
)
def test_wrong_settings_are_named(
    recipe_file: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        load_recipe(recipe_file, changes)
    assert str(error.value).startswith(f"{recipe_file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1, "step": 5}, "--set step: unknown setting (did you mean 'steps'?)"),
        ({"augmentation": {"scale": [0.8, 0.2]}}, "--set augmentation.scale: [0.8, 0.2] must be"),
        ({"stages.0.share": 0.7}, "--set stages.0.share: stages: the shares sum to 1.2"),
        ({"accumulate": 3}, "--set accumulate: stages.0.objectives.0.share: 1 of batch 4 is 4"),
        ({"stages.7.share": 1}, "--set stages.7.share: stages has entries 0 to 1, not '7'"),
    ],
)
def test_what_was_given_besides_is_blamed_and_not_the_file(
    recipe_file: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(OverrideError) as error:
        load_recipe(recipe_file, changes)
    assert error.value.told("--set").startswith(told)


def test_the_file_is_blamed_for_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("step: 5\n")
    with pytest.raises(InputError, match="step: unknown setting") as error:
        load_recipe(path, {"batch": 4})
    assert not isinstance(error.value, OverrideError)


def test_an_objective_has_an_augmentation_of_its_own(recipe_file: Path, tmp_path: Path) -> None:
    key = "stages.1.objectives.1.augmentation"
    loaded = load_recipe(recipe_file, {key: {"crop_jitter": 0.1, "scale": [0.5, 1.0]}})
    first, second = loaded.stages[1].objectives
    assert first.augmentation is None and second.augmentation is not None
    assert second.augmentation.crop_jitter == 0.1
    save_recipe(loaded, tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml", {"name": loaded.name}) == loaded
    assert loaded.fingerprint() != load_recipe(recipe_file).fingerprint()


def test_the_batch_must_suit_the_processes(recipe_file: Path) -> None:
    loaded = load_recipe(recipe_file)
    loaded.check_processes(2)
    with pytest.raises(InputError, match=r"evenly among 3 process"):
        loaded.check_processes(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [1", "is not YAML"),
        ("- 1\n- 2", "is not a recipe"),
        ("", "is not a recipe"),
        ("steps: 5\nbatch: 2\nsteps: 6\n", "steps given more than once"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", r"c given more than once \(line 5, column 3\)$"),
        ("steps: 5\nbatch: [2\n", r"wrong.yaml is not YAML: .* \(line 3, column 1\)$"),
        ("steps: \x01", r"wrong.yaml is not YAML: unacceptable character .* at position 7$"),
        ("steps: 5", "stages: this setting is missing"),
    ],
)
def test_files_that_are_no_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_recipe(path)
    assert "\n" not in str(error.value)


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe .*nothing.yaml"):
        load_recipe(tmp_path / "nothing.yaml")


def test_every_objective_can_be_asked_for() -> None:
    names = get_args(get_type_hints(ObjectiveShare)["name"])
    assert names == tuple(OBJECTIVES)
    for name in names:
        share = ObjectiveShare(name)
        assert isinstance(share.objective, Objective) and type(share.objective) is OBJECTIVES[name]
        assert isinstance(share.objective.clip, ClipSpec)
        ready = share.objective.prepare(8, torch.device("cpu"))
        assert type(ready) is OBJECTIVES[name]
        ready.load_state_dict(ready.state_dict())
        # What a training changes is its own, so that one recipe serves several.
        assert ready is not share.objective or not ready.state_dict()


def test_defaults_are_a_complete_recipe(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(
        "steps: 5\nstages: [{objectives: [{name: known_geometry}]}]\n"
    )
    loaded = load_recipe(tmp_path / "short.yaml")
    assert isinstance(loaded, Recipe)
    assert loaded.optimiser.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"precision": "fp8"}, "precision: 'fp8' is not one of auto, bfloat16, float32"),
        ({"batch_norm": "x"}, "batch_norm: 'x' is not one of measured, kept"),
        ({"steps": 2.5}, "steps: must be a whole number, got 2.5"),
        ({"seed": True}, "seed: must be a whole number, got True"),
    ],
)
def test_values_from_python_are_checked_as_those_of_a_file(
    recipe_file: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        replace(load_recipe(recipe_file), **values)
    with pytest.raises(InputError, match=r"^schedule: 'cosin' is not one of one_cycle, "):
        Optimiser(schedule="cosin")  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers(recipe_file: Path, tmp_path: Path) -> None:
    recipe = replace(load_recipe(recipe_file), seed=np.int64(3), ema=np.float64(0.5))
    save_recipe(recipe, tmp_path / "a.yaml")
    assert load_recipe(tmp_path / "a.yaml") == recipe
