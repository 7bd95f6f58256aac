"""How far a correspondence can be trusted: Q of its pixels, T of the image, C of the video.

The three confidences of the paper, bottom-up. Free functions over matrices of N pixels i of frame s
by M pixels j of frame t; none of them carries a gradient. Knows nothing about networks or losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypedDict, Unpack, overload

import numpy as np
import torch
from torch import Tensor

from pixelkin.checks import check_number, check_types
from pixelkin.ops.host import at_hand, wide
from pixelkin.ops.transport import sinkhorn

SMALLEST_SIMILARITY = 1e-3
MINIMUM = 1e-3  # of an entry of T or C that matters


@torch.no_grad()
def forward_backward(similarity: Tensor, *, hard: bool = False) -> Tensor:
    """Q, the pixel level: how well i and j are each other's best match.

    Q_ij = S_ij^2 / (max_k S_ik * max_k S_kj), with S clipped below at 0.001: exactly 1 where i and
    j are each other's best match, below 1 elsewhere. A pixel whose best similarity is no more than
    that has no match: its row or column of Q is 0.

    Args:
        similarity: S, ... x N x M cosines.
        hard: Give S_ij where i and j are each other's nearest neighbour and 0 elsewhere instead.

    Returns:
        Q, the same shape.

    Source:
        [B] forward-backward consistency; [R] the soft form, which the remark that T is sparser
        than Q [S] bears out; [D] the hard form as an option, and 0 for what resembles nothing.
    """
    s = similarity.clamp_min(SMALLEST_SIMILARITY)
    best_of_row, best_of_column = (
        best.masked_fill(best <= SMALLEST_SIMILARITY, torch.inf)
        for best in (s.amax(-1, keepdim=True), s.amax(-2, keepdim=True))
    )
    if hard:
        return torch.where((s == best_of_row) & (s == best_of_column), similarity, 0.0)
    q = s / best_of_row
    return q.mul_(s.div_(best_of_column))


@dataclass(frozen=True)
class Transport:
    """How T is solved for.

    Attributes:
        epsilon: Strength of the entropic regularisation.
        max_iterations: At most so many iterations of Sinkhorn's algorithm.
        tolerance: Share of the mass that may miss its column.
        dustbin: If given, a pixel may stay without a match at this cost in [0, 1], an occluded one
            for instance: rows and columns of T then sum to at most 1.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [R] epsilon and iterations; [D] tolerance, and the dust-bin (after SuperGlue, Sarlin et al.,
        CVPR 2020).
    """

    epsilon: float = 0.05
    max_iterations: int = 30
    tolerance: float = 1e-2
    dustbin: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_number("epsilon", self.epsilon, above=0)
        check_number("max_iterations", self.max_iterations, least=1)
        check_number("tolerance", self.tolerance, least=0)
        if self.dustbin is not None:
            check_number("dustbin", self.dustbin, least=0, most=1)


class TransportOptions(TypedDict, total=False):
    """The fields of `Transport`, as keyword arguments."""

    epsilon: float
    max_iterations: int
    tolerance: float
    dustbin: float | None


@overload
def optimal_transport(
    q: Tensor,
    *,
    log_domain: bool = False,
    return_residual: Literal[False] = False,
    **options: Unpack[TransportOptions],
) -> Tensor: ...


@overload
def optimal_transport(
    q: Tensor,
    *,
    log_domain: bool = False,
    return_residual: Literal[True],
    **options: Unpack[TransportOptions],
) -> tuple[Tensor, Tensor]: ...


@torch.no_grad()
def optimal_transport(
    q: Tensor,
    *,
    log_domain: bool = False,
    return_residual: bool = False,
    **options: Unpack[TransportOptions],
) -> Tensor | tuple[Tensor, Tensor]:
    """T, the image level: the matches that are best for all pixels together.

    argmin_T <T, 1 - Q> - epsilon * H(T) with uniform marginals, scaled to That = N * T: each row
    sums to 1, and for N = M each column.

    Args:
        q: Q, ... x N x M in [0, 1].
        log_domain: How scalings are kept, see `sinkhorn`.
        return_residual: Give the residual as well: how far T is from its marginals.
        options: The fields of `Transport`, with its defaults.

    Returns:
        That, the same shape; with `return_residual` (That, the residual of `sinkhorn` for each
        pair, ...).

    Raises:
        SettingError: If an option is out of its range.

    Source:
        [S, B]; solved by Sinkhorn's algorithm (Cuturi, NeurIPS 2013) [S].
    """
    how = Transport(**options)
    n, m = q.shape[-2:]
    plan, residual = sinkhorn(
        (1 - q).reshape(-1, n, m),
        bounds=None if at_hand(q) else (0.0, 1.0),
        **vars(how),
        log_domain=log_domain,
        mass=n if how.dustbin is None else n + m,
    )
    t = plan[:, :n, :m].reshape(q.shape)
    return (t, residual.reshape(q.shape[:-2])) if return_residual else t


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
        if keep.dtype == torch.bool:
            keep = keep.nonzero()[:, 0]  # once for all, as it waits for the device
        return Matches(*(x[keep] for x in self))


@overload
def temporal_coherence(t: Tensor, window: Tensor) -> Tensor: ...


@overload
def temporal_coherence(t: Matches, window: Tensor) -> Matches: ...


@torch.no_grad()
def temporal_coherence(t: Tensor | Matches, window: Tensor) -> Tensor | Matches:
    """C, the video level: T where the motion is small enough for the time that has passed.

    C_ij = That_ij inside a local window around i, 0 outside.

    Args:
        t: That, ... x N x M; or E of its entries, see `entries`.
        window: Whether each is inside, see `pixelkin.mining.window.is_near`: bool of a shape that
            broadcasts to the matrix; for entries, E bool.

    Returns:
        C as T was given: a matrix with zeros outside, or the entries inside.

    Source:
        [S, B].
    """
    return t.where(window) if isinstance(t, Matches) else torch.where(window, t, 0.0)


@torch.no_grad()
def entries(confidence: Tensor, minimum: float = MINIMUM) -> Matches:
    """The entries of a sparse confidence that matter: those of at least `minimum`.

    T has a few per row where features are good. The rest of a matrix whose rows sum to 1 adds less
    than `minimum` to its variance (see `variance_of_entries`); 0.000005 of 0.43 in an example with
    21 entries above 0.001 in each of 1,024 rows.

    Args:
        confidence: B x N x M of any float type.
        minimum: What is too small to matter.
    """
    _, n, m = confidence.shape
    flat = confidence.detach().reshape(-1)
    compared = wide(flat)
    if at_hand(flat):  # NumPy compares and finds more than twice as fast
        index = torch.from_numpy(np.flatnonzero(compared.numpy() >= np.float32(minimum)))
    else:
        index = (compared >= minimum).nonzero()[:, 0]
    row = index // m
    clip = row // n
    return Matches(clip, row - clip * n, index - row * m, flat[index])


@torch.no_grad()
def best_of_rows(confidence: Tensor) -> Matches:
    """The greatest entry of each row, B x N x M -> B * N entries."""
    b, n, _ = confidence.shape
    values, targets = confidence.max(-1)
    clips = torch.arange(b, device=values.device).repeat_interleave(n)
    sources = torch.arange(n, device=values.device).repeat(b)
    return Matches(clips, sources, targets.flatten(), values.flatten())
