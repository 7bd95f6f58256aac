"""When Sinkhorn's iterations look, leap, wait, absorb and stop: what all forms have in common.

An iteration turns the scalings v of the columns into u = rows / K v and these into the next
v = columns / K' u. That alone is Sinkhorn-Knopp, and `plain` is all of it. It converges linearly,
and often slowly. `in_torch`, `in_numba` and `unattended` differ from it as follows, all alike but
where it is said:

Coarse start
    Pixels come row by row, so that neighbours in the matrix are mostly alike. The first v is that
    of every second row and of columns in pairs, which in turn starts from its own: `coarse_start`.
    Where neighbours are not alike this gains nothing and costs little: an iteration takes a
    quarter of the work.
Leaping
    Every `period` iterations end with an extrapolation (Anderson acceleration) of x = log v. Of the
    last updates y it takes the combination for which the same combination of their steps y - x is
    smallest in the sense of least squares, at most `Settings.furthest` away from the last update
    in each entry. Near its end the iteration contracts by factors between 0 and 1, so that what is
    to come lies ahead: a combination that goes back, far from the end or by rounding, is replaced
    by the last update. The scale of v is of no account; its largest entry becomes 1.
Waiting
    Extrapolations can leap to and fro for ever, plain iterations cannot: after one that the step
    has turned against, the next waits twice as long: `next_wait`.
Absorbing
    The log domain sees a kernel with a floor of exp(-reach), which tells the truth as long as log v
    spans much less. Where it spans more than `Settings.widest`, u and v are absorbed into the
    kernel. What was below the floor may then be above, so that residuals are found anew.
    `in_torch` does so for all pairs that it has together where one needs it.
Looking
    `in_numba` has the residual from the same pass over the kernel and looks each time; `in_torch`,
    where a look waits for the device, whenever an extrapolation could be due, and at the last;
    `unattended` as often, but without waiting: the device draws its own conclusions.
Stopping
    With a residual of at most the tolerance, unless an absorption is due, or with the last
    iteration. The v that had the least residual since the last absorption is what counts.
    `unattended` always goes on to the last iteration.

Source:
    [P] Sinkhorn's iteration for transport: M. Cuturi, "Sinkhorn distances", NIPS 2013,
    https://arxiv.org/abs/1306.0895. Acceleration: D. G. Anderson, "Iterative procedures for
    nonlinear integral equations", J. ACM 1965, https://doi.org/10.1145/321296.321305, as H. F.
    Walker and P. Ni have it, "Anderson acceleration for fixed-point iterations", SIAM J. Numer.
    Anal. 2011, https://doi.org/10.1137/10078356X. Absorption: B. Schmitzer, "Stabilized sparse
    scaling algorithms", SIAM J. Sci. Comput. 2019, https://arxiv.org/abs/1610.06519. [D] all
    constants, the bounds of an extrapolation, waiting, and the coarse start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch.nn.functional as F
from torch import Tensor

Absorb = Callable[[Tensor, Tensor], None]  # scalings u and v into a kernel of the log domain

# Of the exponents of the dtype: what a kernel may span. Of that: what log v may come to span
# before it is absorbed, and how far an extrapolation goes.
REACH, WIDEST, FURTHEST = 0.6, 1 / 2, 1 / 8


# Code that numba has compiled and kept knows the fields of both by position: new ones come last.
class Policy(NamedTuple):
    """The constants of the policy above; plans depend on them within the tolerance alone.

    Attributes:
        history: Iterations that an extrapolation looks back on. 0: neither extrapolations nor a
            coarse start, but plain Sinkhorn-Knopp, absorbed where it must be.
        period: Iterations from one extrapolation to the next, at least. At least 1.
        progress: The wait is back at `period` once the residual is below this share of what it was
            at the last extrapolation.
        ridge: What the diagonal of the least squares grows by, of itself, to be safely invertible.
        coarsest: Rows and columns that a coarse start has at least.
        coarse_tolerance: The residual with which a coarse start ends.
    """

    history: int = 5
    period: int = 3
    progress: float = 0.9
    ridge: float = 1e-6
    coarsest: int = 512
    coarse_tolerance: float = 2e-2


POLICY = Policy()


class Settings(NamedTuple):
    """Of the iterations of one call.

    Attributes:
        tolerance: The residual to stop at.
        max_iterations: Upper bound, at least 1.
        widest: What log v may span before it is absorbed; infinity outside the log domain.
        furthest: How far an extrapolation may take an entry of log v from its last update.
        policy: See there.
    """

    tolerance: float
    max_iterations: int
    widest: float
    furthest: float
    policy: Policy


class Solve(Protocol):
    """A form of the iterations."""

    def __call__(
        self,
        kernel: Tensor,
        rows: Tensor,
        columns: Tensor,
        mass: float,
        settings: Settings,
        *,
        coarse: bool,
        absorb: Absorb | None = None,
    ) -> list[float] | Tensor:
        """Turn the kernels of B pairs into their plans, in place.

        Args:
            kernel: B x N x M, positive, contiguous; float32 or float64.
            rows: N, marginal of the plans' rows; of the kernel's dtype, as are all vectors. Sums to
                N.
            columns: M, that of their columns. Has the same sum.
            mass: What the plans are multiplied with in the end.
            settings: See there.
            coarse: Whether to begin with a coarse start. For uniform marginals.
            absorb: What absorbs scalings u (B x 1 x N) and v (B x 1 x M) into a kernel of the log
                domain, in place. None: the kernel is as it is.

        Returns:
            The residuals: the share of its mass by which the columns of each plan miss their
            marginal.
        """


def next_wait(wait: int, policy: Policy, residual: float, before: float, turned: bool) -> int:
    """How many iterations the next extrapolation waits.

    `in_numba` has these lines once more, as numba does not notice when other files change.

    Args:
        wait: How many this one has waited.
        policy: See there.
        residual: The least residual so far.
        before: What it was at the extrapolation before this one.
        turned: Whether the step has turned against the one before that extrapolation, where
            iterations are to go on.
    """
    if residual < policy.progress * before:
        return policy.period
    return 2 * wait if turned else wait


def coarse_start(
    kernel: Tensor,
    settings: Settings,
    halve: Callable[[Tensor], Tensor],
    scale: Callable[[Tensor, Tensor, Tensor, Tensor, Settings], Tensor],
) -> Tensor:
    """v, B x 1 x M, of every second row and of columns in pairs; ones for a small kernel.

    Args:
        kernel: B x N x M. Its marginals are uniform.
        settings: Those of the kernel itself.
        halve: The form's way to a coarse kernel: of every second row the sums of two columns each,
            B x N // 2 x M // 2.
        scale: The form's iterations: v of a kernel, its rows' and its columns' marginals, a v to
            begin with, and settings.
    """
    policy, (b, n, m) = settings.policy, kernel.shape
    if not policy.history or min(n, m) // 2 < policy.coarsest:
        return kernel.new_ones(b, 1, m)
    coarse = halve(kernel)
    rows = kernel.new_ones(n // 2)
    columns = kernel.new_full((m // 2,), (n // 2) / (m // 2))
    start = coarse_start(coarse, settings, halve, scale)
    settings = settings._replace(tolerance=policy.coarse_tolerance, widest=math.inf)
    v = scale(coarse, rows, columns, start, settings)
    return F.pad(v.repeat_interleave(2, 2), (0, m % 2), mode="replicate")
