"""Every command of recipes/gpu/RUNS.md has a recipe, valid settings, and weights to begin with."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from pixelkin.app.commands.train import read_overrides
from pixelkin.training.config import Recipe, load_recipe

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "recipes" / "gpu" / "RUNS.md"


def commands() -> list[str]:
    """All of them, as a shell would see them; those for every SEED three times."""
    found, variables = [], {}
    for line in RUNS.read_text(encoding="utf-8").splitlines():
        if given := re.fullmatch(r'(\w+)="(.*)"', line):
            variables[given.group(1)] = given.group(2)
        elif line.startswith("pixelkin train "):
            whole = re.sub(r"\$(\w+)", lambda name: variables[name.group(1)], line)
            found += [whole.replace("SEED", str(k)) for k in range(3 if "SEED" in whole else 1)]
    return found


COMMANDS = commands()


def out_of(command: str) -> str:
    words = shlex.split(command)
    return words[words.index("--out") + 1]


def planned(command: str) -> tuple[str, Recipe]:
    """Where a command leaves its encoder, and its recipe."""
    words = shlex.split(command)
    changes = read_overrides([b for a, b in pairwise(words) if a == "--set"])
    return out_of(command), load_recipe(ROOT / words[2], changes)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: Path(out_of(c)).name)
def test_a_command_has_a_valid_recipe_for_a_piece(command: str) -> None:
    _, recipe = planned(command)
    run = recipe.run
    assert run.device == "cuda" and run.half
    assert run.limit_minutes is not None and run.limit_minutes < 9
    assert recipe.data.rendering == "batched"


@pytest.mark.parametrize("name", ["warm-up", "known", "mined", "halves", "distilled", "walk"])
def test_recipes_see_as_many_pixels(name: str) -> None:
    recipe = load_recipe(ROOT / "recipes" / "gpu" / f"{name}.yaml")
    views = sum(o.objective.clip.views * o.share for o in recipe.stages[0].objectives)
    assert recipe.size == 256 and recipe.steps * recipe.batch * views == 4000 * 64 * 2


def test_what_a_run_begins_with_is_left_by_one_before() -> None:
    left: set[str] = set()
    for command in COMMANDS:
        out, recipe = planned(command)
        wanted = {recipe.init}
        for objective in (o for stage in recipe.stages for o in stage.objectives):
            wanted |= set(objective.settings.get("teachers", ()))
        wanted -= {None, "default"}
        assert {str(w).removesuffix("/encoder") for w in wanted} <= left, command
        assert out not in left
        left.add(out)


def test_seeds_start_from_warm_ups_of_their_own() -> None:
    for command in COMMANDS:
        out, recipe = planned(command)
        seed = re.search(r"-(\d)$", out)
        assert recipe.seed == int(seed.group(1) if seed else 0)
        if recipe.init in (None, "default") or recipe.name == "distilled":
            continue
        if out.startswith("runs/claims/") and seed:
            start = f"claims/w{seed.group(0)}"
        else:
            small = re.search(r"/(small|large)-", out)
            start = "gpu/warm-up" + ("-small" if small else seed.group(0) if seed else "")
        assert recipe.init == f"runs/{start}/encoder"


def test_runs_to_be_compared_differ_in_what_their_names_say() -> None:
    recipes = dict(map(planned, COMMANDS))
    known, mined = recipes["runs/gpu/known"], recipes["runs/gpu/mined"]
    assert (known.steps, known.optimiser, known.ema) == (mined.steps, mined.optimiser, mined.ema)
    ours = [r for r in recipes.values() if (r.name, r.seed, r.size) == ("mined", 0, 256)]
    plain = {str({**r.fingerprint(), "stages": None}) for r in ours}
    assert len(plain) == 1 and len({str(r.fingerprint()) for r in ours}) == len(ours) == 9


@pytest.mark.parametrize("seed", range(3))
def test_the_claims_are_told_by_runs_that_differ_in_their_objectives_alone(seed: int) -> None:
    recipes = dict(map(planned, COMMANDS))
    rows = [
        recipes[f"runs/claims/{row}-{seed}"]
        for row in ("known", "halves", "mined", "argmax", "m2_1.0")
    ]
    assert len({str({**r.fingerprint(), "stages": None}) for r in rows}) == 1
    assert len({str(r.fingerprint()["stages"]) for r in rows}) == 5
