"""The training step, and everything that it changes.

Knows nothing about files, clocks or people.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from pixelkin.checks import check_number
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.models.config import EncoderConfig, check_trainable
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.objectives.base import Figures, Objective, State, figure, numbers
from pixelkin.processes import Processes
from pixelkin.training.config import Recipe
from pixelkin.training.plan import MicroBatch, Plan
from pixelkin.training.resources import trains_in_bfloat16
from pixelkin.training.weights import keep_batch_norm, parameter_groups, update_average
from pixelkin.types import InputError

log = logging.getLogger(__name__)


class Trainer:
    """Weights, their average, the optimiser, the objectives and the number of steps done.

    Args:
        recipe: The recipe.
        processes: This process among those of the training.
    """

    def __init__(self, recipe: Recipe, processes: Processes) -> None:
        self.recipe = recipe
        self.processes = processes
        self.step = 0
        self.precision = recipe.precision
        if recipe.precision == "auto":
            self.precision = "bfloat16" if trains_in_bfloat16(processes.device) else "float32"
        self.average = _on_device(initial_encoder(recipe), processes.device).requires_grad_(False)
        self.encoder = _on_device(initial_encoder(recipe), processes.device).train()
        if recipe.batch_norm == "kept":
            keep_batch_norm(self.encoder)
        # Objectives normalise features themselves, and take them in the network's precision.
        self.encoder.config = replace(recipe.network, temperature=None)
        self.network = processes.wrap(self.encoder)
        ready = recipe.network.stride, processes.device
        self.objectives: list[list[Objective]] = [
            [o.objective.prepare(*ready) for o in stage.objectives] for stage in recipe.stages
        ]
        optimiser = recipe.optimiser
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.encoder, optimiser.weight_decay),
            lr=optimiser.learning_rate,
            betas=optimiser.betas,
            fused=True,
        )

    @property
    def specs(self) -> list[list[ClipSpec]]:
        """The clips that each objective of each stage wants."""
        return [[o.clip for o in stage] for stage in self.objectives]

    def train_step(self, plan: Plan, batches: Iterator[ClipBatch]) -> dict[str, float]:
        """Do one step.

        Args:
            plan: The course of the training.
            batches: Gives the batch of each micro-batch, in order.

        Returns:
            The figures of the step, means over all processes.

        Raises:
            InputError: If loss or gradient are not finite.
        """
        rate = plan.learning_rate(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        micro_batches = plan.micro_batches(self.step)
        told: Figures = {"loss": 0.0}
        waited = 0.0
        for part in micro_batches:
            clock = time.perf_counter()
            batch = next(batches).to(self.processes.device, non_blocking=True)
            waited += time.perf_counter() - clock
            with self._averaged_gradients(last=part is micro_batches[-1]):
                loss, figures = self._loss(batch, part, plan.progress(self.step))
                (loss * part.weight).backward()  # type: ignore[no-untyped-call]
            told["loss"] = told["loss"] + figure(loss) * part.weight
            for name, value in figures.items():
                key = f"{self._title(part)}/{name}"
                told[key] = told.get(key, 0.0) + value / self.recipe.accumulate
        limit = self.recipe.optimiser.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), limit or math.inf)
        told["gradient_norm"] = norm
        # The one look at the device that a step needs: nothing before it has waited for numbers.
        result = self.processes.mean(
            {**numbers(told), "wait_seconds": waited, "learning_rate": rate}
        )
        self._check_finite(result)
        self.optimiser.step()
        update_average(self.average, self.encoder, self.recipe.ema, self.step)
        self._share_objectives(micro_batches)
        self.step += 1
        return result

    def _loss(self, batch: ClipBatch, part: MicroBatch, progress: float) -> tuple[Tensor, Figures]:
        """Loss and figures of a micro-batch, by the objective that asked for its clips."""
        objective = self.objectives[part.stage][part.objective]
        generator = self._generator(part)
        images = objective.images(batch.views, generator)
        with self.autocast():
            features: Tensor = self.network(images.flatten(0, 1))
        features = features.view(*images.shape[:2], *features.shape[1:])
        loss, figures = objective.loss(features, batch, progress, generator)
        if not loss.requires_grad:  # nothing to learn from: other processes still wait for us
            loss = loss + 0.0 * features.sum()
        return loss, figures

    def _generator(self, part: MicroBatch) -> torch.Generator:
        """Random numbers of a micro-batch: a function of the seed, the step and its place."""
        entropy = (self.recipe.seed, 4, self.step, part.positions.start)
        seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]) >> 1
        return torch.Generator(self.processes.device).manual_seed(seed)

    def autocast(self) -> torch.autocast:
        """The precision in which the network is computed, as a context."""
        device, mixed = self.processes.device, self.precision == "bfloat16"
        return torch.autocast(device.type, torch.bfloat16, enabled=mixed)

    def copy(self, *, average: bool) -> Encoder:
        """A copy of the encoder, with averaged or current weights, for use outside the training."""
        encoder = Encoder(self.recipe.network).to(self.processes.device)
        encoder.load_state_dict((self.average if average else self.encoder).state_dict())
        return encoder.eval()

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs to go on as if nothing had happened.

        Neither schedule nor generators have a state: both are functions of the step.
        """
        return {
            "step": self.step,
            "encoder": self.encoder.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "objectives": [[o.state_dict() for o in stage] for stage in self.objectives],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict` of the same recipe.

        Raises:
            InputError: If its step is none of the recipe's, or its weights are not finite.
        """
        check_number("step", state["step"], least=0, most=self.recipe.steps)
        self.step = state["step"]
        self.encoder.load_state_dict(state["encoder"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        for objectives, saved in zip(self.objectives, state["objectives"], strict=True):
            for objective, own in zip(objectives, saved, strict=True):
                objective.load_state_dict(own)
        self.check_weights()

    def check_weights(self) -> None:
        """Raise InputError if a weight, as it is or averaged, is not finite."""
        for encoder in (self.encoder, self.average):
            for name, value in encoder.state_dict().items():
                if not torch.isfinite(value).all():
                    raise InputError(
                        f"step {self.step}: {name} is not finite; the learning rate may be too high"
                    )

    def _averaged_gradients(self, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients are averaged over the processes once a step, with its last part."""
        if isinstance(self.network, DistributedDataParallel) and not last:
            return self.network.no_sync()
        return contextlib.nullcontext()

    def _title(self, part: MicroBatch) -> str:
        names = [o.name for o in self.recipe.stages[part.stage].objectives]
        name = names[part.objective]
        return name if names.count(name) == 1 else f"{name}{part.objective}"

    def _check_finite(self, figures: dict[str, float]) -> None:
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(figures[name]):
                raise InputError(
                    f"{name} became {figures[name]} in step {self.step}: lower "
                    "optimiser.learning_rate, lengthen optimiser.warmup, or set precision: float32"
                )

    def _share_objectives(self, micro_batches: list[MicroBatch]) -> None:
        """Numbers that objectives keep become their means over the processes."""
        if self.processes.count == 1:
            return
        for part in {p.objective: p for p in micro_batches}.values():
            objective = self.objectives[part.stage][part.objective]
            objective.load_state_dict(_mean(self.processes.gather(objective.state_dict())))


def initial_encoder(recipe: Recipe) -> Encoder:
    """The encoder that training starts from.

    Raises:
        InputError: If the weights of `recipe.init` do not fit the recipe's network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        encoder = Encoder(recipe.network)
    if recipe.init is not None:
        start = load_encoder(recipe.init)
        check_trainable(start.config, f"init: {recipe.init}")
        try:
            encoder.load_state_dict(start.state_dict())
        except RuntimeError as error:
            raise InputError(
                f"init: {recipe.init} does not fit network: {_misfit(start.config, recipe, error)}"
            ) from error
        for key, was, now in _differences(start.config, recipe):
            log.warning("init: %s has %s %s, network.%s is %s", recipe.init, key, was, key, now)
    return encoder


def _differences(start: EncoderConfig, recipe: Recipe) -> list[tuple[str, object, object]]:
    """What an encoder is besides its weights, and where a recipe has it otherwise."""
    keys = ("padding", "last_relu", "mean", "std", "temperature")
    pairs = [(k, getattr(start, k), getattr(recipe.network, k)) for k in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _misfit(start: EncoderConfig, recipe: Recipe, error: RuntimeError) -> str:
    network = recipe.network
    if start.network != network.network:
        return f"it is of {start.network}, not {network.network}"
    for key, verb in (("widths", "are"), ("head", "is")):
        was, now = getattr(start, key), getattr(network, key)
        if was != now:
            return f"{key} {verb} {was}, not {now}: set network.{key}"
    return " ".join(str(error).split())


def _on_device(encoder: Encoder, device: torch.device) -> Encoder:
    """In the memory layout in which convolutions are fastest."""
    encoder.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return encoder


def _mean(states: Sequence[State]) -> State:
    """Means of the numbers in equally built states."""
    found: State = {}
    for key in states[0]:
        numbers = [x for s in states if (x := s[key]) is not None]
        found[key] = sum(numbers) / len(numbers) if numbers else None
    return found
