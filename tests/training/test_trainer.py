"""A step waits for the device once; which precision a training takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pixelkin.ops.host import as_on_a_device
from pixelkin.processes import Processes
from pixelkin.training.checkpoint import load_checkpoint, save_checkpoint
from pixelkin.training.config import load_recipe
from pixelkin.training.feed import Feed
from pixelkin.training.loop import train
from pixelkin.training.plan import Plan
from pixelkin.training.resources import trains_in_bfloat16
from pixelkin.training.trainer import Trainer, initial_encoder
from pixelkin.training.weights import update_average

# Each waits for a GPU, to copy from or to there.
WAITS = {"tolist", "numpy", "cpu", "tensor", "as_tensor", "new_tensor", "from_numpy"}
CPU = torch.device("cpu")


class Numbers(TorchFunctionMode):
    """Counts lists and arrays made of tensors, and tensors made of those."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in WAITS
        return func(*args, **(kwargs or {}))


class Items(TorchDispatchMode):
    """Counts single numbers that are looked at."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("accumulate", "step", "items"), [(1, 0, 0), (2, 0, 0), (1, 6, 1)])
def test_a_step_looks_at_its_figures_once(
    frames: Path, recipe_file: Path, accumulate: int, step: int, items: int
) -> None:
    """And, in the second stage, at the variance that m2 follows."""
    recipe = replace(load_recipe(recipe_file), accumulate=accumulate)
    processes = Processes(CPU)
    trainer = Trainer(recipe, processes)
    trainer.step = step
    plan = Plan(recipe, trainer.specs)
    batches = Feed(recipe, [frames], processes).batches(plan, step)
    given = iter([next(batches) for _ in plan.micro_batches(step)])
    with as_on_a_device(), Numbers() as numbers, Items() as single:
        figures = trainer.train_step(plan, given)
    assert numbers.count == 1
    assert single.count == items
    assert all(isinstance(value, float) for value in figures.values())


def test_the_average_moves_as_its_formula_says() -> None:
    average, network = (torch.nn.BatchNorm1d(5) for _ in range(2))
    torch.nn.init.normal_(network.weight)
    network.running_mean.fill_(3.0)
    before = average.weight.detach().clone()
    update_average(average, network, 0.9, step=1)
    expected = before + (1 - 2 / 11) * (network.weight.detach() - before)
    torch.testing.assert_close(average.weight.detach(), expected)
    assert torch.equal(average.running_mean, network.running_mean)
    update_average(average, network, 0.9, step=10**6)
    expected = 0.9 * expected + 0.1 * network.weight.detach()
    torch.testing.assert_close(average.weight.detach(), expected)


def test_precision_is_decided_where_a_training_begins(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.6 tells none
    fast = any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    assert trains_in_bfloat16(CPU) == fast
    out, auto = tmp_path / "run", {"precision": "auto"}
    begin = {**auto, "run.limit_minutes": 1e-6}
    train(recipe_file, [frames], out, overrides=begin)
    saved = load_checkpoint(out / "checkpoint.pt")
    assert saved["precision"] == ("bfloat16" if fast else "float32")
    # As if it had begun on another machine.
    other = "float32" if fast else "bfloat16"
    save_checkpoint(out / "checkpoint.pt", saved | {"precision": other})
    assert train(recipe_file, [frames], out, overrides=auto).complete
    assert load_checkpoint(out / "checkpoint.pt")["precision"] == other


def test_an_objective_may_have_patches_encoded_in_place_of_views(
    frames: Path, recipe_file: Path
) -> None:
    """The first step's loss is that of the network's features of every patch."""
    still = {"edge_dropout": 0.0, "patch_area": [1.0, 1.0]}  # nothing is drawn
    settings = {"frames": 2, "gaps": [2], "end": "warped", "nodes": "patches", "patches": 3}
    objective = {"name": "random_walk", "settings": {**settings, **still}}
    recipe = load_recipe(recipe_file, {"stages": [{"objectives": [objective]}]})
    trainer = Trainer(recipe, Processes(CPU))
    plan = Plan(recipe, trainer.specs)
    batch = next(Feed(recipe, [frames], Processes(CPU)).batches(plan, 0))
    assert batch.views.shape == (4, 3, 3, 32, 32)
    assert torch.equal(batch.times[:, 0], batch.times[:, 2])
    patches = [
        view[:, y : y + 16, x : x + 16]
        for view in batch.views.flatten(0, 1)
        for y in (0, 8, 16)
        for x in (0, 8, 16)
    ]
    with torch.no_grad():
        f = initial_encoder(recipe).train().net(trainer.encoder.preprocess(torch.stack(patches)))
        walk = recipe.stages[0].objectives[0].objective
        loss, expected = walk(f.view(4, 27, *f.shape[1:]), batch, 0.0)
    figures = trainer.train_step(plan, iter([batch]))
    assert figures["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert 0 < figures["random_walk/pairs"] == expected["pairs"] < 1
