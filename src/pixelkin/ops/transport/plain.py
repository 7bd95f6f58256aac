"""Sinkhorn's algorithm as textbooks have it: what the tests hold the fast forms to.

In the log domain, float64, without acceleration, a start or a floor: nothing but the definition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def sinkhorn(
    cost: Tensor,
    *,
    epsilon: float = 0.05,
    max_iterations: int = 30,
    tolerance: float = 1e-3,
    dustbin: float | None = None,
    mass: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """`pixelkin.ops.transport.sinkhorn`, slowly: the same arguments, and the same to return.

    With potentials f and g (N and M), T_ij = exp(f_i + g_j - cost_ij / epsilon). In turns, f is
    set so that rows sum to their marginal, and g so that columns do. Begins with g = 0 and ends
    after f, so that the rows are exact. All pairs go on until the last has converged.

    Args:
        cost: B x N x M.
        epsilon: Strength of the regularisation, in units of the cost.
        max_iterations: Upper bound, at least 1.
        tolerance: Stop once all residuals are at most this.
        dustbin: Cost of the row and the column that are appended, if given.
        mass: What each plan sums to.

    Returns:
        plan: B x N x M, or B x (N + 1) x (M + 1), float64.
        residual: B, float64, for a mass of 1.

    Source:
        [P] M. Cuturi, "Sinkhorn distances", NIPS 2013, https://arxiv.org/abs/1306.0895; dust-bin:
        [P] P.-E. Sarlin et al., "SuperGlue", CVPR 2020, https://arxiv.org/abs/1911.11763.
    """
    _, n, m = cost.shape
    rows, columns = torch.ones(n), torch.ones(m)
    if dustbin is not None:
        cost = F.pad(cost, (0, 1, 0, 1), value=dustbin)
        rows, columns = F.pad(rows, (0, 1), value=m), F.pad(columns, (0, 1), value=n)
    rows, columns = (x.to(cost.device).double() / x.double().sum() for x in (rows, columns))
    score = -cost.double() / epsilon
    g = torch.zeros_like(score[:, :1])
    for _ in range(max_iterations):
        f = rows.log()[:, None] - (score + g).logsumexp(2, keepdim=True)
        plan = (score + f + g).exp()
        residual = (plan.sum(1) - columns).abs().sum(1)
        if bool((residual <= tolerance).all()):
            break
        g = columns.log() - (score + f).logsumexp(1, keepdim=True)
    return mass * plan, residual
