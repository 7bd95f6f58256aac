"""Contrastive random walk: a walk through time and back should end where it began.

Jabri, Owens and Efros, *Space-Time Correspondence as a Contrastive Random Walk* (NeurIPS 2020): a
baseline beside the paper. No correspondence is chosen; the supervision is the cycle itself.

A walk that must end in the node where it began gets there without following anything, in two ways:
by nodes that tell where in the view they lie, and by any code that the nodes of all videos share,
which leads from like to like and back. Two changes: nodes that cannot know where they lie (`nodes:
patches`, as published; bars the first), and an end in another crop, where neither is enough (`end:
warped`, ours). `stay_rate` and `return_rate` through `unrelated` frames tell how far a network has
gone these ways.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pixelkin.checks import SettingError, check_gaps, check_number, check_types
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.objectives.base import Figures, Objective, figure
from pixelkin.objectives.contrast import stride_of, unit_cells
from pixelkin.objectives.known_geometry import nearest_cells, positions
from pixelkin.objectives.patches import cut_patches, patch_side, pooled

End = Literal["same", "warped"]
Nodes = Literal["map", "patches"]


@dataclass(frozen=True)
class RandomWalk(Objective):
    """Cross-entropy of walks 0 -> 1 -> ... -> k -> ... -> 1 -> 0 with where they should end.

    All walks k = 1 .. V - 1 count (the published code leaves out k = 1 [R]).

    Figures: "accuracy", the share of nodes of frame 0 whose longest walk ends most probably where
    it should; "returned", the mean probability that it does; "pairs", the share of nodes that
    count; "unrelated", the `return_rate` through `unrelated` frames, of those walks that see no
    video twice, NaN where there is none. The edges that are cut are drawn, and the crops of
    patches.

    Attributes:
        frames: Number of frames V that a walk visits, at least 2.
        gaps: Distances between consecutive frames, one of which is drawn for each clip.
        temperature: tau of the transition probabilities; the published code trains with 0.05, and
            says that 0.01 to 0.05 is what works.
        edge_dropout: Share of edges of the graph that are cut, drawn anew for every transition.
        end: Where walks end. "same": in the view where they began, in the node where they began, as
            published. "warped": in another view of frame 0, in the node that shows the same, which
            follows from the two crops; nodes that have none there do not count. It takes one more
            view of each clip, and crops that are drawn for each view by itself.
        nodes: "map": the cells of a view's feature map. "patches": patches of the view, each
            encoded by itself and pooled, as published.
        patches: Patches n along each side of a view, for n x n nodes; they overlap by half.
        patch_area: Range of the area of a patch that is seen, as a share; drawn for every patch.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        Jabri et al., section 2, and their code: walks, dropped edges, patches (7 x 7 of 64 pixels
        in views of 256, crops of 0.7 to 0.9 of each). Not as theirs: no linear layer between
        features and nodes; walks k = 1; a node never loses all its edges. "warped" is [D].
    """

    frames: int = 3
    gaps: tuple[int, ...] = (2, 4, 8)
    temperature: float = 0.03
    edge_dropout: float = 0.1
    end: End = "warped"
    nodes: Nodes = "map"
    patches: int = 7
    patch_area: tuple[float, float] = (0.7, 0.9)

    def __post_init__(self) -> None:
        check_types(self)
        check_number("frames", self.frames, least=2)
        check_gaps(self.gaps, least=1)
        check_number("temperature", self.temperature, above=0)
        check_number("edge_dropout", self.edge_dropout, least=0, below=1)
        check_number("patches", self.patches, least=2)
        low, high = self.patch_area
        if not 0 < low <= high <= 1:
            raise SettingError(
                "patch_area", f"{[low, high]} must be [low, high] with 0 < low <= high <= 1"
            )

    @property
    def clip(self) -> ClipSpec:
        """V views of V frames at equal distances; for a warped end, the first frame once more."""
        returns = self.end == "warped"
        return ClipSpec(views=self.frames + returns, gaps=self.gaps, returns=returns)

    def check_views(self, size: int, stride: int, crop_jitter: float | None = None) -> None:
        """Patches must have more than one cell: a single one has no borders to pad.

        And a warped end must lie in another crop.
        """
        if self.end == "warped" and crop_jitter is not None:
            raise SettingError(
                "end",
                "warped needs crops drawn for each view by itself: no augmentation.crop_jitter",
            )
        side = patch_side(size, self.patches)
        if self.nodes == "patches" and side <= stride:
            most = 2 * size // (stride + 1) - 1
            raise SettingError(
                "patches",
                f"{self.patches} along a side of {size} pixels are patches of {side} pixels, which "
                f"must be larger than a cell of {stride}: give at most {most}",
            )

    def images(self, views: Tensor, generator: torch.Generator | None) -> Tensor:
        """The views, or their patches: see `cut_patches`."""
        if self.nodes == "map":
            return views
        return cut_patches(views, self.patches, self.patch_area, generator)

    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        del progress
        nodes = self._nodes(features, batch)
        views = nodes[:, : self.frames].unbind(1)
        forwards: list[Tensor] = []
        backwards: list[Tensor] = []
        for a, b in itertools.pairwise(views):
            logits = a @ b.mT / self.temperature
            forwards.append(transition(logits, self.edge_dropout, generator))
            if self.end == "warped" and not backwards:
                logits = nodes[:, -1] @ b.mT / self.temperature
            backwards.append(transition(logits.mT, self.edge_dropout, generator))
        walks = palindromes(forwards, backwards)
        targets, counted = self._targets(batch, features, len(walks[-1][0]))
        returned = torch.stack([w.gather(2, targets[..., None])[..., 0] for w in walks])
        count = counted.sum().clamp_min(1)
        loss = -((returned + 1e-20).log() * counted).sum() / (len(walks) * count)
        hits = (walks[-1].detach().argmax(2) == targets) & counted
        figures: Figures = {
            "accuracy": figure(hits.sum() / count),
            "returned": figure((returned[-1].detach() * counted).sum() / count),
            "pairs": figure(counted.float().mean()),
        }
        if len(nodes) >= self.frames:  # else no walk sees so many videos
            others = unrelated(nodes[:, : self.frames].detach())
            rates, apart = _returns(others, self.temperature), strangers(batch.videos, self.frames)
            figures["unrelated"] = figure((rates.mean(1) * apart).sum() / apart.sum())
        return loss, figures

    def _nodes(self, features: Tensor, batch: ClipBatch) -> Tensor:
        """Unit vectors of all nodes of all views: B x V x N x C."""
        if self.nodes == "map":
            return unit_cells(features)
        return pooled(features, batch.views.shape[1])

    def _targets(self, batch: ClipBatch, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Where each of the `count` nodes' walks should end, and whether it counts: B x N each."""
        device = batch.to_frame.device
        if self.end == "same":
            every = torch.arange(count, device=device).expand(len(batch), count)
            return every, torch.ones_like(every, dtype=torch.bool)
        if self.nodes == "map":
            grid = int(features.shape[3]), int(features.shape[4])
            layout = grid, float(stride_of(batch.views, grid[1])), 0.0
        else:
            grid = self.patches, self.patches
            step = batch.views.shape[-1] / (self.patches + 1)
            layout = grid, step, step - 0.5
        position = positions(batch.to_frame[:, 0], batch.to_frame[:, -1], *layout)
        return nearest_cells(position, grid)


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
        V - 1 matrices B x N x N: from the nodes of frame 0 to those where they end.
    """
    walks = []
    there: Tensor | None = None
    back: Tensor | None = None
    for forward, backward in zip(forwards, backwards, strict=True):
        there = forward if there is None else there @ forward
        back = backward if back is None else backward @ back
        walks.append(there @ back)
    return walks


def return_rate(nodes: Tensor, temperature: float) -> Tensor:
    """How many walks to the last frame and back, with no edge cut, end where they began.

    Args:
        nodes: B x V x N x C unit vectors of V frames.
        temperature: tau of the transition probabilities.

    Returns:
        Scalar: the mean probability to return. Where nodes tell nothing, it is 1/N.
    """
    return _returns(nodes, temperature).mean()


def _returns(nodes: Tensor, temperature: float) -> Tensor:
    """The probability of each node's walk to return: B x N."""
    logits = [a @ b.mT / temperature for a, b in itertools.pairwise(nodes.unbind(1))]
    walks = palindromes([x.softmax(2) for x in logits], [x.mT.softmax(2) for x in logits])
    return walks[-1].diagonal(dim1=1, dim2=2)


def stay_rate(nodes: Tensor, temperature: float) -> Tensor:
    """How many walks to the last frame, one way, end in the place where they began.

    Through `unrelated` frames only nodes that tell their places do so more often than 1/N.

    Args:
        nodes: B x V x N x C unit vectors of V frames.
        temperature: tau of the transition probabilities.

    Returns:
        Scalar: the mean probability of a node to end in that of its number.
    """
    walk: Tensor | None = None
    for a, b in itertools.pairwise(nodes.unbind(1)):
        step = (a @ b.mT / temperature).softmax(2)
        walk = step if walk is None else walk @ step
    if walk is None:
        raise ValueError("a walk needs two frames at least")
    return walk.diagonal(dim1=1, dim2=2).mean()


def strangers(videos: Tensor, frames: int) -> Tensor:
    """Which of the walks of `unrelated` see no video twice.

    Args:
        videos: B int64: of each clip.
        frames: That a walk visits.

    Returns:
        B bool.
    """
    seen = torch.stack([videos.roll(-t) for t in range(frames)], 1)
    return (seen[:, :, None] == seen[:, None, :]).sum((1, 2)) == frames


def unrelated(nodes: Tensor) -> Tensor:
    """Walks through frames of other videos, where nothing corresponds: a test of shortcuts.

    Those that end in the place where they began (`stay_rate`, chance 1/N) are led by places; those
    that come back (`return_rate`) by places, or from like to like and back, which follows nothing
    either.

    Args:
        nodes: B x V x N x C of B >= 2 clips, of different videos.

    Returns:
        B x V x N x C: frame t of each clip is that of the t-th clip after it.
    """
    if len(nodes) < 2:
        raise ValueError(f"other videos' frames need two clips at least, got {len(nodes)}")
    return torch.stack([frame.roll(-t, 0) for t, frame in enumerate(nodes.unbind(1))], 1)
