"""Entropic optimal transport between two sets of pixels: Sinkhorn's algorithm.

Pure tensor functions; nothing here knows about features, frames or videos.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Absorb = Callable[[Tensor, Tensor], None]  # scalings u and v into a kernel of the log domain

log = logging.getLogger(__name__)

_CPU_CACHE = 2**20  # bytes; pairs are solved together as long as their kernels stay in the cache
PERIOD = 3  # iterations from one extrapolation to the next, at least
COARSEST, COARSE = 512, 2e-2  # least rows and columns of a coarse start, its tolerance


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
    history: int = 5,
) -> tuple[Tensor, Tensor]:
    """Transport plans of least cost under entropic regularisation, with uniform marginals.

    argmin_T <T, cost> - epsilon * H(T), where T >= 0, T 1 = 1/N and T' 1 = 1/M, which has the
    form T = diag(u) exp(-cost / epsilon) diag(v). Each plan sums to 1; with `mass` = N its rows
    do, and for N = M its columns.

    An iteration updates u and v once each. Some, every third at most, end with an extrapolation of
    log v (Anderson acceleration), and large problems start from the solution of a quarter of
    themselves: both save most of the iterations. On the CPU iterations are compiled code, on one
    thread, if numba is installed; without it, and on other devices, PyTorch, and the last digits
    differ. `log_domain` sets how the scalings are kept:

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
            left unmatched: a pair that costs less than `dustbin` is worth matching (the form of
            SuperGlue, Sarlin et al. 2020). Pixels then weigh 1 / (N + M) each, the appended row
            M / (N + M) and the appended column N / (N + M).
        mass: What each plan is scaled to sum to in the end.
        history: Iterations that the acceleration looks back on; 0 is plain Sinkhorn-Knopp, from
            the start that each domain has.

    Returns:
        plan: B x N x M, or B x (N + 1) x (M + 1) with a dust-bin. No gradient.
        residual: B. Share of the mass by which the columns of each plan miss their marginal,
            sum_j |(T' 1)_j - 1/M| for a mass of 1; the rows are exact up to rounding.

    Raises:
        ValueError: If a setting is out of range, or the cost is not B x N x M of finite floats.

    Source:
        Supplement (Sinkhorn, after Cuturi 2013); epsilon and 30 iterations: a third party's
        re-implementation. Absorption: Schmitzer 2019; acceleration: Anderson 1965, Walker & Ni
        2011; tolerance, dust-bin: our decision.
    """
    if cost.ndim != 3 or not cost.is_floating_point() or 0 in cost.shape[1:]:
        raise ValueError(f"cost must be B x N x M floats, got {tuple(cost.shape)} of {cost.dtype}")
    if not (epsilon > 0 and max_iterations >= 1 and tolerance >= 0 and history >= 0):
        raise ValueError(
            f"{epsilon = } must be positive, {max_iterations = } at least 1, "
            f"{tolerance = } and {history = } not negative"
        )
    if cost.dtype in (torch.float16, torch.bfloat16):
        cost = cost.float()
    n, m = cost.shape[1:]
    rows, columns = cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m)
    if dustbin is not None:
        cost = F.pad(cost, (0, 1, 0, 1), value=dustbin)
        rows = torch.cat([cost.new_ones(n), cost.new_tensor([m])]) / (n + m)
        columns = torch.cat([cost.new_ones(m), cost.new_tensor([n])]) / (n + m)
    plan = torch.empty(cost.shape, dtype=cost.dtype, device=cost.device)
    residual = cost.new_empty(len(cost))
    if len(cost) == 0:
        return plan, residual
    low, high = (float(bound) for bound in torch.aminmax(cost))
    if not math.isfinite(high - low):
        raise ValueError("cost must be finite, found NaN or infinity")
    info = torch.finfo(cost.dtype)
    if epsilon < max(info.tiny, (high - low) * info.eps):
        raise ValueError(f"{epsilon = } is too small for {cost.dtype} costs, {low:g} to {high:g}")
    if abs(low) > high - low:  # what all costs share would only be rounded
        cost, low, high = cost - low, 0.0, high - low
    # Scaled to a mass of N, so that u and v stay around 1.
    rows, columns, mass = rows * len(rows), columns * len(rows), mass / len(rows)
    reach = 0.6 * math.log(info.max)
    log_domain = log_domain or (high - low) / epsilon > reach
    tolerance = max(tolerance, 8 * info.eps)
    settings = Settings(float(tolerance), int(max_iterations), int(history), PERIOD, reach)
    with torch.autocast(cost.device.type, enabled=False), torch.inference_mode():
        on_cpu = cost.device.type == "cpu"
        solve, together = on_cpu and _compiled(cost.dtype), 1
        if not solve:
            solve = _solve
            together = max(1, _CPU_CACHE // cost[0].nbytes) if on_cpu else len(cost)
        for start in range(0, len(cost), together):
            part = slice(start, start + together)
            kernel, absorb = plan[part], None
            if log_domain:
                absorb = _log_kernel(cost[part], epsilon, reach, kernel)
            else:
                torch.sub(low / epsilon, cost[part], alpha=1 / epsilon, out=kernel).exp_()
            coarse = dustbin is None
            found = solve(kernel, rows, columns, mass, settings, coarse=coarse, absorb=absorb)
            residual[part] = cost.new_tensor(found)
    return plan, residual


class Settings(NamedTuple):
    """Of the iterations: see `sinkhorn`.

    Those of the log domain see a kernel with a floor of exp(-reach), which tells the truth as long
    as log v spans much less: half of it at most. An extrapolation goes an eighth of it at most.
    """

    tolerance: float
    max_iterations: int
    history: int
    period: int
    reach: float


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


@cache
def _compiled(dtype: torch.dtype) -> Callable[..., list[float]] | None:
    """`transport_compiled.solve`; where that does not work, a word of why not, and None."""
    try:
        from pixelkin.ops.transport_compiled import prepare, solve

        prepare(dtype)
    except Exception as error:  # no numba, one that does not fit, nowhere to keep what it compiles
        log.warning(
            "Sinkhorn runs in PyTorch, which takes longer; its compiled form needs numba "
            "(pip install 'pixelkin[train]'), where this came up: %s",
            error,
        )
        return None
    return solve


def _solve(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    mass: float,
    settings: Settings,
    *,
    coarse: bool,
    absorb: Absorb | None = None,
) -> list[float]:
    """Turn the kernels of B pairs into their plans, in place; see `transport_compiled.solve`.

    Vectors are B x 1 x N or B x 1 x M: batched products of a *row* by a matrix are the fast ones.
    """
    v = columns.new_ones(len(kernel), 1, len(columns))
    if coarse:
        v = _coarse_start(kernel, settings)
    v, residual = _scale(kernel, rows, columns, v, settings, absorb)
    u = rows / torch.bmm(v, kernel.mT)
    kernel.mul_(u.mT).mul_(v * mass)
    return residual


def _coarse_start(kernel: Tensor, settings: Settings) -> Tensor:
    """v of every second row and of columns in pairs, which in turn starts from its own.

    Pixels come row by row, so that neighbours in the matrix are mostly alike. Where they are not,
    this gains nothing and costs little: an iteration takes a quarter of the work.
    """
    b, n, m = len(kernel), kernel.shape[1] // 2, kernel.shape[2] // 2
    if min(n, m) < COARSEST or not settings.history:
        return kernel.new_ones(b, 1, kernel.shape[2])
    half = kernel[:, : 2 * n : 2]
    coarse = half[..., : 2 * m : 2] + half[..., 1 : 2 * m : 2]
    rows, columns = kernel.new_ones(n), kernel.new_full((m,), n / m)
    start = _coarse_start(coarse, settings)
    v, _ = _scale(coarse, rows, columns, start, settings._replace(tolerance=COARSE))
    return F.pad(v.repeat_interleave(2, 2), (0, kernel.shape[2] - 2 * m), mode="replicate")


def _scale(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    v: Tensor,
    settings: Settings,
    absorb: Absorb | None = None,
) -> tuple[Tensor, list[float]]:
    """The scalings v of B kernels' columns, beginning with v, and the residuals."""
    total = float(columns.sum())
    past: deque[tuple[Tensor, Tensor]] = deque(maxlen=settings.history + 1)  # v and what follows it
    best_v, best = v, [math.inf] * len(v)
    before, period, since = math.inf, settings.period, 0
    step = torch.zeros_like(v)
    for iteration in range(1, settings.max_iterations + 1):
        u = rows / torch.bmm(v, kernel.mT)
        sums = torch.bmm(u, kernel)
        update = columns / sums
        past.append((v, update))
        since += 1
        last = iteration == settings.max_iterations
        if since % settings.period and not last:
            v = update
            continue
        missed = torch.linalg.vector_norm(torch.addcmul(-columns, v, sums), 1, 2)
        residual = [share / total for (share,) in missed.tolist()]
        # A pair that has converged stays as it is while others of the batch go on, until they need
        # an absorption: all pairs then continue from where they are.
        better = [r < b and b > settings.tolerance for r, b in zip(residual, best, strict=True)]
        best_v = _choose(better, v, best_v)
        best = [r if yes else b for r, b, yes in zip(residual, best, better, strict=True)]
        far = absorb and float((v.amax(2) / v.amin(2)).log().amax()) > settings.reach / 2
        if last or (not far and max(best) <= settings.tolerance):
            break
        if absorb and far:
            absorb(u, v)
            past = deque(((a / v, b / v) for a, b in past), past.maxlen)
            # What was below the floor of the kernel may now be above: residuals are found anew.
            best_v, best = torch.ones_like(v), [math.inf] * len(v)
        if since < period:
            v = past[-1][1]
            continue
        v = _extrapolate(past, settings.reach / 8)
        # Extrapolations can leap to and fro for ever, plain iterations cannot: after one that the
        # step has turned against, the next waits twice as long.
        earlier, step = step, (past[-1][1] / past[-1][0]).log_()
        turned = ((earlier * step).sum((1, 2)) < 0).tolist()
        if max(best) < 0.9 * before:
            period = settings.period
        elif any(t and b > settings.tolerance for t, b in zip(turned, best, strict=True)):
            period *= 2
        before, since = max(best), 0
    return best_v, best


def _choose(first: list[bool], a: Tensor, b: Tensor) -> Tensor:
    """a for the pairs of which `first` is true, b for the others."""
    if all(first):
        return a
    return torch.where(torch.tensor(first, device=a.device)[:, None, None], a, b)


def _extrapolate(past: Iterable[tuple[Tensor, Tensor]], furthest: float) -> Tensor:
    """Anderson acceleration of x = log v: the v that follows, largest entry 1.

    The combination of the last updates y for which the same combination of their steps y - x is
    smallest in the sense of least squares; each entry at most `furthest` from the last update. Near
    its end the iteration contracts by factors between 0 and 1, so that what is to come lies ahead:
    a combination that goes back, far from the end or by rounding, is replaced by the last update.
    """
    before, after = zip(*past, strict=True)
    x, y = torch.cat([*before, *after], 1).log_().chunk(2, 1)
    follows = y[:, -1:]
    if len(after) > 1:
        step = y - x
        steps, updates = step.diff(dim=1), y.diff(dim=1)
        gram = steps @ steps.mT
        gram.diagonal(dim1=1, dim2=2).mul_(1 + 1e-6).add_(torch.finfo(x.dtype).tiny)
        weights, _ = torch.linalg.solve_ex(gram, steps @ step[:, -1:].mT)
        change = weights.nan_to_num_(0.0, 0.0, 0.0).mT @ updates
        change -= change.mean(2, keepdim=True)  # the scale of v is of no account
        change *= (change * step[:, -1:]).sum(2, keepdim=True) <= 0
        follows = follows - change.clamp_(-furthest, furthest)
    return (follows - follows.amax(2, keepdim=True)).exp_()
