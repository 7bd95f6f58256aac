"""What several trained networks say together, taught to one.

Our extension, not the paper's: networks that were trained apart agree where a similarity means
something, and their errors differ. A network that learns their common similarities, also between
frames of a video some time apart, has the score of all of them at the cost of one. Teachers that
see larger views know more than the network can see, and it learns to guess it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.checks import SettingError, check_gaps, check_number, check_types
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.models.resnet import ResNet
from pixelkin.models.whitening import whitening
from pixelkin.objectives.base import Figures, Objective, figure
from pixelkin.objectives.contrast import unit_cells
from pixelkin.types import InputError


@dataclass
class Distillation(Objective):
    """Kullback-Leibler divergence of the network's affinities from the teachers'.

    For a cell of the first view, both give a soft-max of its similarities to all cells of all
    clips' second views. The teachers' similarity is the mean of their cosines. To be
    prepared before it is called, which loads the teachers; they are run in the precision of the
    features.

    Figures: "agreement", the share of anchors whose most similar cell is the teachers' as well.
    Anchors are drawn.

    Attributes:
        teachers: Encoders by name or folder, see `load_encoder`; they are not changed.
        gaps: Distances in frames between the two views, one of which is drawn for each clip; 0 is
            one frame seen twice.
        temperature: tau of both soft-maxes.
        anchors: Cells of first views that are compared, drawn anew for each step.
        scales: How many times as large the views are that each teacher sees, from 1 to 2, by
            bicubic interpolation; several stand side by side as several teachers do. Unit vectors
            are taken from a finer grid at the cells of the network by bilinear interpolation.
        inner: What a teacher sees before it has its features counts, too: shares of the cosines of
            what its stages (layer1, layer2, ...) give, in its similarity; the rest of 1 is that of
            its features. Teachers are ResNets then. Means over cells where a stage is finer,
            whitened over the views of a step, see `models/whitening.py`.
        inner_power: The power by which they are whitened.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [P] Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network* (2015); [D] of
        similarities in place of classes.
    """

    teachers: tuple[str, ...] = ("default",)
    gaps: tuple[int, ...] = (0, 3, 6, 9, 12)
    temperature: float = 0.05
    anchors: int = 1024
    scales: tuple[float, ...] = (1.0,)
    inner: tuple[float, ...] = ()
    inner_power: float = 1.0
    _encoders: list[Encoder] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_types(self)
        if not self.teachers:
            raise SettingError("teachers", "give at least one encoder")
        check_gaps(self.gaps, least=0)
        check_number("temperature", self.temperature, above=0)
        check_number("anchors", self.anchors, least=1)
        if not self.scales:
            raise SettingError("scales", "give at least one")
        for scale in self.scales:
            check_number("scales", scale, least=1, most=2)
        for share in self.inner:
            check_number("inner", share, least=0)
        if sum(self.inner) >= 1:
            raise SettingError("inner", f"shares of {sum(self.inner):g} leave none for features")
        check_number("inner_power", self.inner_power, least=0, most=1)

    @property
    def clip(self) -> ClipSpec:
        """Two views of one frame or two."""
        return ClipSpec(views=2, gaps=self.gaps)

    def prepare(self, stride: int, device: torch.device) -> Distillation:
        """A copy that has its teachers, at the stride of the network that learns."""
        ready = replace(self)
        for teacher in self.teachers:
            encoder = load_encoder(teacher)
            if self.inner:
                _check_stages(encoder, len(self.inner), teacher)
                encoder = encoder.with_stride(stride).eval()
            else:
                encoder = encoder.for_inference(stride)
            ready._encoders.append(encoder.to(device).requires_grad_(False))
        return ready

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        del progress
        cells = unit_cells(features)
        taught = self._taught(batch.views, features)
        count = cells[:, 0, :, 0].numel()
        drawn = torch.randperm(count, generator=generator, device=features.device)
        drawn = drawn[: self.anchors]
        own = self._logits(cells, drawn, features.dtype).log_softmax(1)
        goal = self._logits(taught, drawn, features.dtype).log_softmax(1)
        loss = F.kl_div(own, goal, reduction="batchmean", log_target=True)
        agreement = (own.detach().argmax(1) == goal.argmax(1)).float().mean()
        return loss, {"agreement": figure(agreement)}

    @torch.no_grad()
    def _taught(self, views: Tensor, features: Tensor) -> Tensor:
        """The teachers' features side by side, B x V x N x C unit vectors."""
        seen, dtype = views.flatten(0, 1), features.dtype
        grid = (features.shape[-2], features.shape[-1])
        shares = [*self.inner, 1 - sum(self.inner)]
        found = []
        for scale in self.scales:
            shown = seen
            if scale > 1:
                shown = F.interpolate(seen, scale_factor=scale, mode="bicubic")
            for encoder in self._encoders:
                with torch.autocast(seen.device.type, dtype, enabled=dtype != torch.float32):
                    *inner, last = _stages(encoder, shown, len(self.inner))
                of_one = [self._whitened(x, last) for x in inner] + [last]
                cells = [unit_cells(_on_grid(x, grid)) for x in of_one]
                found += [share**0.5 * x for share, x in zip(shares, cells, strict=True)]
        joined = torch.cat(found, dim=2) * (len(self.scales) * len(self._encoders)) ** -0.5
        taught: Tensor = joined.view(*views.shape[:2], *joined.shape[1:])
        return taught

    def _whitened(self, inner: Tensor, features: Tensor) -> Tensor:
        """A stage's output on the grid of the features, whitened."""
        grid = (features.shape[-2], features.shape[-1])
        units = F.normalize(F.adaptive_avg_pool2d(inner.float(), grid), dim=1)
        flat = units.transpose(0, 1).flatten(1).double()
        matrix = whitening(flat @ flat.T / flat.shape[1], self.inner_power)
        return torch.einsum("dc,bchw->bdhw", matrix.float(), units)

    def _logits(self, cells: Tensor, drawn: Tensor, dtype: torch.dtype) -> Tensor:
        """Of the drawn cells of all first views to all cells of all second views, float32."""
        first, second = (x.flatten(0, 1).to(dtype) for x in cells.unbind(1))
        return (first[drawn] @ second.mT).float() / self.temperature


def _check_stages(encoder: Encoder, count: int, name: str) -> None:
    """Check that a network has so many stages that can be told apart.

    Raises:
        InputError: If not.
    """
    has = encoder.net.stages if isinstance(encoder.net, ResNet) else 0
    if has < count:
        what = f"{has} stages" if has else "no stages: it is no ResNet of ours"
        raise InputError(f"inner gives {count} shares, but the teacher {name} has {what}")


def _stages(encoder: Encoder, images: Tensor, count: int) -> list[Tensor]:
    """What the first stages of an encoder give, then its features: B x C x h x w each."""
    found: list[Tensor] = []
    net = cast(ResNet, encoder.net)
    hooks = [
        net.get_submodule(f"layer{i}").register_forward_hook(lambda *told: found.append(told[2]))
        for i in range(1, count + 1)
    ]
    try:
        features = encoder(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [*found, features]


def _on_grid(found: Tensor, grid: tuple[int, int]) -> Tensor:
    """Unit vectors at the cells of a grid, from those of a finer one."""
    if found.shape[-2:] == grid:
        return found
    return F.interpolate(F.normalize(found.float(), dim=1), grid, mode="bilinear")
