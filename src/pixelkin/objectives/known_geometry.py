"""Two random views of one frame, whose correspondences are known from the transforms.

Our extension, not the paper's: it warms features up until mining beats chance, and is the baseline
that any claim for mining must beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.mining.negatives import neighbourhood
from pixelkin.objectives.contrast import (
    Pairs,
    draw_cells,
    info_nce,
    log_sum_exp,
    similarity_of_pairs,
    stride_of,
    unit_cells,
)
from pixelkin.ops.geometry import cell_centres, invert, transform

BOTH = -1  # instead of a video: a cell on the edge between two layers


@dataclass(frozen=True)
class KnownGeometry:
    """InfoNCE of the cells of one view of a frame against those of another.

    A cell of the first view whose centre lies in the second is an anchor; its positive is the cell
    of the second view that its centre falls into, its negatives the other cells of the second view
    and, as an option, cells of other videos. Where pieces of other videos are pasted on (see
    `pixelkin.data.paste`), each layer has its own geometry, hidden cells have no partner, cells of
    the other layer are negatives whatever `exclude` says, and cells that show both take no part.

    Attributes:
        temperature: tau.
        targets: "nearest" takes the nearest cell as the positive; "bilinear" shares it among the
            four around it.
        symmetric: Whether the second view's cells are anchors as well.
        exclude: Cells at most so many rows and columns from the positive are no negatives; 0
            leaves out none.
        cross_video: Cells of other videos, drawn anew for each step, that serve all anchors as
            further negatives.
        max_pairs: At most so many anchors, drawn at random, for each direction.
        offset: Pixel of a view on which its first cell is centred, see `cell_centres`.
    """

    temperature: float = 0.07
    targets: Literal["nearest", "bilinear"] = "nearest"
    symmetric: bool = True
    exclude: int = 0
    cross_video: int = 0
    max_pairs: int = 4096
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.targets not in ("nearest", "bilinear"):
            raise ValueError(f"{self.targets = }: must be nearest or bilinear")
        if self.temperature <= 0 or self.max_pairs < 1 or min(self.exclude, self.cross_video) < 0:
            raise ValueError(
                f"{self.temperature = } and {self.max_pairs = } must be positive, "
                f"{self.exclude = } and {self.cross_video = } not negative"
            )

    @property
    def clip(self) -> ClipSpec:
        """Two views of one frame."""
        return ClipSpec(views=2, gaps=(0,))

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
            progress: Of the training, in [0, 1]; without effect here.
            generator: Of the draws of anchors and of other videos' cells.

        Returns:
            (loss, figures): "loss"; "pairs", the share of cells that have a partner in the other
            view; "accuracy", the share of anchors whose most similar cell is the true one;
            "accuracy_1cell", or at most one row and column from it.
        """
        del progress
        grid = (int(features.shape[3]), int(features.shape[4]))
        owners = owners_of_cells(batch, grid, self.offset).unbind(1)
        results = []
        with torch.autocast(features.device.type, enabled=False):
            cells = unit_cells(features).unbind(1)
            for a, b in ((0, 1), (1, 0)) if self.symmetric else ((0, 1),):
                position = self._positions(batch, owners[a], a, b, grid)
                sides = Side(cells[a], owners[a]), Side(cells[b], owners[b])
                results.append(self._direction(*sides, position, grid, features.dtype, generator))
        loss = torch.stack([loss for loss, _ in results]).mean()
        figures = {k: sum(f[k] for _, f in results) / len(results) for k in results[0][1]}
        return loss, {"loss": float(loss.detach())} | figures

    def _positions(
        self, batch: ClipBatch, owners: Tensor, a: int, b: int, grid: tuple[int, int]
    ) -> Tensor:
        """Where what the cells of view `a` show lies on the grid of view `b`: B x N x 2 cells."""
        stride = stride_of(batch.views, grid[1])

        def of_layer(to_frame: Tensor) -> Tensor:
            return positions(to_frame[:, a], to_frame[:, b], grid, stride, self.offset)

        position = of_layer(batch.to_frame)
        if batch.pasted is None:
            return position
        on_top = owners == batch.pasted.videos[:, None]
        return torch.where(on_top[..., None], of_layer(batch.pasted.to_frame), position)

    def _direction(
        self,
        source: Side,
        target: Side,
        position: Tensor,
        grid: tuple[int, int],
        dtype: torch.dtype,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and figures of anchors in `source` with truth at `position`, B x N x 2 cells."""
        all_pairs = visible(pairs_of_positions(position, grid), source.owners, target.owners)
        pairs = all_pairs.sample(self.max_pairs, generator)
        if not len(pairs.clips):
            return source.cells.sum() * 0, {"pairs": 0.0, "accuracy": 0.0, "accuracy_1cell": 0.0}
        similarity = similarity_of_pairs(source.cells, target.cells, pairs)
        best = similarity.detach().argmax(1)
        near = neighbourhood(pairs.targets, *grid, 1)
        shown = source.owners[pairs.clips, pairs.sources, None]
        negatives = torch.ones_like(near)
        if self.exclude:
            negatives = ~neighbourhood(pairs.targets, *grid, self.exclude)
            negatives |= target.owners[pairs.clips] != shown
        negatives &= target.owners[pairs.clips] != BOTH
        positives = pairs.targets
        if self.targets == "bilinear":
            positives = bilinear_weights(position[pairs.clips, pairs.sources], grid)
        others = None
        if self.cross_video:
            drawn = target.cells, target.owners, self.cross_video, generator
            cells, owners = draw_cells(*drawn)
            anchors = source.cells[pairs.clips, pairs.sources]
            kept = (owners != shown) & (owners != BOTH)
            others = log_sum_exp(anchors, cells, kept, self.temperature, dtype)
        loss = info_nce(similarity, positives, negatives, self.temperature, others).mean()
        return loss, {
            "pairs": len(all_pairs.clips) / position[..., 0].numel(),
            "accuracy": float((best == pairs.targets).float().mean()),
            "accuracy_1cell": float(near.gather(1, best[:, None]).float().mean()),
        }


class Side(NamedTuple):
    """One view of every clip.

    Attributes:
        cells: B x N x C unit vectors.
        owners: B x N int64: the video that each cell shows, or BOTH.
    """

    cells: Tensor
    owners: Tensor


def owners_of_cells(batch: ClipBatch, grid: tuple[int, int], offset: float = 0.0) -> Tensor:
    """The video that each cell shows: B x V x (h * w) int64, BOTH where two layers meet.

    A cell shows the block of stride x stride pixels about its centre; it is a layer's if that
    covers nine tenths of it.

    Args:
        batch: The clips, with or without pasted pieces.
        grid: (h, w) cells of a view.
        offset: Pixel on which the first cell is centred.
    """
    h, w = grid
    own = batch.videos[:, None, None].expand(*batch.views.shape[:2], h * w)
    if batch.pasted is None:
        return own
    stride = stride_of(batch.views, w)
    before = round(stride / 2 - offset)
    cover = F.pad(batch.pasted.cover, (before, stride, before, stride), mode="replicate")
    share = F.avg_pool2d(cover, stride)[..., :h, :w].flatten(2)
    top = batch.pasted.videos[:, None, None].expand_as(own)
    return torch.where(share > 0.5, top, own).masked_fill((share > 0.1) & (share < 0.9), BOTH)


def visible(pairs: Pairs, source: Tensor, target: Tensor) -> Pairs:
    """The pairs whose two cells show the same video.

    Args:
        pairs: Pairs by geometry, each from the layer that its source shows.
        source: B x N owners of the cells of the one view.
        target: B x M, of the other.
    """
    shown = source[pairs.clips, pairs.sources]
    kept = (shown != BOTH) & (shown == target[pairs.clips, pairs.targets])
    return Pairs(*(x[kept] for x in pairs))


def positions(
    source_to_frame: Tensor,
    target_to_frame: Tensor,
    grid: tuple[int, int],
    stride: float,
    offset: float = 0.0,
) -> Tensor:
    """Where the cells of one view lie on the grid of another view of the same frame.

    Args:
        source_to_frame: B x 2 x 3 maps from the one view's pixels to the frame's.
        target_to_frame: B x 2 x 3, of the other view.
        grid: (h, w) of both views.
        stride: Pixels per cell.
        offset: Pixel on which the first cell is centred.

    Returns:
        B x (h * w) x 2 (x, y) in cells: (0, 0) is the centre of the other view's first cell.
    """
    centres = cell_centres(*grid, stride, offset, source_to_frame.device)
    pixels = transform(transform(centres, source_to_frame), invert(target_to_frame))
    return (pixels - offset) / stride


def pairs_of_positions(position: Tensor, grid: tuple[int, int]) -> Pairs:
    """The cells that lie on the other view's grid, with the nearest cell there.

    Args:
        position: B x N x 2 (x, y) in cells of the other view's grid.
        grid: (h, w) of that grid.
    """
    column, row = position.round().unbind(-1)
    h, w = grid
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    clips, sources = inside.nonzero().unbind(1)
    return Pairs(clips, sources, (row * w + column)[clips, sources].long())


def bilinear_weights(position: Tensor, grid: tuple[int, int]) -> Tensor:
    """Shares of the four cells around each position, P x 2 in cells -> P x (h * w).

    Beyond the outermost centres the nearest cells count alone.
    """
    h, w = grid
    x = position[:, :1].clamp(0, w - 1) - torch.arange(w, device=position.device)
    y = position[:, 1:].clamp(0, h - 1) - torch.arange(h, device=position.device)
    wx, wy = (1 - x.abs()).clamp_min(0), (1 - y.abs()).clamp_min(0)
    return (wy[:, :, None] * wx[:, None, :]).flatten(1)
