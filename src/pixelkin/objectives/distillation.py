"""What several trained networks say together, taught to one.

Our extension, not the paper's: networks that were trained apart agree where a similarity means
something, and their errors differ. A network that learns their common similarities, also between
frames of a video some time apart, has the score of all of them at the cost of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.objectives.contrast import stride_of, unit_cells


@dataclass
class Distillation:
    """Kullback-Leibler divergence of the network's affinities from the teachers'.

    For a cell of the first view, both give a soft-max of its similarities to all cells of all
    clips' second views. The teachers' similarity is the mean of their cosines.

    Attributes:
        teachers: Encoders by name or folder, see `load_encoder`; they are not changed.
        gaps: Distances in frames between the two views, one of which is drawn for each clip; 0 is
            one frame seen twice.
        temperature: tau of both soft-maxes.
        anchors: Cells of first views that are compared, drawn anew for each step.

    Source:
        Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network* (2015), of
        similarities in place of classes: our decision.
    """

    teachers: tuple[str, ...] = ("default",)
    gaps: tuple[int, ...] = (0, 3, 6, 9, 12)
    temperature: float = 0.05
    anchors: int = 1024
    _encoders: list[Encoder] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.teachers:
            raise ValueError("teachers: give at least one encoder")
        if min(self.gaps, default=-1) < 0:
            raise ValueError(f"{self.gaps = }: give distances of at least 0")
        if self.temperature <= 0 or self.anchors < 1:
            raise ValueError(f"{self.temperature = } and {self.anchors = } must be positive")

    @property
    def clip(self) -> ClipSpec:
        """Two views of one frame or two."""
        return ClipSpec(views=2, gaps=self.gaps)

    def load(self, stride: int, device: torch.device) -> None:
        """Load the teachers, once.

        Args:
            stride: Pixels per cell of the network that learns.
            device: Where its views are.

        Raises:
            InputError: If there is no such encoder.
        """
        if not self._encoders:
            found = [load_encoder(teacher).for_inference(stride) for teacher in self.teachers]
            self._encoders += [encoder.to(device).requires_grad_(False) for encoder in found]

    def __call__(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss and what explains it.

        Args:
            features: B x 2 x C x h x w; the teachers are run and cells are compared in its
                precision.
            batch: The clips they were made of.
            progress: Of the training, in [0, 1]; without effect here.
            generator: Of the draw of anchors.

        Returns:
            (loss, figures): "loss"; "agreement", the share of anchors whose most similar cell is
            the teachers' as well.
        """
        del progress
        self.load(stride_of(batch.views, features.shape[4]), features.device)
        with torch.autocast(features.device.type, enabled=False):
            cells = unit_cells(features)
            taught = self._taught(batch.views, features.dtype)
            count = cells[:, 0, :, 0].numel()
            drawn = torch.randperm(count, generator=generator, device=features.device)
            drawn = drawn[: self.anchors]
            own = self._logits(cells, drawn, features.dtype).log_softmax(1)
            goal = self._logits(taught, drawn, features.dtype).log_softmax(1)
            loss = F.kl_div(own, goal, reduction="batchmean", log_target=True)
        agreement = (own.detach().argmax(1) == goal.argmax(1)).float().mean()
        return loss, {"loss": float(loss.detach()), "agreement": float(agreement)}

    @torch.no_grad()
    def _taught(self, views: Tensor, dtype: torch.dtype) -> Tensor:
        """The teachers' features side by side, B x 2 x N x C unit vectors."""
        mixed = torch.autocast(views.device.type, dtype, enabled=dtype != torch.float32)
        with mixed:
            found = [encoder(views.flatten(0, 1)) for encoder in self._encoders]
        joined = torch.cat([unit_cells(f) for f in found], dim=2) * len(found) ** -0.5
        taught: Tensor = joined.view(*views.shape[:2], *joined.shape[1:])
        return taught

    def _logits(self, cells: Tensor, drawn: Tensor, dtype: torch.dtype) -> Tensor:
        """Of the drawn cells of all first views to all cells of all second views, float32."""
        first, second = (x.flatten(0, 1).to(dtype) for x in cells.unbind(1))
        return (first[drawn] @ second.mT).float() / self.temperature
