"""What the contrastive objectives share: pairs of cells, their candidates and InfoNCE.

Free functions over features that are flattened to B x N x C, cells numbered row by row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pixelkin.ops.host import at_hand


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
    """... x C x h x w features -> ... x (h * w) x C float32 of length 1."""
    return F.normalize(features.float().flatten(-2).mT, dim=-1)


def stride_of(views: Tensor, width: int) -> int:
    """Pixels per cell of a grid `width` cells wide that was made of B x V x 3 x H x W views."""
    return -(-views.shape[-1] // width)


def similarity_of_pairs(source: Tensor, target: Tensor, pairs: Pairs) -> Tensor:
    """Cosines of each anchor with all cells of the other view of its clip.

    On the CPU only the anchors' rows of the similarity matrices are computed, clip by clip; on a
    GPU all of them at once, as it would have to be asked how many anchors each clip has.

    Args:
        source: B x N x C unit vectors of the anchors' views.
        target: B x M x C unit vectors of the other views.
        pairs: P pairs.

    Returns:
        P x M.
    """
    if not at_hand(source):
        every = torch.bmm(source, target.mT).flatten(0, 1)
        return every.index_select(0, pairs.clips * source.shape[1] + pairs.sources)
    counts = torch.bincount(pairs.clips, minlength=len(source)).tolist()
    anchors = torch.split(pairs.sources, counts)
    return torch.cat([f[i] @ g.mT for f, i, g in zip(source, anchors, target, strict=True)])


def draw_cells(
    features: Tensor, owners: Tensor, count: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Cells of the whole batch, the same for all anchors to bound the cost.

    Args:
        features: B x M x C unit vectors to draw from.
        owners: B x M int64: the videos that the cells show.
        count: Number K of cells to draw (all, if there are no more).
        generator: Of the draw.

    Returns:
        (K x C, K int64: the owner of each).
    """
    cells, owners = features.flatten(0, 1), owners.flatten()
    if count >= len(cells):
        return cells, owners
    drawn = torch.randperm(len(cells), generator=generator, device=cells.device)[:count]
    return cells[drawn], owners[drawn]


def log_sum_exp(
    anchors: Tensor,
    cells: Tensor,
    kept: Tensor,
    temperature: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """log sum_n e^{S_in/tau} over the cells n that are kept, for many cells.

    The same as `logsumexp` of masked cosines, in a fraction of its time and memory.

    Args:
        anchors: P x C unit vectors.
        cells: K x C unit vectors.
        kept: P x K bool.
        temperature: tau.
        dtype: Of the products and of all else that is P x K; sums are float32 at least. In
            bfloat16 a logit is off by 0.4 % of its distance from 1/tau, at most.

    Returns:
        P; -inf where no cell is kept.
    """
    total: Tensor = _LogSumExp.apply(anchors.to(dtype), cells.to(dtype), kept, temperature)  # type: ignore[no-untyped-call]
    return total


class _LogSumExp(torch.autograd.Function):
    """`log_sum_exp` with one matrix of P x K, which serves the gradient as well."""

    @staticmethod
    def forward(
        ctx: Any, anchors: Tensor, cells: Tensor, kept: Tensor, temperature: float
    ) -> Tensor:
        # Cosines are at most 1: relative to 1 / tau, no exponential overflows.
        top = anchors.new_full((), -1 / temperature)
        weights = torch.addmm(top, anchors, cells.mT, alpha=1 / temperature).exp_()
        weights.masked_fill_(~kept, 0.0)  # several times faster than a product with booleans
        total = weights.sum(1, dtype=torch.promote_types(weights.dtype, torch.float32))
        ctx.save_for_backward(anchors, cells, weights, total)
        ctx.temperature = temperature
        return total.log() + 1 / temperature

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        anchors, cells, weights, total = ctx.saved_tensors
        tiny = torch.finfo(total.dtype).tiny
        scale = (gradient / total.clamp_min(tiny) / ctx.temperature)[:, None]
        scaled = (anchors * scale).to(anchors.dtype)
        return ((weights @ cells) * scale).to(anchors.dtype), weights.mT @ scaled, None, None


def info_nce(
    similarity: Tensor,
    positives: Tensor,
    negatives: Tensor,
    temperature: float,
    others: Tensor | None = None,
) -> Tensor:
    """InfoNCE of each anchor, -log(e^{S_ij/tau} / (e^{S_ij/tau} + sum_n e^{S_in/tau})).

    Args:
        similarity: P x K cosines of each anchor with its candidates.
        positives: P int64: the column j of the positive.
        negatives: P x K bool: the columns n of the negatives (the positive's may be among them).
        temperature: tau.
        others: P: log sum_n e^{S_in/tau} of further negatives, see `log_sum_exp`.

    Returns:
        P losses, float32. With one positive and no negative, exactly 0.

    Source:
        [A, S] the pixel-level contrastive loss of the paper; [R] its temperature.
    """
    logits = similarity.float() / temperature
    kept = negatives.scatter(1, positives[:, None], True)
    positive = logits.gather(1, positives[:, None])[:, 0]
    total = logits.masked_fill(~kept, -torch.inf).logsumexp(1)
    return (total if others is None else torch.logaddexp(total, others)) - positive
