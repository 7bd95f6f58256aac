"""Sinkhorn's iterations in PyTorch, for batches of pairs on any device; see `policy`.

Vectors are B x 1 x N or B x 1 x M: batched products of a *row* by a matrix are the fast ones.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

from pixelkin.ops.transport.policy import Absorb, Policy, Settings, coarse_start, next_wait

CPU_CACHE = 2**20  # bytes

Residuals = TypeVar("Residuals")


def pairs_at_a_time(cost: Tensor) -> int:
    """How many pairs of B x N x M costs to solve together: all; on the CPU what its cache holds."""
    return max(1, CPU_CACHE // cost[0].nbytes) if cost.device.type == "cpu" else len(cost)


def solve(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    mass: float,
    settings: Settings,
    *,
    coarse: bool,
    absorb: Absorb | None = None,
) -> list[float]:
    """See `policy.Solve`."""
    return solve_by(_scale, kernel, rows, columns, mass, settings, coarse, absorb)


def solve_by(
    scale: Callable[..., tuple[Tensor, Residuals]],
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    mass: float,
    settings: Settings,
    coarse: bool,
    absorb: Absorb | None,
) -> Residuals:
    """What `policy.Solve` says, with the iterations of `scale`, a function like `_scale`."""
    v = columns.new_ones(len(kernel), 1, len(columns))
    if coarse:
        v = coarse_start(kernel, settings, halve, lambda *problem: scale(*problem)[0])
    v, residual = scale(kernel, rows, columns, v, settings, absorb)
    u = rows / torch.bmm(v, kernel.mT)
    kernel.mul_(u.mT).mul_(v * mass)
    return residual


def halve(kernel: Tensor) -> Tensor:
    """A coarse kernel, see `coarse_start`: of every second row the sums of two columns each."""
    half, m = kernel[:, : kernel.shape[1] // 2 * 2 : 2], kernel.shape[2] // 2 * 2
    return half[..., :m:2] + half[..., 1:m:2]


def _scale(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    v: Tensor,
    settings: Settings,
    absorb: Absorb | None = None,
) -> tuple[Tensor, list[float]]:
    """The scalings v of B kernels' columns, beginning with v, and the residuals."""
    policy, total = settings.policy, float(columns.sum())
    past: deque[tuple[Tensor, Tensor]] = deque(maxlen=policy.history + 1)  # v and what follows it
    best_v, best = v, [math.inf] * len(v)
    before, wait, since = math.inf, policy.period, 0
    step = torch.zeros_like(v)
    for iteration in range(1, settings.max_iterations + 1):
        u = rows / torch.bmm(v, kernel.mT)
        sums = torch.bmm(u, kernel)
        update = columns / sums
        past.append((v, update))
        since += 1
        last = iteration == settings.max_iterations
        if since % policy.period and not last:
            v = update
            continue
        missed = torch.linalg.vector_norm(torch.addcmul(-columns, v, sums), 1, 2)
        residual = [share / total for (share,) in missed.tolist()]
        # A pair that has converged stays as it is while others of the batch go on, until they need
        # an absorption: all pairs then continue from where they are.
        better = [r < b and b > settings.tolerance for r, b in zip(residual, best, strict=True)]
        best_v = _choose(better, v, best_v)
        best = [r if yes else b for r, b, yes in zip(residual, best, better, strict=True)]
        far = absorb and float((v.amax(2) / v.amin(2)).log().amax()) > settings.widest
        if last or (not far and max(best) <= settings.tolerance):
            break
        if absorb and far:
            absorb(u, v)
            past = deque(((a / v, b / v) for a, b in past), past.maxlen)
            best_v, best = torch.ones_like(v), [math.inf] * len(v)
        if since < wait:
            v = past[-1][1]
            continue
        v = extrapolate(past, settings.furthest, policy)
        earlier, step = step, (past[-1][1] / past[-1][0]).log_()
        turned = ((earlier * step).sum((1, 2)) < 0).tolist()
        against = any(t and b > settings.tolerance for t, b in zip(turned, best, strict=True))
        wait = next_wait(wait, policy, max(best), before, against)
        before, since = max(best), 0
    return best_v, best


def _choose(first: list[bool], a: Tensor, b: Tensor) -> Tensor:
    """a for the pairs of which `first` is true, b for the others."""
    if all(first):
        return a
    return torch.where(torch.tensor(first, device=a.device)[:, None, None], a, b)


def extrapolate(past: Iterable[tuple[Tensor, Tensor]], furthest: float, policy: Policy) -> Tensor:
    """The v that follows, from those of the past and what followed them, the last one last."""
    before, after = zip(*past, strict=True)
    x, y = torch.cat([*before, *after], 1).log_().chunk(2, 1)
    follows = y[:, -1:]
    if len(after) > 1:
        step = y - x
        steps, updates = step.diff(dim=1), y.diff(dim=1)
        # Least squares by the normal equations.
        gram = steps @ steps.mT
        gram.diagonal(dim1=1, dim2=2).mul_(1 + policy.ridge).add_(torch.finfo(x.dtype).tiny)
        weights, _ = torch.linalg.solve_ex(gram, steps @ step[:, -1:].mT)
        change = weights.nan_to_num_(0.0, 0.0, 0.0).mT @ updates
        change -= change.mean(2, keepdim=True)
        change *= (change * step[:, -1:]).sum(2, keepdim=True) <= 0
        follows = follows - change.clamp_(-furthest, furthest)
    return (follows - follows.amax(2, keepdim=True)).exp_()
