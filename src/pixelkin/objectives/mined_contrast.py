"""The paper's objective: positives and negatives mined from two frames of one video.

Confident correspondences become positives, pixels of adequate hardness negatives, and InfoNCE over
them is minimised. Mining carries no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pixelkin.checks import check_gaps, check_number, check_types
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.mining.negatives import mine_negatives
from pixelkin.mining.positives import Geometry, mine
from pixelkin.mining.settings import Mining
from pixelkin.objectives.base import Figures, Objective, State, figure
from pixelkin.objectives.contrast import (
    Pairs,
    draw_cells,
    info_nce,
    log_sum_exp,
    similarity_of_pairs,
    stride_of,
    unit_cells,
)
from pixelkin.ops.geometry import cell_centres, transform


@dataclass
class MinedContrast(Objective):
    """Contrast of mined positives with negatives of adequate hardness.

    Figures: "positives", the share of cells with a positive; "confidence", its mean; "m2";
    "variance", v of this step (0 where the curriculum reads none); "negatives", the mean share of
    the frame's candidates kept; "on_floor", the share of anchors that only have the floor or less;
    "residual" of Sinkhorn (0 without T); "positive_similarity" and "negative_similarity", mean
    cosines in the frame. The curriculum "clock" reads the progress; positives and cells of other
    videos are drawn.

    Attributes:
        gaps: Distances in frames between the two views, one of which is drawn for each clip.
        mining: How positives and negatives are found.
        temperature: tau.
        max_pairs: At most so many positives, drawn at random: bounds the cost of the loss.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [A, S] the method; [R] the distances, and tau, for which it has 0.05; [D] max_pairs.
    """

    gaps: tuple[int, ...] = (8, 16, 24, 32)
    mining: Mining = field(default_factory=Mining)
    temperature: float = 0.07
    max_pairs: int = 4096
    _average: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_types(self)
        check_gaps(self.gaps, least=1)
        check_number("temperature", self.temperature, above=0)
        check_number("max_pairs", self.max_pairs, least=1)

    @property
    def clip(self) -> ClipSpec:
        """Two views of two frames."""
        return ClipSpec(views=2, gaps=self.gaps)

    def prepare(self, stride: int, device: torch.device) -> MinedContrast:
        """A copy, whose curriculum begins anew."""
        del stride, device
        return replace(self)

    def state_dict(self) -> State:
        """The moving average that the curriculum follows."""
        return {"average": self._average}

    def load_state_dict(self, state: State) -> None:
        """Continue from a `state_dict`."""
        self._average = state["average"]

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        first, second = unit_cells(features).unbind(1)
        grid = (int(features.shape[3]), int(features.shape[4]))
        mined = mine(first.detach(), second.detach(), geometry(batch, grid), self.mining)
        v, curriculum = mined.variance.mean(), self.mining.curriculum
        if curriculum.follows_variance:  # looks at v: mining has waited for its positives anyway
            self._average = curriculum.average(self._average, float(v))
        m2 = curriculum.upper(self._average, progress, first.shape[1])
        pairs = Pairs(*mined.positives[:3]).sample(self.max_pairs, generator)
        cells = first, second, batch.videos
        loss, figures = self._contrast(*cells, pairs, grid, m2, features.dtype, generator)
        confidence = mined.positives.values
        told: Figures = {
            "positives": len(confidence) / first[..., 0].numel(),
            "confidence": figure(confidence.sum()) / max(1, len(confidence)),
            "m2": m2,
            "variance": figure(v),
            "residual": figure(mined.residual.mean()),
        }
        return loss, told | figures

    def _contrast(
        self,
        first: Tensor,
        second: Tensor,
        videos: Tensor,
        pairs: Pairs,
        grid: tuple[int, int],
        m2: float,
        dtype: torch.dtype,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        """Loss of the positives `pairs`, and the figures of their negatives."""
        if not len(pairs.clips):
            names = ("negatives", "on_floor", "positive_similarity", "negative_similarity")
            return first.sum() * 0, dict.fromkeys(names, 0.0)
        settings = self.mining.negatives
        similarity = similarity_of_pairs(first, second, pairs)
        known = similarity.detach()
        negatives, candidates = mine_negatives(known, pairs.targets, grid, m2, settings)
        others = None
        if settings.cross_video:
            shown = videos[:, None].expand(second.shape[:2])
            cells, owners = draw_cells(second, shown, settings.cross_video, generator)
            anchors, kept = first[pairs.clips, pairs.sources], owners != videos[pairs.clips, None]
            others = log_sum_exp(anchors, cells, kept, self.temperature, dtype)
        losses = info_nce(similarity, pairs.targets, negatives, self.temperature, others)
        count = negatives.sum(1)
        return losses.mean(), {
            "negatives": figure(count.sum() / candidates.sum().clamp_min(1)),
            "on_floor": figure((count <= settings.floor).float().mean()),
            "positive_similarity": figure(known.gather(1, pairs.targets[:, None]).mean()),
            "negative_similarity": figure((known * negatives).sum() / count.sum().clamp_min(1)),
        }


def geometry(batch: ClipBatch, grid: tuple[int, int]) -> Geometry:
    """Where and when the cells of a batch's two views were seen.

    Args:
        batch: The clips.
        grid: (h, w) cells of a view.
    """
    stride = stride_of(batch.views, grid[1])
    centres = cell_centres(*grid, stride, batch.views.device)
    first, second = (transform(centres, batch.to_frame[:, view]) for view in (0, 1))
    return Geometry(first, second, batch.times[:, 1] - batch.times[:, 0], batch.frame_size)
