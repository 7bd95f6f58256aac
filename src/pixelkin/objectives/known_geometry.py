"""Two random views of one frame, whose correspondences are known from the transforms.

Our extension, not the paper's: it warms features up until mining beats chance, and is the baseline
that any claim for mining must beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.checks import check_number, check_types
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.mining.negatives import neighbourhood
from pixelkin.objectives.base import Figures, Objective, figure
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
class KnownGeometry(Objective):
    """InfoNCE of the cells of one view of a frame against those of another.

    A cell of the first view whose centre lies in the second is an anchor; its positive is the cell
    of the second view that its centre falls into, its negatives the other cells of the second view
    and, as an option, cells of other videos. Where pieces of other videos are pasted on (see
    `pixelkin.data.paste`), each layer has its own geometry, hidden cells have no partner, cells of
    the other layer are negatives whatever `exclude` says, and cells that show both take no part.

    Figures: "pairs", the share of cells that have a partner in the other view; "accuracy", the
    share of anchors whose most similar cell is the true one; "accuracy_1cell", or at most one row
    and column from it. Anchors and cells of other videos are drawn.

    Attributes:
        temperature: tau.
        symmetric: Whether the second view's cells are anchors as well.
        exclude: Cells at most so many rows and columns from the positive are no negatives; 0
            leaves out none.
        cross_video: Cells of other videos, drawn anew for each step, that serve all anchors as
            further negatives.
        max_pairs: At most so many anchors, drawn at random, for each direction.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [D] all of it.
    """

    temperature: float = 0.07
    symmetric: bool = True
    exclude: int = 0
    cross_video: int = 0
    max_pairs: int = 4096

    def __post_init__(self) -> None:
        check_types(self)
        check_number("temperature", self.temperature, above=0)
        check_number("max_pairs", self.max_pairs, least=1)
        for name in ("exclude", "cross_video"):
            check_number(name, getattr(self, name), least=0)

    @property
    def clip(self) -> ClipSpec:
        """Two views of one frame."""
        return ClipSpec(views=2, gaps=(0,))

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        del progress
        grid = (int(features.shape[3]), int(features.shape[4]))
        owners = owners_of_cells(batch, grid).unbind(1)
        results = []
        cells = unit_cells(features).unbind(1)
        for a, b in ((0, 1), (1, 0)) if self.symmetric else ((0, 1),):
            position = self._positions(batch, owners[a], a, b, grid)
            sides = Side(cells[a], owners[a]), Side(cells[b], owners[b])
            results.append(self._direction(*sides, position, grid, features.dtype, generator))
        loss = torch.stack([loss for loss, _ in results]).mean()
        figures = {k: sum(f[k] for _, f in results) / len(results) for k in results[0][1]}
        return loss, figures

    def _positions(
        self, batch: ClipBatch, owners: Tensor, a: int, b: int, grid: tuple[int, int]
    ) -> Tensor:
        """Where what the cells of view `a` show lies on the grid of view `b`: B x N x 2 cells."""
        stride = stride_of(batch.views, grid[1])

        def of_layer(to_frame: Tensor) -> Tensor:
            return positions(to_frame[:, a], to_frame[:, b], grid, stride)

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
    ) -> tuple[Tensor, Figures]:
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
        others = None
        if self.cross_video:
            drawn = target.cells, target.owners, self.cross_video, generator
            cells, owners = draw_cells(*drawn)
            anchors = source.cells[pairs.clips, pairs.sources]
            kept = (owners != shown) & (owners != BOTH)
            others = log_sum_exp(anchors, cells, kept, self.temperature, dtype)
        loss = info_nce(similarity, pairs.targets, negatives, self.temperature, others).mean()
        return loss, {
            "pairs": len(all_pairs.clips) / position[..., 0].numel(),
            "accuracy": figure((best == pairs.targets).float().mean()),
            "accuracy_1cell": figure(near.gather(1, best[:, None]).float().mean()),
        }


class Side(NamedTuple):
    """One view of every clip.

    Attributes:
        cells: B x N x C unit vectors.
        owners: B x N int64: the video that each cell shows, or BOTH.
    """

    cells: Tensor
    owners: Tensor


def owners_of_cells(batch: ClipBatch, grid: tuple[int, int]) -> Tensor:
    """The video that each cell shows: B x V x (h * w) int64, BOTH where two layers meet.

    A cell shows the block of stride x stride pixels about its centre; it is a layer's if that
    covers nine tenths of it.

    Args:
        batch: The clips, with or without pasted pieces.
        grid: (h, w) cells of a view.
    """
    h, w = grid
    own = batch.videos[:, None, None].expand(*batch.views.shape[:2], h * w)
    if batch.pasted is None:
        return own
    stride = stride_of(batch.views, w)
    before = round(stride / 2)
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
    index = kept.nonzero()[:, 0]  # once for all, as it waits for the device
    return Pairs(*(x[index] for x in pairs))


def positions(
    source_to_frame: Tensor,
    target_to_frame: Tensor,
    grid: tuple[int, int],
    stride: float,
    first: float = 0.0,
) -> Tensor:
    """Where the cells of one view lie on the grid of another view of the same frame.

    Args:
        source_to_frame: B x 2 x 3 maps from the one view's pixels to the frame's.
        target_to_frame: B x 2 x 3, of the other view.
        grid: (h, w) of both views.
        stride: Pixels per cell.
        first: x and y of the centre of the first cell, in pixels of its view.

    Returns:
        B x (h * w) x 2 (x, y) in cells: (0, 0) is the centre of the other view's first cell.
    """
    centres = cell_centres(*grid, stride, source_to_frame.device) + first
    pixels = transform(transform(centres, source_to_frame), invert(target_to_frame))
    return (pixels - first) / stride


def nearest_cells(position: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The cell of the other view's grid that each position falls into.

    Args:
        position: B x N x 2 (x, y) in cells of that grid.
        grid: (h, w) of it.

    Returns:
        (B x N int64 number of the cell, B x N bool whether it lies on the grid); the number of one
        that does not is some cell's.
    """
    column, row = position.round().unbind(-1)
    h, w = grid
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    return torch.where(inside, row * w + column, 0.0).long(), inside


def pairs_of_positions(position: Tensor, grid: tuple[int, int]) -> Pairs:
    """The cells that lie on the other view's grid, with the nearest cell there.

    Args:
        position: B x N x 2 (x, y) in cells of the other view's grid.
        grid: (h, w) of that grid.
    """
    cells, inside = nearest_cells(position, grid)
    clips, sources = inside.nonzero().unbind(1)
    return Pairs(clips, sources, cells[clips, sources])
