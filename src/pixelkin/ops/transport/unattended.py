"""Sinkhorn's iterations in PyTorch without a look from the processor: for GPUs, see `policy`.

What `in_torch` decides on the processor, from numbers that it waits for, is decided here on the
device, pair by pair, by `torch.where`. So nothing can end early: `max_iterations` are done, and
what has converged keeps the scalings that it had then. In the log domain kernels are computed anew
at every look, with what the pairs that need it absorb, and without a change for the others.
"""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from pixelkin.ops.transport.in_torch import extrapolate, solve_by
from pixelkin.ops.transport.policy import Absorb, Policy, Settings


def solve(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    mass: float,
    settings: Settings,
    *,
    coarse: bool,
    absorb: Absorb | None = None,
) -> Tensor:
    """See `policy.Solve`."""
    return solve_by(_scale, kernel, rows, columns, mass, settings, coarse, absorb)


def _scale(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    v: Tensor,
    settings: Settings,
    absorb: Absorb | None = None,
) -> tuple[Tensor, Tensor]:
    """The scalings v of B kernels' columns, beginning with v, and the residuals, B."""
    policy, total = settings.policy, columns.sum()
    past: deque[tuple[Tensor, Tensor]] = deque(maxlen=policy.history + 1)  # v and what follows it
    best_v, best = v, v.new_full((len(v), 1, 1), math.inf)
    waits = _Waits(v, policy)
    for iteration in range(1, settings.max_iterations + 1):
        u = rows / torch.bmm(v, kernel.mT)
        sums = torch.bmm(u, kernel)
        past.append((v, columns / sums))
        last = iteration == settings.max_iterations
        if iteration % policy.period and not last:
            v = past[-1][1]
            continue
        missed = torch.linalg.vector_norm(torch.addcmul(-columns, v, sums), 1, 2, keepdim=True)
        better = (missed / total < best) & (best > settings.tolerance)
        best_v, best = torch.where(better, v, best_v), torch.where(better, missed / total, best)
        if last:
            break
        if absorb:
            far = (v.amax(2, keepdim=True) / v.amin(2, keepdim=True)).log() > settings.widest
            u, v = torch.where(far, u, 1), torch.where(far, v, 1)
            absorb(u, v)
            past = deque(((a / v, b / v) for a, b in past), past.maxlen)
            best_v = torch.where(far, 1, best_v)
            best = torch.where(far, math.inf, best)
        leap = waits.over()
        v = torch.where(leap, extrapolate(past, settings.furthest, policy), past[-1][1])
        waits.begin(leap, past[-1], best, settings.tolerance)
    return best_v, best.flatten()


class _Waits:
    """How long each pair's next extrapolation waits, in looks; `policy.next_wait` on the device."""

    def __init__(self, v: Tensor, policy: Policy) -> None:
        self._policy = policy
        self._wait = v.new_ones(len(v), 1, 1)
        self._since = v.new_zeros(len(v), 1, 1)
        self._before = v.new_full((len(v), 1, 1), math.inf)
        self._step = torch.zeros_like(v)

    def over(self) -> Tensor:
        """Counts a look; for which pairs, B x 1 x 1, the wait is over with it."""
        self._since = self._since + 1
        return self._since >= self._wait

    def begin(
        self, leap: Tensor, last: tuple[Tensor, Tensor], best: Tensor, tolerance: float
    ) -> None:
        """The pairs that leapt wait anew.

        Args:
            leap: Which did.
            last: Their v before, and what followed it.
            best: Their least residual so far.
            tolerance: See `Settings`.
        """
        step = (last[1] / last[0]).log()
        turned = ((self._step * step).sum(2, keepdim=True) < 0) & (best > tolerance)
        wait = torch.where(turned, 2 * self._wait, self._wait)
        wait = torch.where(best < self._policy.progress * self._before, 1, wait)
        self._wait = torch.where(leap, wait, self._wait)
        self._before = torch.where(leap, best, self._before)
        self._step = torch.where(leap, step, self._step)
        self._since = torch.where(leap, 0, self._since)
