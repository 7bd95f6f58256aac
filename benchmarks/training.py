"""Where a training step goes: clips, network, mining, loss, backward pass, optimiser.

    python benchmarks/training.py [VIDEOS] [--recipe recipes/default.yaml] [--json FILE]

CPU seconds of one step in its stationary state, with the weights in the package, so that mining
sees what it sees in a training. Without VIDEOS, a dozen synthetic ones are used. Three trainings:
the last stage of the recipe, and the same with mined_contrast in place of its objective, as by
default and with the smaller epsilon of the experiments (pixelkin/experiments/scales/cpu.yaml),
which takes Sinkhorn longer. The bare network is its forward and backward pass on the same views and
nothing else; the two take turns.

The loader is shown twice: the CPU seconds that it takes to make a step's clips, which one worker
process spends while another core does the step, and the share of the wall clock that a real run
waited for it. Sinkhorn's and the variances' speed against their references: benchmarks/mining.py.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import arguments, cpu_seconds, show, write_json

import pixelkin.objectives.mined_contrast as mined_contrast_module
import pixelkin.training.trainer as trainer_module
from pixelkin.data.batch import ClipBatch
from pixelkin.data.clips import ClipDataset, collate
from pixelkin.data.drawn import render_each
from pixelkin.data.index import Source, index_videos
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.objectives import Objective
from pixelkin.processes import Processes
from pixelkin.training.config import ObjectiveShare, Recipe, Stage, load_recipe
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.plan import Plan
from pixelkin.training.resources import kept_memory
from pixelkin.training.trainer import Trainer
from pixelkin.video.writer import VideoWriter

WAIT_STEPS = 24


class Stopwatch:
    """CPU seconds spent in functions, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            result = function(*args, **kwargs)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began
            return result

        return run

    @contextmanager
    def timing(self, place: Any, *names: str, title: str) -> Iterator[None]:
        """Time attributes of a module or an object inside the block."""
        before = {name: getattr(place, name) for name in names}
        for name, function in before.items():
            setattr(place, name, self.timed(title, function))
        try:
            yield
        finally:
            for name, function in before.items():
                setattr(place, name, function)


def make_videos(folder: Path, count: int = 12) -> Path:
    for seed in range(count):
        scene = SyntheticScene(seed, frames=40)
        with VideoWriter(folder / f"{seed:02d}.mp4", 15.0, scene.size) as writer:
            for frame in scene:
                writer.write(frame.image)
    return folder


def last_stage(recipe: Recipe, objective: ObjectiveShare | None, **changes: Any) -> Recipe:
    """The recipe's last stage alone, begun from the weights in the package."""
    stage = replace(recipe.stages[-1], share=1.0)
    if objective is not None:
        stage = Stage((objective,), augmentation=stage.augmentation)
    run = replace(recipe.run, device="cpu", workers=1, report=False, validate_scenes=0)
    network = load_encoder("default").config
    return replace(recipe, init="default", network=network, stages=(stage,), run=run, **changes)


def clip_seconds(
    recipe: Recipe, plan: Plan, sources: list[Source], store: Path, runs: int
) -> tuple[list[ClipBatch], dict[str, float]]:
    """Batches of some steps, and what making one costs: decoded first, then from the store."""
    dataset = ClipDataset(
        sources, recipe.data, recipe.augmentation, size=recipe.size, store=store, budget=10**11
    )
    keys = [k for _, k in zip(range(runs), plan.keys(0), strict=False)]
    batches: list[ClipBatch] = []
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    for name in seconds:
        for step in keys:
            began = time.process_time()
            batch = collate([render_each(dataset[key], recipe.size) for key in step])
            seconds[name].append(time.process_time() - began)
            batches.append(batch)
    warm = statistics.median(seconds["warm"])
    # Cold clips decode whole segments, some of which an earlier step has decoded: the worst step.
    return batches[runs:], {"decode (first visit)": max(seconds["cold"]) - warm, "augment": warm}


def step_seconds(recipe: Recipe, batches: list[ClipBatch], runs: int) -> dict[str, float]:
    """CPU seconds of the parts of a step, and of the bare network on the same views."""
    trainer = Trainer(recipe, Processes(torch.device("cpu")))
    plan = Plan(recipe, trainer.specs)
    watch = Stopwatch()
    given = (batches[i % len(batches)] for i in range(10**9))
    trainer.network = watch.timed("forward", trainer.network)  # type: ignore[assignment]
    views = batches[0].views.flatten(0, 1)
    bare = bare_network(trainer, views)
    with (
        kept_memory(),
        watch.timing(mined_contrast_module, "mine", "mine_negatives", title="mining"),
        watch.timing(Objective, "loss", title="objective"),
        watch.timing(trainer_module, "update_average", title="optimiser"),
        watch.timing(trainer.optimiser, "step", title="optimiser"),
        watch.timing(torch.Tensor, "backward", title="backward"),
    ):
        every: list[dict[str, float]] = []
        bares = []
        for _ in range(runs + 1):
            watch.seconds = {}
            whole = cpu_seconds(lambda: trainer.train_step(plan, given), runs=1, warm=0)
            every.append({**watch.seconds, "step": whole})
            bares.append(cpu_seconds(bare, runs=1, warm=0))  # in turns: the machine has its moods
    names = {name for seconds in every for name in seconds}
    found = {n: statistics.median(s.get(n, 0.0) for s in every[1:]) for n in names}
    found["loss"] = found.pop("objective") - found.setdefault("mining", 0.0)
    known = sum(found[n] for n in ("forward", "mining", "loss", "backward", "optimiser"))
    found["rest"] = found["step"] - known
    return found | {"bare network": statistics.median(bares[1:])}


def bare_network(trainer: Trainer, views: torch.Tensor) -> Callable[[], None]:
    """The network's forward and backward pass alone, in the precision of the training."""
    network, on = trainer.encoder.net, trainer.precision == "bfloat16"
    pixels = trainer.encoder.preprocess(views).contiguous(memory_format=torch.channels_last)

    def bare() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            features = network(pixels)
        features.backward(torch.ones_like(features))

    return bare


def waited(recipe: Recipe, videos: Path, folder: Path) -> float:
    """Share of the wall clock that a training waited for clips, its first steps left out."""
    train(replace(recipe, steps=WAIT_STEPS), [videos], folder)
    lines = read_metrics(folder / "metrics.jsonl")[WAIT_STEPS // 3 :]
    waiting, whole = (sum(float(x[k]) for x in lines) for k in ("wait_seconds", "seconds"))
    return waiting / whole


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("videos", type=Path, nargs="?")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/default.yaml"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = load_recipe(options.recipe)
    mining = {"negatives": {"cross_video": 4096}}
    sharp = mining | {"transport": {"epsilon": 0.02, "max_iterations": 60}}

    def mined(mining: dict[str, Any]) -> ObjectiveShare:
        return ObjectiveShare("mined_contrast", settings={"max_pairs": 1024, "mining": mining})

    trainings = {
        "recipe": None,
        "mined, epsilon 0.05": mined(mining),
        "mined, epsilon 0.02": mined(sharp),
    }
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = options.videos or make_videos(folder)
        sources = index_videos([videos], folder / "index.json")
        for title, objective in trainings.items():
            own = last_stage(recipe, objective)
            store = folder / f"{title} store"
            own = replace(own, run=replace(own.run, store=str(store)))
            plan = Plan(own, Trainer(own, Processes(torch.device("cpu"))).specs)
            batches, clips = clip_seconds(own, plan, sources, store, options.runs)
            parts = clips | step_seconds(own, batches, options.runs)
            parts["waiting for clips (share)"] = waited(own, videos, folder / title)
            parts["mining / step"] = parts["mining"] / parts["step"]
            parts["step / bare network"] = parts["step"] / parts["bare network"]
            parts["clips / step"] = parts["augment"] / parts["step"]
            results[title] = parts
    order = (
        "decode (first visit)", "augment", "forward", "mining", "loss", "backward", "optimiser",
        "rest", "step", "bare network", "step / bare network", "mining / step", "clips / step",
        "waiting for clips (share)",
    )  # fmt: skip
    rows = [[part, *(found[part] for found in results.values())] for part in order]
    views = 2 * recipe.batch
    show(
        f"One step of {views} views of {recipe.size} pixels: CPU seconds, and ratios",
        ["part", *results],
        rows,
    )
    write_json(options.json, {"recipe": recipe.name, "steps": results})


if __name__ == "__main__":
    main()
