"""What the contrastive objectives share: pairs of cells, their candidates and InfoNCE.

Free functions over features that are flattened to B x N x C, cells numbered row by row.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Pairs(NamedTuple):
    """Corresponding cells, ordered by clip.

    Attributes:
        clips: P int64: the clip of each pair.
        sources: P int64: its cell in the first view, the anchor.
        targets: P int64: its cell in the second view, the positive.
    """

    clips: Tensor
    sources: Tensor
    targets: Tensor

    def sample(self, most: int, generator: torch.Generator | None) -> Pairs:
        """At most `most` of the pairs, drawn without replacement, still ordered by clip."""
        count = len(self.clips)
        if count <= most:
            return self
        drawn = torch.randperm(count, generator=generator, device=self.clips.device)[:most]
        drawn = drawn.sort().values
        return Pairs(*(x[drawn] for x in self))


def unit_cells(features: Tensor) -> Tensor:
    """B x C x h x w features -> B x (h * w) x C float32 of length 1."""
    return F.normalize(features.float().flatten(2).mT, dim=2)


def stride_of(views: Tensor, width: int) -> int:
    """Pixels per cell of a grid `width` cells wide that was made of B x V x 3 x H x W views."""
    return -(-views.shape[-1] // width)


def similarity_of_pairs(source: Tensor, target: Tensor, pairs: Pairs) -> Tensor:
    """Cosines of each anchor with all cells of the other view of its clip.

    Only the anchors' rows of the similarity matrices are computed.

    Args:
        source: B x N x C unit vectors of the anchors' views.
        target: B x M x C unit vectors of the other views.
        pairs: P pairs.

    Returns:
        P x M.
    """
    counts = torch.bincount(pairs.clips, minlength=len(source)).tolist()
    anchors = torch.split(pairs.sources, counts)
    return torch.cat([f[i] @ g.mT for f, i, g in zip(source, anchors, target, strict=True)])


def similarity_to_others(
    anchors: Tensor,
    anchor_videos: Tensor,
    target: Tensor,
    videos: Tensor,
    count: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Cosines with cells of other videos, drawn once for all anchors to bound the cost.

    Args:
        anchors: P x C unit vectors.
        anchor_videos: P int64: the video of each.
        target: B x M x C unit vectors to draw from.
        videos: B int64: the videos they show.
        count: Number K of cells to draw from the whole batch (all, if it has no more).
        generator: Of the draw.

    Returns:
        (P x K cosines, P x K bool: whether the cell is of another video than the anchor).
    """
    b, m, _ = target.shape
    drawn = torch.randperm(b * m, generator=generator, device=target.device)[:count]
    other = videos[drawn // m] != anchor_videos[:, None]
    return anchors @ target.flatten(0, 1)[drawn].mT, other


def info_nce(
    similarity: Tensor, positives: Tensor, negatives: Tensor, temperature: float
) -> Tensor:
    """InfoNCE of each anchor, -log(e^{S_ij/tau} / (e^{S_ij/tau} + sum_n e^{S_in/tau})).

    Args:
        similarity: P x K cosines of each anchor with its candidates.
        positives: P int64: the column j of the positive; or P x K weights that sum to 1, for a
            positive that lies between cells: the cross-entropy with these as target shares.
        negatives: P x K bool: the columns n of the negatives (the positive's may be among them).
        temperature: tau.

    Returns:
        P losses, float32. With one positive and no negative, exactly 0.

    Source:
        The pixel-level contrastive loss of the paper; its temperature: a third party's
        re-implementation.
    """
    logits = similarity.float() / temperature
    if positives.ndim == 1:
        kept = negatives.scatter(1, positives[:, None], True)
        return F.cross_entropy(logits.masked_fill(~kept, -torch.inf), positives, reduction="none")
    kept = negatives | (positives > 0)
    log_shares = logits.masked_fill(~kept, -torch.inf).log_softmax(1)
    return -(positives * log_shares.masked_fill(~kept, 0.0)).sum(1)
