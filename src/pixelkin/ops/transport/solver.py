"""`sinkhorn`: a problem and its marginals, the domain to solve it in, and the form that does it."""

from __future__ import annotations

import logging
import math
from functools import cache
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.host import at_hand
from pixelkin.ops.transport import in_torch, unattended
from pixelkin.ops.transport.policy import (
    FURTHEST,
    POLICY,
    REACH,
    WIDEST,
    Absorb,
    Policy,
    Settings,
    Solve,
)

Form = Literal["auto", "torch", "numba", "unattended"]
NEEDS = "compiled form needs numba, of pixelkin[train] (pip install numba), where this came up"

log = logging.getLogger(__name__)


@torch.no_grad()
def sinkhorn(
    cost: Tensor,
    *,
    epsilon: float = 0.05,
    max_iterations: int = 30,
    tolerance: float = 1e-3,
    log_domain: bool = False,
    dustbin: float | None = None,
    mass: float = 1.0,
    bounds: tuple[float, float] | None = None,
    form: Form = "auto",
    policy: Policy = POLICY,
) -> tuple[Tensor, Tensor]:
    """Transport plans of least cost under entropic regularisation, with uniform marginals.

    argmin_T <T, cost> - epsilon * H(T), where T >= 0, T 1 = 1/N and T' 1 = 1/M, which has the
    form T = diag(u) exp(-cost / epsilon) diag(v). Each plan sums to 1; with `mass` = N its rows
    do, and for N = M its columns.

    An iteration updates u and v once each. Some, every third at most, end with an extrapolation of
    log v (Anderson acceleration), and large problems start from the solution of a quarter of
    themselves: both save most of the iterations. `log_domain` sets how the scalings are kept:

    * False: u and v themselves, over the plain kernel. Where exp(-(max - min) / epsilon) takes more
      than 0.6 of the dtype's exponents (cost in [0, 1] and float32: epsilon < 0.019), sums could
      underflow and the log domain is used all the same, for all pairs.
    * True: as potentials in log space that are absorbed into the kernel as they grow, so that no
      epsilon under- or overflows. Costs one exponential of the kernel for each absorption.

    Args:
        cost: B x N x M, finite. float32 or float64; float16 and bfloat16 are raised to float32.
        epsilon: Strength of the regularisation, in units of the cost. Positive, and not less than
            the rounding of the range of all costs.
        max_iterations: Upper bound, reached where the tolerance cannot be. At least 1. The
            start has as many of its own.
        tolerance: Stop once the residual is at most this. Less than 8 units of rounding of the
            dtype (1e-6 in float32) is out of reach and treated as that.
        log_domain: See above. Both agree up to rounding.
        dustbin: If given, a row and a column of this cost are appended that take what is better
            left unmatched: a pair that costs less than `dustbin` is worth matching. Pixels then
            weigh 1 / (N + M) each, the appended row M / (N + M) and the appended column
            N / (N + M).
        mass: What each plan is scaled to sum to in the end.
        bounds: Least and greatest cost there can be, where that is known: then nothing looks for
            them, nor for what is not finite, which makes plans that are not.
        form: Which code does the iterations. Forms agree within the tolerance. "auto": the
            compiled one on the CPU if numba works there, else PyTorch, and a warning says so once;
            "unattended" on other devices.
            "torch": PyTorch, batched, on any device. "numba": compiled, one pair after the other on
            one thread of the CPU, in a fraction of the time; compiling takes seconds once on a
            machine. "unattended": PyTorch that never waits for the device, and so does
            `max_iterations` whatever the tolerance; with `bounds`, nothing in this function waits.
        policy: When iterations are hastened. `Policy(history=0)` is plain Sinkhorn-Knopp, from the
            start that each domain has.

    Returns:
        plan: B x N x M, or B x (N + 1) x (M + 1) with a dust-bin. No gradient.
        residual: B. Share of the mass by which the columns of each plan miss their marginal,
            sum_j |(T' 1)_j - 1/M| for a mass of 1; the rows are exact up to rounding.

    Raises:
        ValueError: If a setting is out of range, or the cost is not B x N x M of finite floats.
        RuntimeError: If the form is "numba" and numba is absent or does not work.

    Source:
        [S] Sinkhorn's algorithm, after M. Cuturi, "Sinkhorn distances", NIPS 2013,
        https://arxiv.org/abs/1306.0895; [R] epsilon and 30 iterations; [D] the tolerance, and the
        dust-bin in the form of SuperGlue (P.-E. Sarlin et al., CVPR 2020,
        https://arxiv.org/abs/1911.11763). How it is made fast: see `policy`.
    """
    _check(cost, epsilon, max_iterations, tolerance, form, policy)
    if cost.dtype in (torch.float16, torch.bfloat16):
        cost = cost.float()
    cost, rows, columns = _with_marginals(cost, dustbin)
    plan = torch.empty(cost.shape, dtype=cost.dtype, device=cost.device)
    residual = cost.new_empty(len(cost))
    if len(cost) == 0:
        return plan, residual
    cost, low, high = _range(cost, epsilon, bounds)
    info, mass = torch.finfo(cost.dtype), mass / len(rows)
    reach = REACH * math.log(info.max)
    log_domain = log_domain or (high - low) / epsilon > reach
    settings = Settings(
        float(max(tolerance, 8 * info.eps)),
        int(max_iterations),
        reach * WIDEST if log_domain else math.inf,
        reach * FURTHEST,
        policy,
    )
    with torch.autocast(cost.device.type, enabled=False), torch.inference_mode():
        solve, together = _choose(form, cost)
        for start in range(0, len(cost), together):
            part = slice(start, start + together)
            kernel, absorb = plan[part], None
            if log_domain:
                absorb = _log_kernel(cost[part], epsilon, reach, kernel)
            else:
                torch.sub(low / epsilon, cost[part], alpha=1 / epsilon, out=kernel).exp_()
            coarse = dustbin is None
            found = solve(kernel, rows, columns, mass, settings, coarse=coarse, absorb=absorb)
            residual[part] = found if isinstance(found, Tensor) else cost.new_tensor(found)
    return plan, residual


def _check(
    cost: Tensor,
    epsilon: float,
    max_iterations: int,
    tolerance: float,
    form: Form,
    policy: Policy,
) -> None:
    if cost.ndim != 3 or not cost.is_floating_point() or 0 in cost.shape[1:]:
        raise ValueError(f"cost must be B x N x M floats, got {tuple(cost.shape)} of {cost.dtype}")
    if not (epsilon > 0 and max_iterations >= 1 and tolerance >= 0):
        raise ValueError(
            f"{epsilon = } must be positive, {max_iterations = } at least 1, "
            f"{tolerance = } not negative"
        )
    if form not in get_args(Form):
        raise ValueError(f"{form = } must be one of {', '.join(get_args(Form))}")
    if form == "numba" and cost.device.type != "cpu":
        raise ValueError(f"{form = } needs a cost on the CPU, got one on {cost.device}")
    if policy.history < 0 or policy.period < 1 or policy.coarsest < 1:
        raise ValueError(
            f"{policy.history = } must not be negative, {policy.period = } and "
            f"{policy.coarsest = } at least 1"
        )


def _with_marginals(cost: Tensor, dustbin: float | None) -> tuple[Tensor, Tensor, Tensor]:
    """The cost, with a dust-bin if there is one, and the marginals of rows and of columns.

    Both are scaled to a mass of N rows, so that u and v stay around 1.
    """
    n, m = cost.shape[1:]
    rows, columns = cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m)
    if dustbin is not None:
        cost = F.pad(cost, (0, 1, 0, 1), value=dustbin)
        rows = torch.cat([cost.new_ones(n), cost.new_full((1,), m)]) / (n + m)
        columns = torch.cat([cost.new_ones(m), cost.new_full((1,), n)]) / (n + m)
    return cost, rows * len(rows), columns * len(rows)


def _range(
    cost: Tensor, epsilon: float, bounds: tuple[float, float] | None
) -> tuple[Tensor, float, float]:
    """The cost without what it need not have, its least and its largest entry."""
    low, high = bounds or (float(bound) for bound in torch.aminmax(cost))
    if not math.isfinite(high - low):
        raise ValueError("cost must be finite, found NaN or infinity")
    info = torch.finfo(cost.dtype)
    if epsilon < max(info.tiny, (high - low) * info.eps):
        raise ValueError(f"{epsilon = } is too small for {cost.dtype} costs, {low:g} to {high:g}")
    if abs(low) > high - low:  # what all costs share would only be rounded
        return cost - low, 0.0, high - low
    return cost, low, high


def _log_kernel(cost: Tensor, epsilon: float, reach: float, kernel: Tensor) -> Absorb:
    """Write the kernel of the log domain; what absorbs scalings u and v into it.

    Its entries are exp(f_i + g_j - cost_ij / epsilon), raised to a floor where it does not matter.
    """
    f = cost.amin(2)[:, None] / epsilon
    g = -torch.sub(f.mT, cost, alpha=1 / epsilon, out=kernel).amax(1, keepdim=True)

    def absorb(u: Tensor, v: Tensor) -> None:
        f.add_(u.log())
        g.add_(v.log())
        torch.sub(f.mT, cost, alpha=1 / epsilon, out=kernel).add_(g)
        # Subnormal numbers, here or in the plan, would be slower by orders of magnitude.
        kernel.clamp_min_(-reach).exp_()

    absorb(torch.ones_like(f), torch.ones_like(g))
    return absorb


def _choose(form: Form, cost: Tensor) -> tuple[Solve, int]:
    """What solves such costs, and how many pairs of them at a time."""
    compiled = None
    if form == "numba":
        compiled = _compiled(cost.dtype)
    elif form == "auto" and at_hand(cost):
        compiled = _compiled_if_it_works(cost.dtype)
    if compiled is not None:
        return compiled, 1
    if form == "unattended" or (form == "auto" and not at_hand(cost)):
        return unattended.solve, in_torch.pairs_at_a_time(cost)
    return in_torch.solve, in_torch.pairs_at_a_time(cost)


@cache
def _compiled(dtype: torch.dtype) -> Solve:
    """`in_numba.solve`, compiled for a dtype."""
    try:
        from pixelkin.ops.transport import in_numba

        in_numba.prepare(dtype)
    except Exception as error:  # no numba, one that does not fit, nowhere to keep what it compiles
        raise RuntimeError(f"Sinkhorn's {NEEDS}: {error}") from error
    return in_numba.solve


@cache
def _compiled_if_it_works(dtype: torch.dtype) -> Solve | None:
    """The same; where that does not work, a word of why not, and None."""
    try:
        return _compiled(dtype)
    except RuntimeError as error:
        log.warning(
            "Sinkhorn runs in PyTorch, which takes longer; its %s: %s", NEEDS, error.__cause__
        )
        return None
