"""The section `optimiser` of a recipe: how weights follow their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pixelkin.checks import check_number, check_types


@dataclass(frozen=True)
class Optimiser:
    """AdamW and its learning rate over time. The values are our own [D].

    Attributes:
        learning_rate: The greatest one.
        weight_decay: Of weights with two or more axes; biases and batch-norm have none.
        betas: Decay of Adam's running moments.
        schedule: "one_cycle" rises along a cosine from 1/25 of the rate and falls along a cosine;
            "cosine" rises linearly from 0 and falls along a cosine; "constant" rises linearly and
            stays.
        warmup: Share of the steps for the rise.
        final: Rate at the end, as a share of the greatest.
        clip_norm: Longest allowed gradient (l2, of all weights together), or null.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warmup: float = 0.1
    final: float = 0.001
    clip_norm: float | None = 5.0

    def __post_init__(self) -> None:
        check_types(self)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("weight_decay", self.weight_decay, least=0)
        for beta in self.betas:
            check_number("betas", beta, least=0, below=1)
        check_number("warmup", self.warmup, least=0, below=1)
        check_number("final", self.final, least=0, most=1)
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, above=0)
