"""Contrastive random walk: a walk through time and back should end where it began.

Jabri, Owens and Efros, *Space-Time Correspondence as a Contrastive Random Walk* (NeurIPS 2020): a
baseline beside the paper. No correspondence is chosen; the supervision is the cycle itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelkin.checks import check_gaps, check_number
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.objectives.base import Figures, Objective, figure
from pixelkin.objectives.contrast import unit_cells


@dataclass(frozen=True)
class RandomWalk(Objective):
    """Cross-entropy of palindrome walks 0 -> 1 -> ... -> k -> ... -> 1 -> 0 with the identity.

    All walks k = 1 .. V - 1 count, as their authors train.

    Figures: "accuracy", the share of nodes of frame 0 where the longest walk ends most probably;
    "returned", the mean probability that it does. The edges that are cut are drawn.

    Attributes:
        frames: Number of views V of a clip, at least 2.
        gaps: Distances between consecutive views, one of which is drawn for each clip.
        temperature: tau of the transition probabilities (the published code's default).
        edge_dropout: Share of edges of the graph that are cut, drawn anew for every transition.

    Raises:
        SettingError: If a value is out of its range.
    """

    frames: int = 4
    gaps: tuple[int, ...] = (2, 4, 8)
    temperature: float = 0.07
    edge_dropout: float = 0.1

    def __post_init__(self) -> None:
        check_number("frames", self.frames, least=2)
        check_gaps(self.gaps, least=1)
        check_number("temperature", self.temperature, above=0)
        check_number("edge_dropout", self.edge_dropout, least=0, below=1)

    @property
    def clip(self) -> ClipSpec:
        """V views of V frames at equal distances."""
        return ClipSpec(views=self.frames, gaps=self.gaps)

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        del batch, progress
        views = [unit_cells(f) for f in features.unbind(1)]
        forwards, backwards = [], []
        for a, b in itertools.pairwise(views):
            logits = a @ b.mT / self.temperature
            forwards.append(transition(logits, self.edge_dropout, generator))
            backwards.append(transition(logits.mT, self.edge_dropout, generator))
        walks = palindromes(forwards, backwards)
        returned = torch.stack([w.diagonal(dim1=1, dim2=2) for w in walks])
        loss = -(returned + 1e-20).log().mean()
        nodes = torch.arange(walks[-1].shape[1], device=features.device)
        accuracy = (walks[-1].detach().argmax(2) == nodes).float().mean()
        return loss, {
            "accuracy": figure(accuracy),
            "returned": figure(returned[-1].mean()),
        }


def transition(logits: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
    """Probabilities of the next node, with some edges cut before the soft-max.

    Args:
        logits: B x N x M.
        dropout: Probability that an edge is cut.
        generator: Of the draw.

    Returns:
        B x N x M with rows that sum to 1. A node that loses all its edges keeps them all.
    """
    if dropout:
        drawn = torch.rand(logits.shape, generator=generator, device=logits.device)
        cut = drawn < dropout
        logits = logits.masked_fill(cut & ~cut.all(2, keepdim=True), -torch.inf)
    return logits.softmax(2)


def palindromes(forwards: list[Tensor], backwards: list[Tensor]) -> list[Tensor]:
    """The walks to frame k and back, for k = 1 .. V - 1.

    Args:
        forwards: V - 1 transitions from frame t to t + 1, B x N x N.
        backwards: V - 1 transitions from frame t + 1 to t.

    Returns:
        V - 1 matrices B x N x N: from the nodes of frame 0 to themselves.
    """
    walks = []
    there: Tensor | None = None
    back: Tensor | None = None
    for forward, backward in zip(forwards, backwards, strict=True):
        there = forward if there is None else there @ forward
        back = backward if back is None else backward @ back
        walks.append(there @ back)
    return walks
