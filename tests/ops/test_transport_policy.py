"""What makes Sinkhorn's iterations few: extrapolations, their waits, and the coarse start."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.ops.transport import Policy, plain, sinkhorn


def costs(b: int, n: int, m: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.rand(b, n, m, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def matching_costs(n: int, noise: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Cosine distances of noisy copies: a few pixels compete, which is slow to settle."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(n, 16, dtype=torch.float64, generator=generator)
    b = a + noise * torch.randn(n, 16, dtype=torch.float64, generator=generator)
    return (1 - torch.cosine_similarity(a[:, None], b[None], dim=-1))[None].to(dtype)


def test_without_history_it_is_plain_sinkhorn_step_by_step(how: dict[str, Any]) -> None:
    policy = Policy(history=0, coarsest=8)  # no coarse start either
    cost = costs(1, 30, 30)
    # The log domain starts from other potentials: those in which every row and column has a 1.
    start = torch.zeros(30, dtype=torch.float64)
    if how["log_domain"]:
        start = (cost - cost.amin(2, keepdim=True)).amin(1)
    for k in range(1, 6):
        plan, residual = sinkhorn(cost, max_iterations=k, tolerance=0, policy=policy, **how)
        expected, of_plain = plain.sinkhorn(cost - start, max_iterations=k, tolerance=0)
        torch.testing.assert_close(plan, expected, rtol=1e-10, atol=0)
        torch.testing.assert_close(residual, of_plain, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("coarsest", [1, 8])  # five levels below, and two
@pytest.mark.parametrize("shape", [(40, 40), (37, 53), (53, 36)])
def test_coarse_start_leads_to_the_plan_of_the_plain_form(
    shape: tuple[int, int], coarsest: int, how: dict[str, Any]
) -> None:
    cost, policy = costs(2, *shape), Policy(coarsest=coarsest)
    plan, residual = sinkhorn(
        cost, epsilon=0.05, max_iterations=1000, tolerance=1e-12, policy=policy, **how
    )
    assert float(residual.max()) <= 1e-12
    expected, _ = plain.sinkhorn(cost, epsilon=0.05, max_iterations=20_000, tolerance=1e-13)
    torch.testing.assert_close(plan, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("epsilon", "times"), [(0.05, 100), (0.02, 1000), (0.012, 200)])
def test_coarse_start_saves_iterations_where_neighbours_are_alike(
    epsilon: float, times: int, how: dict[str, Any]
) -> None:
    # Two curves in space: next on the curve, next in the matrix; far from each other, so that
    # the potentials have a way to go.
    a, b = torch.linspace(0, 6, 96, dtype=torch.float64), torch.linspace(1, 5, 96).double()
    first = torch.stack([a.cos(), a.sin(), a / 6], 1)
    second = torch.stack([b.cos(), b.sin(), 0.2 + b.square() / 30], 1)
    cost = torch.cdist(first, second)[None].float()
    cost /= cost.max()  # below an epsilon of 0.019 the log domain takes over
    residuals = []
    for coarsest in (200, 16):
        policy = Policy(coarsest=coarsest)
        _, residual = sinkhorn(
            cost, epsilon=epsilon, max_iterations=15, tolerance=0, policy=policy, **how
        )
        residuals.append(residual)
    assert float(residuals[1]) < float(residuals[0]) / times


def test_acceleration_needs_fewer_iterations(how: dict[str, Any]) -> None:
    cost = matching_costs(80, 0.5)
    unhurried, accelerated = (
        sinkhorn(cost, max_iterations=100, tolerance=0, policy=Policy(history=h), **how)[1]
        for h in (0, 5)
    )
    assert float(accelerated) < float(unhurried) / 50


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.02, 0.01])
def test_acceleration_does_not_leap_to_and_fro(
    epsilon: float, dtype: torch.dtype, how: dict[str, Any]
) -> None:
    # Two groups of rows, three to share two columns: residuals are alike on both sides.
    three = torch.tensor([[[0.0, 0.5], [0.2, 0.4], [0.5, 0.1]]], dtype=dtype)
    for cost in (three, costs(40, 7, 3, dtype), costs(40, 9, 2, dtype)):
        _, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=1000, **how)
        assert float(residual.max()) <= 1e-3


@pytest.mark.parametrize("epsilon", [0.1, 0.05])
@pytest.mark.parametrize("n", [12, 24])
def test_acceleration_does_not_go_round_in_circles(
    n: int, epsilon: float, how: dict[str, Any]
) -> None:
    # Two groups of rows and columns, of which each has either too many rows or too few.
    group = torch.arange(n)
    cost = ((group < n // 3)[:, None] != (group < n // 2)) + 0.02 * costs(8, n, n, torch.float32)
    _, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=400, **how)
    assert float(residual.max()) <= 1e-3


@pytest.mark.parametrize("seed", [10, 20])
def test_both_forms_wait_alike(seed: int) -> None:
    # Progress of 0: waits never become shorter; of infinity: never longer. Here both matter.
    pytest.importorskip("numba")
    cost, found = costs(1, 12, 12, seed=seed), []
    for progress in (0.0, 0.9, math.inf):
        compiled, pytorch = (
            sinkhorn(
                cost,
                epsilon=0.02,
                max_iterations=20,
                tolerance=0,
                form=form,
                policy=Policy(progress=progress),
            )[0]
            for form in ("numba", "torch")
        )
        torch.testing.assert_close(compiled, pytorch, rtol=1e-7, atol=0)
        found.append(compiled)
    longer, usual, shorter = found
    for other in (longer, shorter):
        assert float((other - usual).abs().max() / usual.max()) > 1e-4
