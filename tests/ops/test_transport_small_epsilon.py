"""Epsilons so small that kernels underflow and potentials have to be absorbed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.ops.transport import Policy, plain, sinkhorn


def costs(b: int, n: int, m: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.rand(b, n, m, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def with_offsets(cost: Tensor, seed: int = 0) -> Tensor:
    """Each row and column offset by up to 1: potentials move by hundreds of epsilons."""
    b, n, m = cost.shape
    return cost + costs(b, n, 1, seed=seed + 1000) + costs(b, 1, m, seed=seed + 2000)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1e-2, 1e-4])
def test_small_epsilon_neither_over_nor_underflows(
    epsilon: float, dtype: torch.dtype, how: dict[str, Any]
) -> None:
    # The cheapest permutation is the identity; all other pairs cost at least 0.1 more.
    n = 40
    cost = 0.3 + 0.7 * costs(1, n, n, dtype)
    cost[0].fill_diagonal_(0.2)
    plan, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=200, tolerance=5e-6, **how)
    assert float(residual) <= 5e-6
    expected = torch.eye(n, dtype=dtype) / n
    torch.testing.assert_close(plan[0], expected, rtol=1e-3, atol=2e-5 if epsilon > 1e-3 else 1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_long_way_of_the_potentials_is_absorbed(dtype: torch.dtype, how: dict[str, Any]) -> None:
    epsilon = 5e-3
    base = costs(1, 30, 30, seed=1)
    cost = with_offsets(base).to(dtype)
    kernel_plan, _ = sinkhorn(base, epsilon=epsilon, max_iterations=1000, tolerance=1e-8)
    plan, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=1000, tolerance=1e-5, **how)
    assert float(residual) <= 1e-5
    # Offsets change the potentials alone. Rounding the cost by 1e-7 is 2e-5 epsilons.
    torch.testing.assert_close(plan.double(), kernel_plan, rtol=0, atol=2e-5)


@pytest.mark.parametrize("seed", [192, 288])
def test_residual_is_that_of_the_plan_after_absorption(seed: int, how: dict[str, Any]) -> None:
    cost = with_offsets(costs(1, 10, 10, seed=seed), seed).float()
    plan, residual = sinkhorn(cost, epsilon=7e-4, max_iterations=30, **how)
    torch.testing.assert_close((plan.sum(1) - 0.1).abs().sum(1), residual, rtol=1e-4, atol=1e-5)


def test_plan_has_the_form_of_the_solution_where_it_is_not_the_floor_of_the_kernel(
    how: dict[str, Any],
) -> None:
    # The tolerance is met first by large entries that stand on the kernel's floor.
    cost, epsilon = costs(1, 20, 20, seed=6315).float(), 7e-4
    plan, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=300, tolerance=0.2, **how)
    assert float(residual) <= 0.2
    # log T + cost / epsilon = f_i + g_j: its mixed differences vanish, here over all entries of
    # T that count.
    form = plan[0].double().log() + cost[0].double() / epsilon
    form[plan[0] < 1e-4 / 400] = math.nan
    difference = form[:, None] - form
    mixed = difference[..., :, None] - difference[..., None, :]
    assert float(mixed[mixed.isfinite()].abs().max()) < 1e-2


@pytest.mark.parametrize("seed", [167, 207, 227])
def test_coarse_start_does_not_overflow(seed: int, how: dict[str, Any]) -> None:
    policy = Policy(coarsest=2)
    cost = costs(1, 10, 80, torch.float32, seed=seed)
    plan, residual = sinkhorn(cost, epsilon=5e-4, tolerance=1e-2, policy=policy, **how)
    assert bool(plan.isfinite().all()) and bool(residual.isfinite().all())
    torch.testing.assert_close(plan.sum(2), torch.full((1, 10), 0.1), rtol=1e-4, atol=0)
    torch.testing.assert_close((plan.sum(1) - 1 / 80).abs().sum(1), residual, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", [2, 6])
def test_acceleration_does_not_stall_in_the_log_domain(seed: int, how: dict[str, Any]) -> None:
    cost = with_offsets(costs(1, 20, 20, seed=seed), seed).float()
    _, residual = sinkhorn(cost, epsilon=7e-4, max_iterations=1000, **how)
    assert float(residual) <= 1e-3


def test_acceleration_does_not_stall_in_the_plain_domain(how: dict[str, Any]) -> None:
    # Two groups of rows and columns of unequal size, far apart; the log domain is close.
    cost = 0.01 * costs(8, 12, 12, seed=1)
    cost[:, :6, 4:] += 0.5 + 0.3 * costs(8, 6, 8, seed=2)
    cost[:, 6:, :4] += 0.5 + 0.3 * costs(8, 6, 4, seed=3)
    _, residual = sinkhorn(cost, epsilon=2e-3, max_iterations=1000, **how)
    assert float(residual.max()) <= 1e-3


@pytest.mark.parametrize("epsilon", [4e-3, 1e-3])
def test_potentials_of_groups_far_from_each_other_find_their_way(
    epsilon: float, how: dict[str, Any]
) -> None:
    # Too many rows in one group, too few in the other: hundreds of epsilons to go, at steps of 0.4.
    cost = 0.01 * costs(6, 24, 24, torch.float32, seed=1)
    cost[:, :12, 10:] += 0.5 + 0.3 * costs(6, 12, 14, torch.float32, seed=2)
    cost[:, 12:, :10] += 0.5 + 0.3 * costs(6, 12, 10, torch.float32, seed=3)
    _, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=600, **how)
    assert float(residual.max()) <= 1e-3


@pytest.mark.parametrize("history", [0, 5])
def test_absorption_keeps_the_plan(history: int, how: dict[str, Any]) -> None:
    base = costs(1, 24, 24, seed=1) * 0.2
    cost = with_offsets(base).float()
    settings = {"max_iterations": 4000, "tolerance": 1e-4, **how}
    expected, _ = sinkhorn(base, epsilon=5e-3, **settings)
    plan, residual = sinkhorn(cost, epsilon=5e-3, policy=Policy(history=history), **settings)
    assert float(residual) <= 1e-4
    torch.testing.assert_close(plan.double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("iterations", [1, 2, 100, 200])
def test_without_history_it_is_plain_sinkhorn_also_where_it_absorbs(
    iterations: int, how: dict[str, Any]
) -> None:
    epsilon, n = 1e-3, 12
    cost = 0.01 * costs(1, n, n, torch.float32, seed=1)
    cost[:, :6, 4:] += 0.5  # the potentials move by 0.4 epsilons in each iteration
    cost[:, 6:, :4] += 0.5
    settings = {"epsilon": epsilon, "max_iterations": iterations, "tolerance": 0}
    plan, _ = sinkhorn(cost, policy=Policy(history=0), **settings, **how)
    # Both domains start here, as the log domain does anyway.
    cost = cost.double()
    start = (cost - cost.amin(2, keepdim=True)).amin(1)
    expected, _ = plain.sinkhorn(cost - start, **settings)
    torch.testing.assert_close(plan.double(), expected, rtol=2e-3, atol=1e-15)


@pytest.mark.parametrize(("epsilon", "scale"), [(1e-41, 1.0), (1e-8, 1.0), (1e-2, 1e6)])
def test_epsilon_that_rounding_swallows_is_refused(epsilon: float, scale: float) -> None:
    with pytest.raises(ValueError, match="is too small for"):
        sinkhorn(scale * costs(1, 3, 3, torch.float32), epsilon=epsilon)
