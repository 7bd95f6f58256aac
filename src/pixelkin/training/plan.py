"""Which clips, which objective and which learning rate at every step: pure functions of the step.

Nothing here has a state, so a resumed training needs only the number of its next step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from pixelkin.data.batch import ClipSpec
from pixelkin.data.clips import ClipKey
from pixelkin.training.config import Recipe
from pixelkin.training.optimiser import Optimiser


@dataclass(frozen=True)
class MicroBatch:
    """The clips of one forward and backward pass of one process.

    Attributes:
        stage: Index of the stage.
        objective: Index of the objective in its stage.
        spec: The clips that the objective wants.
        positions: Places of its clips in the step's batch.
        weight: Of its loss in the process's loss of the step.
    """

    stage: int
    objective: int
    spec: ClipSpec
    positions: range
    weight: float


class Plan:
    """The course of a training, as one of its processes sees it.

    The batch is cut into processes x accumulate chunks (times objectives). Chunk a * processes +
    rank is micro-batch a of a process, so that two processes see in one what one process sees in
    two.

    Args:
        recipe: The recipe.
        specs: The clips that each objective of each stage wants.
        rank: Number of this process.
        processes: How many there are.
    """

    def __init__(
        self, recipe: Recipe, specs: list[list[ClipSpec]], *, rank: int = 0, processes: int = 1
    ) -> None:
        self.recipe = recipe
        self.specs = specs
        self.rank = rank
        self.processes = processes
        ends = [round(s * recipe.steps) for s in accumulate(s.share for s in recipe.stages)]
        self.bounds = [0, *ends[:-1], recipe.steps]

    def stage(self, step: int) -> int:
        """Index of the stage that a step belongs to."""
        return max(i for i, start in enumerate(self.bounds[:-1]) if start <= step)

    def progress(self, step: int) -> float:
        """Share of the step's stage that lies behind it, in [0, 1)."""
        i = self.stage(step)
        return (step - self.bounds[i]) / (self.bounds[i + 1] - self.bounds[i])

    def learning_rate(self, step: int) -> float:
        """The scheduled rate times the stage's factor."""
        rate = self.recipe.stages[self.stage(step)].rate
        return rate * scheduled_rate(self.recipe.optimiser, step, self.recipe.steps)

    def micro_batches(self, step: int) -> list[MicroBatch]:
        """What this process does in a step, in order."""
        recipe, stage = self.recipe, self.stage(step)
        parts = []
        first = 0
        for k, objective in enumerate(recipe.stages[stage].objectives):
            clips = round(objective.share * recipe.batch)
            size = clips // (self.processes * recipe.accumulate)
            for a in range(recipe.accumulate):
                start = first + (a * self.processes + self.rank) * size
                parts.append(
                    MicroBatch(
                        stage,
                        k,
                        self.specs[stage][k],
                        range(start, start + size),
                        objective.share / recipe.accumulate,
                    )
                )
            first += clips
        return parts

    def frames(self, step: int) -> int:
        """Number of views that all processes together see in a step."""
        counts = (len(p.positions) * p.spec.views for p in self.micro_batches(step))
        return sum(counts) * self.processes

    def keys(self, start: int) -> Iterator[list[ClipKey]]:
        """The clips of every micro-batch from step `start` to the end."""
        batch = self.recipe.batch
        for step in range(start, self.recipe.steps):
            for p in self.micro_batches(step):
                stage = self.recipe.stages[p.stage]
                how = stage.objectives[p.objective].augmentation or stage.augmentation
                yield [ClipKey(p.spec, step, i, step * batch + i, how) for i in p.positions]


def scheduled_rate(optimiser: Optimiser, step: int, steps: int) -> float:
    """Learning rate at `step` of `steps`, see `Optimiser.schedule`."""
    peak, warm = optimiser.learning_rate, optimiser.warmup * steps
    if step < warm:
        share = (step + 1) / (warm + 1)
        if optimiser.schedule == "one_cycle":
            return peak * (1 / 25 + (1 - 1 / 25) * _rise(share))
        return peak * share
    if optimiser.schedule == "constant":
        return peak
    share = (step - warm) / (steps - warm)
    return peak * (1 - (1 - optimiser.final) * _rise(share))


def _rise(share: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * share)) / 2
