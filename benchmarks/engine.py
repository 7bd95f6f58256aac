"""How many steps a second a training does, and what it waits for: on the CPU or on a GPU.

    python benchmarks/engine.py [DATA] --batch 8 --size 128 --steps 12 [--json FILE]       # a CPU
    python benchmarks/engine.py DATA --device cuda --batch 64 --size 256 --steps 60        # a GPU

DATA are a folder of videos or a pack; without it, a dozen synthetic videos are used. Known geometry
and mined pairs (Q, T, C, var(T), epsilon 0.02), from the weights in the package, each with views
rendered one at a time and batched. Wall clock of a real training, its first third left out:
steps a second; seconds of the processor for one, without those of the workers that make clips,
which also holds where the machine has other work; the share of the time in which it waited for
clips; the share of mining, from further steps with the device waited for before and after it.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import arguments, machine, show, write_json

import pixelkin.objectives.mined_contrast as mined_contrast_module
from pixelkin.models.encoder import load_encoder
from pixelkin.processes import join_processes
from pixelkin.training.config import ObjectiveShare, Recipe, Run, Stage
from pixelkin.training.feed import Feed
from pixelkin.training.plan import Plan
from pixelkin.training.resources import available_cores, fast_convolutions, kept_memory
from pixelkin.training.trainer import Trainer
from training import make_videos

MINING = {
    "transport": {"epsilon": 0.02, "max_iterations": 60},
    "negatives": {"cross_video": 4096},
}
OBJECTIVES = {
    "known geometry": ObjectiveShare("known_geometry", settings={"cross_video": 4096}),
    "mined": ObjectiveShare("mined_contrast", settings={"mining": MINING}),
}


def recipe(options: argparse.Namespace, objective: str, rendering: Any, store: Path) -> Recipe:
    run = Run(
        device=options.device, workers=options.workers, store=str(store), frames=options.frames
    )
    plain = Recipe(10**6, (Stage((OBJECTIVES[objective],)),), batch=options.batch)
    return replace(
        plain,
        size=options.size,
        init="default",
        precision=options.precision,
        network=load_encoder("default").config,
        data=replace(plain.data, short_side=options.short_side, rendering=rendering),
        run=run,
    )


def waiting(device: torch.device) -> Callable[[], None]:
    """Waits until the device has done what it was told."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def mined_seconds(step: Callable[[], object], device: torch.device, steps: int) -> float:
    """Seconds of mining in a step, the device waited for before and after it."""
    wait, spent = waiting(device), 0.0
    names = ("mine", "mine_negatives")
    before = {name: getattr(mined_contrast_module, name) for name in names}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent
            wait()
            began = time.perf_counter()
            result = function(*args, **kwargs)
            wait()
            spent += time.perf_counter() - began
            return result

        return run

    try:
        for name, function in before.items():
            setattr(mined_contrast_module, name, timed(function))
        for _ in range(steps):
            step()
    finally:
        for name, function in before.items():
            setattr(mined_contrast_module, name, function)
    return spent / steps


def measured(kind: Recipe, data: Path, steps: int) -> dict[str, Any]:
    """Figures of one training."""
    with join_processes(kind.run.device) as processes, kept_memory(), fast_convolutions():
        feed, trainer = Feed(kind, [data], processes), Trainer(kind, processes)
        plan, wait = Plan(kind, trainer.specs), waiting(processes.device)
        with closing(feed.batches(plan, 0)) as batches:

            def step() -> float:
                return trainer.train_step(plan, batches)["wait_seconds"]

            for _ in range(max(2, steps // 3)):
                step()
            wait()
            began, used = time.perf_counter(), time.process_time()
            waited = sum(step() for _ in range(steps))
            wait()
            seconds, used = time.perf_counter() - began, time.process_time() - used
            mining = mined_seconds(step, processes.device, max(2, steps // 3))
        peak = None
        if processes.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**30
            torch.cuda.reset_peak_memory_stats()
    return {
        "precision": trainer.precision,
        "steps a second": steps / seconds,
        "processor seconds a step": used / steps,
        "views a second": 2 * kind.batch * steps / seconds,
        "waiting (share)": waited / seconds,
        "mining (share)": mining * steps / seconds,
        "GiB of the device": peak,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--frames", choices=("auto", "store", "memory", "device"), default="auto")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--short-side", type=int, default=240)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--workers", type=int, default=min(8, max(1, available_cores() - 1)))
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument(
        "--rendering", nargs="+", choices=("single", "batched"), default=["single", "batched"]
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or make_videos(folder)
        for objective, rendering in itertools.product(options.objectives, options.rendering):
            kind = recipe(options, objective, rendering, folder / "store")
            found[f"{objective}, {rendering}"] = measured(kind, data, options.steps)
    rows = [[part, *(f[part] for f in found.values())] for part in next(iter(found.values()))]
    card = torch.cuda.get_device_name() if options.device == "cuda" else machine()["cpu"]
    title = f"{options.batch} pairs of {options.size} pixels on {card}"
    show(title, ["", *found], rows)
    write_json(options.json, {"options": {k: str(v) for k, v in vars(options).items()}} | found)


if __name__ == "__main__":
    main()
