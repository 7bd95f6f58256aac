"""Contrastive random walk: a walk through time and back should end where it began.

Jabri, Owens and Efros, *Space-Time Correspondence as a Contrastive Random Walk* (NeurIPS 2020): a
baseline beside the paper. No correspondence is chosen; the supervision is the cycle itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.objectives.contrast import unit_cells


@dataclass(frozen=True)
class RandomWalk:
    """Cross-entropy of palindrome walks 0 -> 1 -> ... -> k -> ... -> 1 -> 0 with the identity.

    Attributes:
        frames: Number of views V of a clip, at least 2.
        gaps: Distances between consecutive views, one of which is drawn for each clip.
        temperature: tau of the transition probabilities (the published code's default).
        edge_dropout: Share of edges of the graph that are cut, drawn anew for every transition.
        sub_cycles: Whether all walks k = 1 .. V - 1 count, or the longest alone.
        pool: Side in cells of the blocks that are averaged into one node: a step costs the cube of
            the number of nodes.
    """

    frames: int = 4
    gaps: tuple[int, ...] = (2, 4, 8)
    temperature: float = 0.07
    edge_dropout: float = 0.1
    sub_cycles: bool = True
    pool: int = 1

    def __post_init__(self) -> None:
        if self.frames < 2 or min(self.gaps, default=0) < 1:
            raise ValueError(f"{self.frames = } must be at least 2 and {self.gaps = } positive")
        if self.temperature <= 0 or not 0 <= self.edge_dropout < 1 or self.pool < 1:
            raise ValueError(
                f"{self.temperature = } must be positive, {self.edge_dropout = } in [0, 1) "
                f"and {self.pool = } at least 1"
            )

    @property
    def clip(self) -> ClipSpec:
        """V views of V frames at equal distances."""
        return ClipSpec(views=self.frames, gaps=self.gaps)

    def __call__(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss and what explains it.

        Args:
            features: B x V x C x h x w.
            batch: The clips they were made of; without effect here.
            progress: Of the training, in [0, 1]; without effect here.
            generator: Of the edges that are cut.

        Returns:
            (loss, figures): "loss"; "accuracy", the share of nodes of frame 0 where the longest
            walk ends most probably; "returned", the mean probability that it does.
        """
        del batch, progress
        views = [unit_cells(F.avg_pool2d(f.float(), self.pool)) for f in features.unbind(1)]
        forwards, backwards = [], []
        with torch.autocast(features.device.type, enabled=False):
            for a, b in itertools.pairwise(views):
                logits = a @ b.mT / self.temperature
                forwards.append(transition(logits, self.edge_dropout, generator))
                backwards.append(transition(logits.mT, self.edge_dropout, generator))
            walks = palindromes(forwards, backwards)
        if not self.sub_cycles:
            walks = walks[-1:]
        returned = torch.stack([w.diagonal(dim1=1, dim2=2) for w in walks])
        loss = -(returned + 1e-20).log().mean()
        nodes = torch.arange(walks[-1].shape[1], device=features.device)
        accuracy = (walks[-1].detach().argmax(2) == nodes).float().mean()
        return loss, {
            "loss": float(loss.detach()),
            "accuracy": float(accuracy),
            "returned": float(returned[-1].detach().mean()),
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
