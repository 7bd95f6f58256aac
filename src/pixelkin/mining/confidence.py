"""How far a correspondence can be trusted: Q of its pixels, T of the image, C of the video.

The three confidences of the paper, bottom-up. Free functions over matrices of N pixels i of frame s
by M pixels j of frame t; none of them carries a gradient. Knows nothing about networks or losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from pixelkin.ops.transport import sinkhorn

SMALLEST_SIMILARITY = 1e-3


@torch.no_grad()
def forward_backward(similarity: Tensor, *, hard: bool = False) -> Tensor:
    """Q, the pixel level: how well i and j are each other's best match.

    Q_ij = S_ij^2 / (max_k S_ik * max_k S_kj), with S clipped below at 0.001: exactly 1 where i and
    j are each other's best match, below 1 elsewhere.

    Args:
        similarity: S, ... x N x M cosines.
        hard: Give S_ij where i and j are each other's nearest neighbour and 0 elsewhere instead.

    Returns:
        Q, the same shape.

    Source:
        Forward-backward consistency: a published review of the paper. Soft form: a third party's
        re-implementation, and the supplement's remark that T is sparser than Q. Hard form: our
        option.
    """
    s = similarity.clamp_min(SMALLEST_SIMILARITY)
    best_of_row, best_of_column = s.amax(-1, keepdim=True), s.amax(-2, keepdim=True)
    if hard:
        return torch.where((s == best_of_row) & (s == best_of_column), similarity, 0.0)
    q = s / best_of_row
    return q.mul_(s.div_(best_of_column))


class TransportSettings(TypedDict, total=False):
    """What `transport_with_residual` can be told, as in `sinkhorn`."""

    epsilon: float
    max_iterations: int
    tolerance: float
    log_domain: bool
    dustbin: float | None


def optimal_transport(q: Tensor, **settings: Unpack[TransportSettings]) -> Tensor:
    """T, the image level: the matches that are best for all pixels together.

    argmin_T <T, 1 - Q> - epsilon * H(T) with uniform marginals, scaled to That = N * T: each row
    sums to 1, and for N = M each column.

    Args:
        q: Q, ... x N x M in [0, 1].
        settings: See `transport_with_residual`, as for the defaults.

    Returns:
        That, the same shape.

    Source:
        Supplement; epsilon and iterations: a third party's re-implementation; tolerance and
        dust-bin (after SuperGlue): our decision.
    """
    return transport_with_residual(q, **settings)[0]


@torch.no_grad()
def transport_with_residual(
    q: Tensor,
    *,
    epsilon: float = 0.05,
    max_iterations: int = 30,
    tolerance: float = 1e-2,
    log_domain: bool = False,
    dustbin: float | None = None,
) -> tuple[Tensor, Tensor]:
    """`optimal_transport`, and how far from its marginals it is.

    Args:
        q: Q, ... x N x M in [0, 1].
        epsilon: Strength of the regularisation.
        max_iterations: At most so many iterations.
        tolerance: Share of the mass that may miss its column.
        log_domain: How scalings are kept, see `sinkhorn`.
        dustbin: If given, a pixel may stay without a match at this cost in [0, 1], an occluded one
            for instance: rows and columns sum to at most 1.

    Returns:
        (That, the shape of Q; the residual of `sinkhorn` for each pair, ...).
    """
    n, m = q.shape[-2:]
    plan, residual = sinkhorn(
        (1 - q).reshape(-1, n, m),
        epsilon=epsilon,
        max_iterations=max_iterations,
        tolerance=tolerance,
        log_domain=log_domain,
        dustbin=dustbin,
        mass=n if dustbin is None else n + m,
    )
    return plan[:, :n, :m].reshape(q.shape), residual.reshape(q.shape[:-2])


def temporal_coherence(t: Tensor, window: Tensor) -> Tensor:
    """C, the video level: T where the motion is small enough for the time that has passed.

    C_ij = That_ij inside a local window around i, 0 outside.

    Args:
        t: That, ... x N x M.
        window: Bool of a shape that broadcasts to it, see `is_near`.

    Source:
        Supplement, and a published review of the paper.
    """
    return torch.where(window, t, 0.0)


@dataclass(frozen=True)
class WindowSchedule:
    """How far pixels may move in a given time.

    Radii of 2, 2, 3 and 5 cells of a 32x32 grid for 8, 16, 24 and 32 frames (a third party's
    re-implementation); in between, and beyond with the last slope, linear (our decision).

    Attributes:
        gaps: Distances in frames, ascending, at least two.
        radii: One radius in cells for each of `gaps`: a window of 2 r + 1 cells squared.
        grid: Cells along the short side of the frame to which `radii` refer.
    """

    gaps: tuple[int, ...] = (8, 16, 24, 32)
    radii: tuple[float, ...] = (2, 2, 3, 5)
    grid: int = 32

    def __post_init__(self) -> None:
        if len(self.gaps) != len(self.radii) or len(self.gaps) < 2:
            raise ValueError(f"{self.gaps = } and {self.radii = } must pair up, at least two")
        if any(b <= a for a, b in zip(self.gaps, self.gaps[1:], strict=False)):
            raise ValueError(f"{self.gaps = } must ascend")

    def radius(self, gap: Tensor, frame_size: Tensor) -> Tensor:
        """Half the side of the window, in pixels of the original frame.

        Args:
            gap: B frames between the two, |t - s|.
            frame_size: B x 2 (height, width) in pixels.

        Returns:
            B float32. Half a cell beyond the last cell's centre, so that cells that are exactly
            the radius away are inside whatever the rounding.
        """
        frames = gap.abs().float()
        cells = torch.from_numpy(np.interp(frames.cpu(), self.gaps, self.radii)).to(frames)
        slope = (self.radii[-1] - self.radii[-2]) / (self.gaps[-1] - self.gaps[-2])
        cells = cells + slope * (frames - self.gaps[-1]).clamp_min(0)
        return (cells + 0.5) * frame_size.amin(1).float() / self.grid


def is_near(a: Tensor, b: Tensor, radius: Tensor) -> Tensor:
    """Whether points lie within a square window of each other.

    For a dense window, B x N x M: ``is_near(a[:, :, None], b[:, None], radius[:, None, None])``.

    Args:
        a: ... x 2 points (x, y).
        b: ... x 2, broadcastable to `a`.
        radius: ..., half the side of the window.

    Returns:
        Bool of the broadcast shape without its last axis.
    """
    return (a - b).abs().amax(-1) <= radius


class Matches(NamedTuple):
    """Entries (i, j) of some pairs' confidence matrices, in coordinate form, by ascending clip.

    Attributes:
        clips: E int64: which pair of frames.
        sources: E int64: pixel i of frame s.
        targets: E int64: pixel j of frame t.
        values: E: the confidence.
    """

    clips: Tensor
    sources: Tensor
    targets: Tensor
    values: Tensor

    def where(self, keep: Tensor) -> Matches:
        """The entries for which `keep` (E bool, or indices) holds."""
        return Matches(*(x[keep] for x in self))


def entries(confidence: Tensor, minimum: float = 1e-3) -> Matches:
    """The entries of a sparse confidence that matter: those of at least `minimum`.

    T has a few per row where features are good. The rest of a matrix whose rows sum to 1 adds less
    than `minimum` to its variance (see `variance_of_entries`); 0.000005 of 0.43 in an example with
    21 entries above 0.001 in each of 1,024 rows.

    Args:
        confidence: B x N x M.
        minimum: What is too small to matter.
    """
    _, n, m = confidence.shape
    flat = confidence.reshape(-1)
    if flat.device.type == "cpu":  # NumPy compares and finds more than twice as fast
        index = torch.from_numpy(np.flatnonzero(flat.numpy() >= np.float32(minimum)))
    else:
        index = (flat >= minimum).nonzero()[:, 0]
    row = index // m
    clip = row // n
    return Matches(clip, row - clip * n, index - row * m, flat[index])


def best_of_rows(confidence: Tensor) -> Matches:
    """The greatest entry of each row, B x N x M -> B * N entries."""
    b, n, _ = confidence.shape
    values, targets = confidence.max(-1)
    clips = torch.arange(b, device=values.device).repeat_interleave(n)
    sources = torch.arange(n, device=values.device).repeat(b)
    return Matches(clips, sources, targets.flatten(), values.flatten())
