"""Plans, marginals and residuals of Sinkhorn's algorithm, whichever form computes them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import ot
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


def pot(cost: Tensor, epsilon: float, method: str) -> Tensor:
    n, m = cost.shape
    a, b = cost.new_full((n,), 1 / n), cost.new_full((m,), 1 / m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ot.sinkhorn(a, b, cost, epsilon, method=method, numItermax=20000, stopThr=1e-13)


def missed(plan: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return (plan.sum(2) - rows).abs().sum(1), (plan.sum(1) - columns).abs().sum(1)


@pytest.mark.parametrize("dustbin", [None, 0.4])
def test_the_plain_form_is_that_of_pot(dustbin: float | None) -> None:
    cost = costs(2, 17, 21)
    plan, residual = plain.sinkhorn(
        cost, epsilon=0.05, max_iterations=5000, tolerance=1e-13, dustbin=dustbin, mass=3.0
    )
    a, b = [1.0] * 17, [1.0] * 21
    if dustbin is not None:
        a, b = [*a, 21.0], [*b, 17.0]
        cost = torch.cat([cost, cost.new_full((2, 17, 1), dustbin)], 2)
        cost = torch.cat([cost, cost.new_full((2, 1, 22), dustbin)], 1)
    rows, columns = (torch.tensor(x, dtype=torch.float64) / sum(x) for x in (a, b))
    for c, p in zip(cost, plan, strict=True):
        expected = ot.sinkhorn(rows, columns, c, 0.05, "sinkhorn_log", 20000, 1e-13)
        torch.testing.assert_close(p, 3 * expected, rtol=1e-8, atol=1e-14)
    assert float(residual.max()) <= 1e-13
    torch.testing.assert_close(missed(plan / 3, rows, columns)[1], residual, rtol=0.1, atol=1e-14)


@pytest.mark.parametrize("dustbin", [None, 0.4])
@pytest.mark.parametrize("epsilon", [0.1, 0.02])
def test_plan_is_that_of_the_plain_form(
    epsilon: float, dustbin: float | None, how: dict[str, Any]
) -> None:
    settings = {"epsilon": epsilon, "tolerance": 1e-12, "dustbin": dustbin, "mass": 20.0}
    cost = costs(3, 20, 26)
    plan, residual = sinkhorn(cost, max_iterations=3000, **settings, **how)
    expected, _ = plain.sinkhorn(cost, max_iterations=20_000, **settings)
    assert float(residual.max()) <= 1e-12
    torch.testing.assert_close(plan, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.02])
@pytest.mark.parametrize("shape", [(24, 24), (17, 31)])
def test_plan_is_that_of_pot(shape: tuple[int, int], epsilon: float, how: dict[str, Any]) -> None:
    cost = costs(2, *shape)
    plan, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=2000, tolerance=1e-12, **how)
    assert float(residual.max()) <= 1e-12
    method = "sinkhorn_log" if how["log_domain"] else "sinkhorn"
    for c, p in zip(cost, plan, strict=True):
        torch.testing.assert_close(p, pot(c, epsilon, method), rtol=1e-6, atol=1e-12)


def test_slow_problem_settles_to_the_plan_of_pot(how: dict[str, Any]) -> None:
    cost = matching_costs(80, 0.5)
    plan, residual = sinkhorn(cost, epsilon=0.05, max_iterations=1000, tolerance=1e-12, **how)
    assert float(residual) <= 1e-12
    torch.testing.assert_close(plan[0], pot(cost[0], 0.05, "sinkhorn"), rtol=1e-6, atol=1e-10)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the same for all examples
)
@given(
    st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.floats(-3, 2), st.booleans(),
    st.integers(0, 1000),
)  # fmt: skip
def test_marginals_for_any_shape_and_epsilon(
    how: dict[str, Any], b: int, n: int, m: int, exponent: float, dustbin: bool, seed: int
) -> None:
    plan, residual = sinkhorn(
        costs(b, n, m, seed=seed),
        epsilon=10**exponent,
        max_iterations=50,
        tolerance=1e-6,
        **how,
        dustbin=0.4 if dustbin else None,
    )
    rows, columns = torch.full((n,), 1.0), torch.full((m,), 1.0)
    rows, columns = rows.double() / n, columns.double() / m
    if dustbin:
        rows = torch.tensor([1.0] * n + [m], dtype=torch.float64) / (n + m)
        columns = torch.tensor([1.0] * m + [n], dtype=torch.float64) / (n + m)
    assert plan.shape == (b, len(rows), len(columns)) and residual.shape == (b,)
    assert bool((plan >= 0).all())
    of_rows, of_columns = missed(plan, rows, columns)
    assert float(of_rows.max()) < 1e-9
    torch.testing.assert_close(of_columns, residual, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("dtype", "floor"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
def test_unreachable_tolerance_ends_near_rounding(
    dtype: torch.dtype, floor: float, how: dict[str, Any]
) -> None:
    plan, residual = sinkhorn(costs(1, 64, 64, dtype), max_iterations=3000, tolerance=0.0, **how)
    assert plan.dtype == residual.dtype == dtype
    assert float(residual) <= floor


def test_too_few_iterations_still_give_a_plan_and_say_so(how: dict[str, Any]) -> None:
    cost = matching_costs(60, 0.8, torch.float32)
    plan, residual = sinkhorn(cost, epsilon=1e-4, max_iterations=3, tolerance=1e-9, **how)
    assert bool(plan.isfinite().all())
    assert float(residual) > 1e-3
    uniform = torch.full((60,), 1 / 60)
    torch.testing.assert_close(missed(plan, uniform, uniform)[1], residual, rtol=1e-4, atol=1e-6)


def test_domains_agree() -> None:
    cost = costs(3, 20, 26)
    kernel, log = (
        sinkhorn(cost, max_iterations=500, tolerance=1e-13, log_domain=d)[0] for d in (False, True)
    )
    torch.testing.assert_close(kernel, log, rtol=1e-8, atol=1e-15)


def test_limits_of_epsilon() -> None:
    cost = costs(1, 6, 6)
    flat, _ = sinkhorn(cost, epsilon=1e5, max_iterations=100, tolerance=1e-12)
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / 36), rtol=1e-4, atol=0)
    sharp, _ = sinkhorn(cost, epsilon=1e-3, max_iterations=2000, tolerance=1e-10)
    exact = torch.from_numpy(ot.emd([], [], cost[0].numpy()))
    torch.testing.assert_close(sharp[0], exact, rtol=0, atol=1e-6)


def test_what_all_costs_share_is_of_no_account(how: dict[str, Any]) -> None:
    # Multiples of 1 / 16: exact in float32 with the offset too.
    cost = (costs(2, 20, 30, torch.float32) * 32).round() / 16
    settings = {"epsilon": 0.1, "tolerance": 1e-5, "max_iterations": 500, **how}
    plan, _ = sinkhorn(cost, **settings)  # type: ignore[arg-type]
    for offset in (-1e5, 1e5):
        assert torch.equal(sinkhorn(cost + offset, **settings)[0], plan)  # type: ignore[arg-type]


def test_symmetric_cost_has_a_symmetric_plan(how: dict[str, Any]) -> None:
    cost = costs(1, 15, 15)
    cost = cost + cost.mT
    plan, _ = sinkhorn(cost, max_iterations=1000, tolerance=1e-13, **how)
    torch.testing.assert_close(plan, plan.mT, rtol=1e-8, atol=1e-14)


def test_dustbin_takes_what_is_not_worth_matching(how: dict[str, Any]) -> None:
    n = 12
    cost = torch.ones(1, n, n)
    cost[0].fill_diagonal_(0.0)
    cost[0, 5] = 1.0  # pixel 5 is occluded
    plan, _ = sinkhorn(
        cost,
        epsilon=0.02,
        dustbin=0.5,
        mass=2 * n,
        max_iterations=500,
        tolerance=1e-5,
        **how,
    )
    matched = plan[0, :n, :n].diagonal()
    assert float(plan[0, 5, n]) == pytest.approx(1, abs=1e-3)
    assert float(plan[0, n, 5]) == pytest.approx(1, abs=1e-3)
    assert float(matched[torch.arange(n) != 5].min()) > 0.9
    assert float(matched[5]) < 1e-3


def test_mass_scales_the_plan_alone(how: dict[str, Any]) -> None:
    cost = costs(2, 5, 7)
    (plan, residual), (scaled, same) = (sinkhorn(cost, mass=mass, **how) for mass in (1.0, 5.0))
    torch.testing.assert_close(scaled, 5 * plan)
    torch.testing.assert_close(residual, same)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised(dtype: torch.dtype) -> None:
    cost = costs(1, 10, 10).to(dtype)
    plan, _ = sinkhorn(cost)
    assert plan.dtype == torch.float32
    torch.testing.assert_close(plan, sinkhorn(cost.float())[0])


def test_cost_is_left_alone_and_nothing_is_differentiated(how: dict[str, Any]) -> None:
    cost = costs(1, 5, 5).requires_grad_()
    before = cost.detach().clone()
    plan, residual = sinkhorn(cost, **how)
    assert not plan.requires_grad and not residual.requires_grad
    assert torch.equal(cost.detach(), before)


def test_no_pair_at_all() -> None:
    plan, residual = sinkhorn(torch.zeros(0, 3, 4))
    assert plan.shape == (0, 3, 4) and residual.shape == (0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_cost_must_be_finite(bad: float) -> None:
    cost = costs(1, 4, 4)
    cost[0, 1, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        sinkhorn(cost)


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.0},
        {"epsilon": math.nan},
        {"tolerance": math.nan},
        {"max_iterations": 0},
        {"tolerance": -1.0},
        {"form": "fast"},
        {"policy": Policy(history=-1)},
        {"policy": Policy(period=0)},
        {"policy": Policy(coarsest=0)},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        sinkhorn(costs(1, 3, 3), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("cost", [torch.zeros(3, 3), torch.zeros(1, 3, 3, dtype=torch.int64)])
def test_cost_of_another_kind_is_refused(cost: Tensor) -> None:
    with pytest.raises(ValueError, match="B x N x M"):
        sinkhorn(cost)
