"""What labels that are carried from frame to frame know, taught to direct matches.

Our extension, not the paper's: between distant frames, a match that is followed through the frames
between them may be right where one that is looked for at once is not. Teachers carry the cells of a
first view through a clip, and the network learns to find them directly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.checks import check_gaps, check_number
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.objectives.base import Figures, figure
from pixelkin.objectives.contrast import unit_cells
from pixelkin.objectives.distillation import Distillation


@dataclass
class ChainedDistillation(Distillation):
    """Kullback-Leibler divergence of the network's direct affinities from carried ones.

    A cell of a later view has a soft-max of its similarities to all cells of its clip's first view.
    What it learns is the teachers' soft-max, times what the teachers carried there: every cell of
    the first view is a class of its own, and labels are propagated from view to view by the rule of
    the contrastive random walk, without a radius, with all earlier views for context.

    Figures: "agreement", the share of anchors whose most similar cell is that of what they learn;
    "direct", the share of anchors for which the teachers' own direct match is. Anchors are drawn.

    Attributes:
        gaps: Distances in frames between consecutive views, one of which is drawn for each clip.
        temperature: tau of the direct soft-maxes.
        anchors: Cells of later views that are compared, drawn anew for each step: the same ones of
            every clip, at least one.
        frames: Views of a clip.
        top_k: Most similar cells, of all earlier views, that a cell takes its labels from.
        carry_temperature: tau of their soft-max.
        floor: Added to carried shares, so that a direct match may win where nothing was carried.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        Carrying as Jabri et al. (NeurIPS 2020) evaluate; the rest is [D].
    """

    gaps: tuple[int, ...] = (1, 2, 4, 6, 8)
    temperature: float = 0.03
    frames: int = 4
    top_k: int = 10
    carry_temperature: float = 0.05
    floor: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gaps(self.gaps, least=1)
        check_number("frames", self.frames, least=2)
        check_number("top_k", self.top_k, least=1)
        check_number("carry_temperature", self.carry_temperature, above=0)
        check_number("floor", self.floor, above=0)

    @property
    def clip(self) -> ClipSpec:
        """Views of frames at equal distances."""
        return ClipSpec(views=self.frames, gaps=self.gaps)

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        del progress
        cells = unit_cells(features).to(features.dtype)
        taught = self._taught(batch.views, features).to(features.dtype)
        count = cells[0, 1:, :, 0].numel()
        drawn = torch.randperm(count, generator=generator, device=features.device)
        drawn = drawn[: max(self.anchors // len(batch), 1)]
        told = (self._carried(taught)[:, drawn] + self.floor).log()
        direct = self._direct(taught, drawn)
        goal = (told + direct).log_softmax(-1).flatten(0, 1)
        own = self._direct(cells, drawn).log_softmax(-1).flatten(0, 1)
        loss = F.kl_div(own, goal, reduction="batchmean", log_target=True)
        best = goal.argmax(1)
        same = {"agreement": own.detach(), "direct": direct.flatten(0, 1)}
        return loss, {k: figure((x.argmax(1) == best).float().mean()) for k, x in same.items()}

    def _direct(self, cells: Tensor, drawn: Tensor) -> Tensor:
        """Logits of the drawn cells of later views to the first view: B x A x N float32."""
        later = cells[:, 1:].flatten(1, 2)[:, drawn]
        return (later @ cells[:, 0].mT).float() / self.temperature

    def _carried(self, taught: Tensor) -> Tensor:
        """Shares of the first view's cells in those of all later views: B x (V - 1)N x N."""
        b, v, n, _ = taught.shape
        labels = torch.eye(n, device=taught.device).expand(b, n, n)
        for t in range(1, v):
            found = (taught[:, t] @ taught[:, :t].flatten(1, 2).mT).float()
            best, where = found.topk(min(self.top_k, t * n), dim=-1)
            weights = (best / self.carry_temperature).softmax(-1)
            spread = torch.zeros_like(found).scatter_(-1, where, weights)
            labels = torch.cat([labels, spread @ labels], dim=1)
        return labels[:, n:]
