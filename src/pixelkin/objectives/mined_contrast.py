"""The paper's objective: positives and negatives mined from two frames of one video.

Confident correspondences become positives, pixels of adequate hardness negatives, and InfoNCE over
them is minimised. Mining carries no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.mining.confidence import WindowSchedule
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Hardness, negatives_in_band, neighbourhood
from pixelkin.mining.positives import Level, Mined, mine_positives
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
class MinedContrast:
    """Contrast of mined positives with negatives of adequate hardness.

    Attributes:
        gaps: Distances in frames between the two views, one of which is drawn for each clip.
        positives: What makes a positive: "argmax", every anchor's most similar cell; "q", that of
            greatest Q; "qt", T; "qtc", C: T inside the window of temporal coherence (the paper).
        threshold: Least confidence of a positive (not for "argmax", which keeps all).
        hard_q: Whether Q keeps mutual nearest neighbours alone instead of its soft form.
        epsilon: Entropic regularisation of T.
        max_iterations: Most iterations of Sinkhorn's algorithm.
        tolerance: Share of the mass of T that may miss its column.
        dustbin: Cost in [0, 1] at which a pixel may stay unmatched, or null for no dust-bin.
        window: How far pixels may move in a given time.
        hardness: "rank" or "cosine", see `negatives_in_band`.
        m1: Least hardness of a negative.
        curriculum: What moves m2, the greatest.
        floor: Least number of negatives of an anchor.
        exclude: Cells at most so many rows and columns from the positive are no negatives.
        cross_video: Cells of other videos, drawn anew for each step, that are negatives of all
            anchors. The band is not for them: it keeps an anchor from pushing away what may belong
            to it, which they cannot.
        temperature: tau.
        max_pairs: At most so many positives, drawn at random: bounds the cost of the loss.
        offset: Pixel of a view on which its first cell is centred, see `cell_centres`.

    Source:
        Supplement and abstract, as `pixelkin.mining` says for each part. Threshold after a
        published review (a third party's re-implementation has 0.9 to 0.95); tau 0.07; cross-video
        negatives, neighbourhood and max_pairs: our decisions.
    """

    gaps: tuple[int, ...] = (8, 16, 24, 32)
    positives: Level = "qtc"
    threshold: float = 0.5
    hard_q: bool = False
    epsilon: float = 0.05
    max_iterations: int = 30
    tolerance: float = 1e-2
    dustbin: float | None = None
    window: WindowSchedule = field(default_factory=WindowSchedule)
    hardness: Hardness = "rank"
    m1: float = 0.0
    curriculum: Curriculum = field(default_factory=Curriculum)
    floor: int = 32
    exclude: int = 1
    cross_video: int = 0
    temperature: float = 0.07
    max_pairs: int = 4096
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.positives not in ("argmax", "q", "qt", "qtc"):
            raise ValueError(f"{self.positives = }: must be argmax, q, qt or qtc")
        if self.hardness not in ("rank", "cosine"):
            raise ValueError(f"{self.hardness = }: must be rank or cosine")
        if min(self.gaps, default=0) < 1:
            raise ValueError(f"{self.gaps = }: give positive distances")
        if not 0 <= self.m1 <= self.curriculum.least:
            raise ValueError(f"{self.m1 = } must lie in [0, {self.curriculum.least}], below all m2")
        if not 0 < self.threshold <= 1 or self.temperature <= 0 or self.epsilon <= 0:
            raise ValueError(
                f"{self.threshold = } must lie in (0, 1], "
                f"{self.temperature = } and {self.epsilon = } be positive"
            )
        if self.max_pairs < 1 or self.max_iterations < 1:
            raise ValueError(f"{self.max_pairs = } and {self.max_iterations = }: at least 1")
        if min(self.tolerance, self.floor, self.exclude, self.cross_video) < 0:
            raise ValueError(
                f"{self.tolerance = }, {self.floor = }, {self.exclude = } and "
                f"{self.cross_video = } must not be negative"
            )

    @property
    def clip(self) -> ClipSpec:
        """Two views of two frames."""
        return ClipSpec(views=2, gaps=self.gaps)

    def state_dict(self) -> dict[str, Any]:
        """The state of the curriculum."""
        return self.curriculum.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.curriculum.load_state_dict(state)

    def __call__(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss and what explains it.

        Args:
            features: B x 2 x C x h x w; other videos' cells are compared in its precision.
            batch: The clips they were made of.
            progress: Of the training, in [0, 1]; read by the curriculum "clock".
            generator: Of the draws of positives and of other videos' cells.

        Returns:
            (loss, figures): "loss"; "positives", the share of cells with a positive; "confidence",
            its mean; "m2"; "variance", v of this step (0 where the curriculum reads none);
            "negatives", the mean share of the frame's candidates kept; "on_floor", the share of
            anchors that only have the floor or less; "residual" of Sinkhorn (0 without T);
            "positive_similarity" and "negative_similarity", mean cosines in the frame.
        """
        with torch.autocast(features.device.type, enabled=False):
            first, second = unit_cells(features).unbind(1)
            grid = (int(features.shape[3]), int(features.shape[4]))
            mined = self._mine(first.detach(), second.detach(), batch, grid)
            v = float(mined.variance.mean())
            if self.curriculum.follows_variance:
                self.curriculum.update(v)
            m2 = self.curriculum.upper(progress, first.shape[1])
            pairs = Pairs(*mined.positives[:3]).sample(self.max_pairs, generator)
            cells = first, second, batch.videos
            loss, figures = self._contrast(*cells, pairs, grid, m2, features.dtype, generator)
        confidence = mined.positives.values
        return loss, {
            "loss": float(loss.detach()),
            "positives": len(confidence) / first[..., 0].numel(),
            "confidence": float(confidence.sum()) / max(1, len(confidence)),
            "m2": m2,
            "variance": v,
            "residual": float(mined.residual.mean()),
        } | figures

    def _mine(
        self, first: Tensor, second: Tensor, batch: ClipBatch, grid: tuple[int, int]
    ) -> Mined:
        stride = stride_of(batch.views, grid[1])
        centres = cell_centres(*grid, stride, self.offset, first.device)
        return mine_positives(
            first,
            second,
            (transform(centres, batch.to_frame[:, 0]), transform(centres, batch.to_frame[:, 1])),
            self.window.radius(batch.times[:, 1] - batch.times[:, 0], batch.frame_size),
            level=self.positives,
            threshold=self.threshold,
            signal=self.curriculum.signal,
            hard_q=self.hard_q,
            epsilon=self.epsilon,
            max_iterations=self.max_iterations,
            tolerance=self.tolerance,
            dustbin=self.dustbin,
        )

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
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss of the positives `pairs`, and the figures of their negatives."""
        if not len(pairs.clips):
            names = ("negatives", "on_floor", "positive_similarity", "negative_similarity")
            return first.sum() * 0, dict.fromkeys(names, 0.0)
        similarity = similarity_of_pairs(first, second, pairs)
        known = similarity.detach()
        candidates = ~neighbourhood(pairs.targets, *grid, self.exclude)
        negatives = negatives_in_band(
            known, candidates, self.m1, m2, hardness=self.hardness, floor=self.floor
        )
        others = None
        if self.cross_video:
            shown = videos[:, None].expand(second.shape[:2])
            cells, owners = draw_cells(second, shown, self.cross_video, generator)
            anchors, kept = first[pairs.clips, pairs.sources], owners != videos[pairs.clips, None]
            others = log_sum_exp(anchors, cells, kept, self.temperature, dtype)
        losses = info_nce(similarity, pairs.targets, negatives, self.temperature, others)
        count = negatives.sum(1)
        return losses.mean(), {
            "negatives": float(count.sum() / candidates.sum().clamp_min(1)),
            "on_floor": float((count <= self.floor).float().mean()),
            "positive_similarity": float(known.gather(1, pairs.targets[:, None]).mean()),
            "negative_similarity": float((known * negatives).sum() / count.sum().clamp_min(1)),
        }
