"""Entropic optimal transport between two sets of pixels: Sinkhorn's algorithm.

Pure tensor functions; nothing here knows about features, frames or videos.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Pairs are solved together until their kernels fill this many entries: on the CPU an iteration
# is bound by memory, so a large kernel is best finished before the next one evicts it.
_CPU_CHUNK = 2**20


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
    history: int = 10,
) -> tuple[Tensor, Tensor]:
    """Transport plans of least cost under entropic regularisation, with uniform marginals.

    argmin_T <T, cost> - epsilon * H(T), where T >= 0, T 1 = 1/N and T' 1 = 1/M, which has the
    form T = diag(u) exp(-cost / epsilon) diag(v). Each plan sums to 1; with `mass` = N its rows
    do, and for N = M its columns.

    An iteration updates u and v once each, two matrix-vector products and nothing else of size
    N x M, and Anderson acceleration extrapolates log v from the last few iterations: as good a
    plan in 3 to 20 times fewer iterations. `log_domain` sets how the scalings are kept:

    * False: u and v themselves, over the plain kernel. Where exp(-(max - min) / epsilon) comes
      near the smallest number of the dtype (cost in [0, 1] and float32: epsilon < 0.028), u and v
      could overflow and the log domain is used all the same.
    * True: as potentials in log space that are absorbed into the kernel as they grow, so that no
      epsilon under- or overflows. Costs one exponential of the kernel for each absorption.

    Args:
        cost: B x N x M, finite. float32 or float64; float16 and bfloat16 are raised to float32.
        epsilon: Strength of the regularisation, in units of the cost. Positive.
        max_iterations: Upper bound, reached where the tolerance cannot be. At least 1.
        tolerance: Stop once the residual is at most this. Less than 8 units of rounding of the
            dtype (1e-6 in float32) is out of reach and treated as that.
        log_domain: See above. Both agree up to rounding.
        dustbin: If given, a row and a column of this cost are appended that take what is better
            left unmatched: a pair that costs less than `dustbin` is worth matching (the form of
            SuperGlue, Sarlin et al. 2020). Pixels then weigh 1 / (N + M) each, the appended row
            M / (N + M) and the appended column N / (N + M).
        mass: What each plan is scaled to sum to in the end.
        history: Iterations that the acceleration looks back on; 0 is plain Sinkhorn-Knopp.

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
    if epsilon <= 0 or max_iterations < 1 or tolerance < 0 or history < 0:
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
    tolerance = max(tolerance, 8 * torch.finfo(cost.dtype).eps)
    plan = torch.empty(cost.shape, dtype=cost.dtype, device=cost.device)
    residual = cost.new_empty(len(cost))
    cells = cost.shape[1] * cost.shape[2]
    together = max(1, _CPU_CHUNK // cells if cost.device.type == "cpu" else len(cost))
    for start in range(0, len(cost), together):
        part = slice(start, start + together)
        residual[part] = _solve(
            cost[part],
            plan[part],
            rows,
            columns,
            epsilon=epsilon,
            max_iterations=max_iterations,
            tolerance=tolerance,
            log_domain=log_domain,
            mass=mass,
            history=history,
        )
    return plan, residual


def _solve(
    cost: Tensor,
    plan: Tensor,
    rows: Tensor,
    columns: Tensor,
    *,
    epsilon: float,
    max_iterations: int,
    tolerance: float,
    log_domain: bool,
    mass: float,
    history: int,
) -> Tensor:
    """Write the plans of B pairs over `plan`, which holds the kernel meanwhile; the residuals.

    Vectors are B x 1 x N or B x 1 x M: batched products of a *row* by a matrix are the fast ones.
    """
    low, high = (float(bound) for bound in torch.aminmax(cost))
    if not math.isfinite(high - low):
        raise ValueError("cost must be finite, found NaN or infinity")
    reach = math.log(torch.finfo(cost.dtype).max)
    largest = 0.15 * reach  # of |log u| and |log v| before they are absorbed
    log_domain = log_domain or (high - low) / epsilon > 0.4 * reach
    kernel = plan
    if log_domain:
        f = cost.amin(2)[:, None] / epsilon
        g = -torch.sub(f.mT, cost, alpha=1 / epsilon, out=kernel).amax(1, keepdim=True)
        _stable_kernel(cost, f, g, epsilon, out=kernel)
    else:
        f = g = cost.new_full((1, 1, 1), low / epsilon)
        torch.sub(f, cost, alpha=1 / epsilon, out=kernel).exp_()

    # Scaled to a mass of N, so that u and v stay around 1.
    rows, columns = rows * len(rows), columns.expand(len(cost), 1, -1) * len(rows)
    v = torch.ones_like(columns)
    x = torch.zeros_like(columns)  # log v
    best_u, best_v, best = torch.ones_like(cost[:, None, :, 0]), v, v.new_full((1, 1, 1), math.inf)
    anderson = _Anderson(x, history, largest / 2)
    for iteration in range(max_iterations):
        u = rows / torch.bmm(v, kernel.mT)
        sums = torch.bmm(u, kernel)
        residual = (v * sums - columns).abs_().sum(2, keepdim=True) / len(rows)
        # A pair that has converged stays as it is while others of the batch go on.
        better, worse = (residual < best) & (best > tolerance), residual > 2 * best
        best_u, best_v = torch.where(better, u, best_u), torch.where(better, v, best_v)
        best = torch.where(better, residual, best)
        if iteration == max_iterations - 1 or float(best.amax()) <= tolerance:
            break
        update = (columns / sums).log_()
        if log_domain and _largest_log(u, v) > largest:
            f, g, update = f + u.log(), g + x, update - x
            anderson.shift(x)
            _stable_kernel(cost, f, g, epsilon, out=kernel)
            x, best = torch.zeros_like(x), residual
            best_u, best_v = torch.ones_like(u), torch.ones_like(v)
        x = anderson.propose(x, update, worse)
        v = x.exp()
    torch.mul(kernel, best_u.mT, out=plan).mul_(best_v * (mass / len(rows)))
    return best[:, 0, 0]


def _stable_kernel(cost: Tensor, f: Tensor, g: Tensor, epsilon: float, *, out: Tensor) -> None:
    """exp(f_i + g_j - cost_ij / epsilon), raised to a floor where it is too small to matter.

    Subnormal numbers, here or in the plan, would be slower by orders of magnitude.
    """
    floor = -0.6 * math.log(torch.finfo(out.dtype).max)
    torch.sub(f.mT, cost, alpha=1 / epsilon, out=out).add_(g).clamp_min_(floor).exp_()


def _largest_log(*scalings: Tensor) -> float:
    """The largest |log| of any entry."""
    return max(abs(math.log(float(x))) for s in scalings for x in torch.aminmax(s))


class _Anderson:
    """Anderson acceleration of a fixed-point iteration x <- update(x), for a batch of B x 1 x M.

    The next x is the combination of the last updates for which the same combination of their
    steps (update - x) is smallest in the sense of least squares.
    """

    def __init__(self, x: Tensor, history: int, largest: float) -> None:
        self.history, self.largest, self.count = history, largest, -1
        self.step, self.update = x, x  # the last ones
        self.steps = x.new_zeros(len(x), history, x.shape[2])  # differences of successive ones
        self.updates = torch.zeros_like(self.steps)
        self.damping = torch.eye(history, dtype=x.dtype, device=x.device)

    def propose(self, x: Tensor, update: Tensor, restart: Tensor) -> Tensor:
        """The x that follows; where `restart` (B x 1 x 1) is true, the past is forgotten."""
        step = update - x
        if self.history and self.count >= 0:
            slot = slice(self.count % self.history, self.count % self.history + 1)
            self.steps[:, slot] = step - self.step
            self.updates[:, slot] = update - self.update
            if bool(restart.any()):
                self.steps *= ~restart
            gram = self.steps @ self.steps.mT
            scale = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
            gram += self.damping * (scale * 1e-7 + torch.finfo(x.dtype).tiny)
            weights, _ = torch.linalg.solve_ex(gram, self.steps @ step.mT)
            x = (weights.mT @ self.updates).nan_to_num_(0.0).clamp_(-self.largest, self.largest)
            x = update - x
        else:
            x = update
        self.step, self.update, self.count = step, update, self.count + 1
        return x

    def shift(self, x: Tensor) -> None:
        """Follow a move of the origin to `x`."""
        self.update = self.update - x
