from __future__ import annotations

import math
import sys
import warnings

import ot
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pixelkin.ops import transport
from pixelkin.ops.transport import sinkhorn


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


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.02])
@pytest.mark.parametrize("shape", [(24, 24), (17, 31)])
def test_plan_is_that_of_pot(shape: tuple[int, int], epsilon: float, log_domain: bool) -> None:
    cost = costs(2, *shape)
    plan, residual = sinkhorn(
        cost, epsilon=epsilon, max_iterations=2000, tolerance=1e-12, log_domain=log_domain
    )
    assert float(residual.max()) <= 1e-12
    method = "sinkhorn_log" if log_domain else "sinkhorn"
    for c, p in zip(cost, plan, strict=True):
        torch.testing.assert_close(p, pot(c, epsilon, method), rtol=1e-6, atol=1e-12)


def test_slow_problem_settles_to_the_plan_of_pot(log_domain: bool) -> None:
    cost = matching_costs(80, 0.5)
    plan, residual = sinkhorn(
        cost, epsilon=0.05, max_iterations=1000, tolerance=1e-12, log_domain=log_domain
    )
    assert float(residual) <= 1e-12
    torch.testing.assert_close(plan[0], pot(cost[0], 0.05, "sinkhorn"), rtol=1e-6, atol=1e-10)


def test_without_history_it_is_plain_sinkhorn_step_by_step(
    log_domain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelkin.ops.transport.COARSEST", 8)  # no coarse start either
    cost = costs(1, 30, 30)
    kernel = torch.exp(-cost[0] / 0.05)
    # The log domain starts from other potentials: those in which every row and column has a 1.
    v = torch.ones(30, dtype=torch.float64)
    if log_domain:
        v = torch.exp((cost[0] - cost[0].amin(1, keepdim=True)).amin(0) / 0.05)
    for k in range(1, 6):
        u = 1 / (30 * (kernel @ v))
        plan, residual = sinkhorn(
            cost, max_iterations=k, tolerance=0, history=0, log_domain=log_domain
        )
        torch.testing.assert_close(plan[0], u[:, None] * kernel * v, rtol=1e-10, atol=0)
        expected = ((u @ kernel) * v - 1 / 30).abs().sum()
        torch.testing.assert_close(residual[0], expected, rtol=1e-9, atol=1e-15)
        v = 1 / (30 * (u @ kernel))


@pytest.mark.parametrize("shape", [(40, 40), (37, 53), (53, 36)])
def test_coarse_start_leads_to_the_plan_of_pot(
    shape: tuple[int, int], log_domain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelkin.ops.transport.COARSEST", 8)  # two levels below
    cost = costs(2, *shape)
    plan, residual = sinkhorn(
        cost, epsilon=0.05, max_iterations=1000, tolerance=1e-12, log_domain=log_domain
    )
    assert float(residual.max()) <= 1e-12
    for c, p in zip(cost, plan, strict=True):
        torch.testing.assert_close(p, pot(c, 0.05, "sinkhorn"), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("epsilon", "times"), [(0.05, 100), (0.02, 1000), (0.012, 200)])
def test_coarse_start_saves_iterations_where_neighbours_are_alike(
    epsilon: float, times: int, log_domain: bool, monkeypatch: pytest.MonkeyPatch
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
        monkeypatch.setattr("pixelkin.ops.transport.COARSEST", coarsest)
        _, residual = sinkhorn(
            cost, epsilon=epsilon, max_iterations=15, tolerance=0, log_domain=log_domain
        )
        residuals.append(residual)
    assert float(residuals[1]) < float(residuals[0]) / times


LINE = torch.linspace(0, 1, 17, dtype=torch.float64)


@pytest.mark.parametrize(
    ("cost", "log_domain"),
    [
        (matching_costs(37, 0.5)[:, :, :31], False),
        (matching_costs(37, 0.5)[:, :, :31], True),
        (15 * (LINE.square()[:, None] - LINE.sqrt()).abs()[None], False),  # extrapolates too far
    ],
)
def test_compiled_code_does_what_pytorch_does(
    cost: Tensor, log_domain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr("pixelkin.ops.transport.COARSEST", 8)
    for k in range(1, 11):
        plan, residual = sinkhorn(cost, max_iterations=k, tolerance=0, log_domain=log_domain)
        with monkeypatch.context() as patch:
            patch.setattr("pixelkin.ops.transport._compiled", lambda dtype: None)
            expected, same = sinkhorn(cost, max_iterations=k, tolerance=0, log_domain=log_domain)
        torch.testing.assert_close(plan, expected, rtol=1e-8, atol=0)
        torch.testing.assert_close(residual, same, rtol=1e-8, atol=1e-14)


def test_acceleration_needs_fewer_iterations(log_domain: bool) -> None:
    cost = matching_costs(80, 0.5)
    plain, accelerated = (
        sinkhorn(cost, max_iterations=100, tolerance=0, history=h, log_domain=log_domain)[1]
        for h in (0, 5)
    )
    assert float(accelerated) < float(plain) / 50


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.02, 0.01])
def test_acceleration_does_not_leap_to_and_fro(
    epsilon: float, dtype: torch.dtype, log_domain: bool
) -> None:
    # Two groups of rows, three to share two columns: residuals are alike on both sides.
    three = torch.tensor([[[0.0, 0.5], [0.2, 0.4], [0.5, 0.1]]], dtype=dtype)
    for cost in (three, costs(40, 7, 3, dtype), costs(40, 9, 2, dtype)):
        _, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=1000, log_domain=log_domain)
        assert float(residual.max()) <= 1e-3


@pytest.mark.parametrize("epsilon", [0.1, 0.05])
@pytest.mark.parametrize("n", [12, 24])
def test_acceleration_does_not_go_round_in_circles(
    n: int, epsilon: float, log_domain: bool
) -> None:
    # Two groups of rows and columns, of which each has either too many rows or too few.
    group = torch.arange(n)
    cost = ((group < n // 3)[:, None] != (group < n // 2)) + 0.02 * costs(8, n, n, torch.float32)
    _, residual = sinkhorn(cost, epsilon=epsilon, max_iterations=400, log_domain=log_domain)
    assert float(residual.max()) <= 1e-3


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the same for all examples
)
@given(
    st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.floats(-3, 2), st.booleans(),
    st.integers(0, 1000),
)  # fmt: skip
def test_marginals_for_any_shape_and_epsilon(
    log_domain: bool, b: int, n: int, m: int, exponent: float, dustbin: bool, seed: int
) -> None:
    plan, residual = sinkhorn(
        costs(b, n, m, seed=seed),
        epsilon=10**exponent,
        max_iterations=50,
        tolerance=1e-6,
        log_domain=log_domain,
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
    dtype: torch.dtype, floor: float, log_domain: bool
) -> None:
    plan, residual = sinkhorn(
        costs(1, 64, 64, dtype), max_iterations=3000, tolerance=0.0, log_domain=log_domain
    )
    assert plan.dtype == residual.dtype == dtype
    assert float(residual) <= floor


def test_too_few_iterations_still_give_a_plan_and_say_so(log_domain: bool) -> None:
    cost = matching_costs(60, 0.8, torch.float32)
    plan, residual = sinkhorn(
        cost, epsilon=1e-4, max_iterations=3, tolerance=1e-9, log_domain=log_domain
    )
    assert bool(plan.isfinite().all())
    assert float(residual) > 1e-3
    uniform = torch.full((60,), 1 / 60)
    torch.testing.assert_close(missed(plan, uniform, uniform)[1], residual, rtol=1e-4, atol=1e-6)


def test_domains_agree() -> None:
    cost = costs(3, 20, 26)
    plain, log = (
        sinkhorn(cost, max_iterations=500, tolerance=1e-13, log_domain=d)[0] for d in (False, True)
    )
    torch.testing.assert_close(plain, log, rtol=1e-8, atol=1e-15)


def test_limits_of_epsilon() -> None:
    cost = costs(1, 6, 6)
    flat, _ = sinkhorn(cost, epsilon=1e5, max_iterations=100, tolerance=1e-12)
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / 36), rtol=1e-4, atol=0)
    sharp, _ = sinkhorn(cost, epsilon=1e-3, max_iterations=2000, tolerance=1e-10)
    exact = torch.from_numpy(ot.emd([], [], cost[0].numpy()))
    torch.testing.assert_close(sharp[0], exact, rtol=0, atol=1e-6)


def test_what_all_costs_share_is_of_no_account(log_domain: bool) -> None:
    # Multiples of 1 / 16: exact in float32 with the offset too.
    cost = (costs(2, 20, 30, torch.float32) * 32).round() / 16
    settings = {"epsilon": 0.1, "tolerance": 1e-5, "max_iterations": 500, "log_domain": log_domain}
    plan, _ = sinkhorn(cost, **settings)  # type: ignore[arg-type]
    for offset in (-1e5, 1e5):
        assert torch.equal(sinkhorn(cost + offset, **settings)[0], plan)  # type: ignore[arg-type]


def test_symmetric_cost_has_a_symmetric_plan(log_domain: bool) -> None:
    cost = costs(1, 15, 15)
    cost = cost + cost.mT
    plan, _ = sinkhorn(cost, max_iterations=1000, tolerance=1e-13, log_domain=log_domain)
    torch.testing.assert_close(plan, plan.mT, rtol=1e-8, atol=1e-14)


def test_a_pair_does_not_depend_on_its_companions(log_domain: bool) -> None:
    cost = torch.cat([costs(3, 30, 30), matching_costs(30, 0.8)])
    together, residuals = sinkhorn(cost, tolerance=1e-4, max_iterations=200, log_domain=log_domain)
    for c, plan, residual in zip(cost, together, residuals, strict=True):
        alone, own = sinkhorn(c[None], tolerance=1e-4, max_iterations=200, log_domain=log_domain)
        torch.testing.assert_close(plan, alone[0], rtol=1e-6, atol=1e-12)
        assert float(own) == pytest.approx(float(residual), rel=1e-4)


def test_more_pairs_than_fit_at_a_time(log_domain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = costs(5, 8, 9)
    whole = sinkhorn(cost, log_domain=log_domain)
    monkeypatch.setattr("pixelkin.ops.transport._CPU_CACHE", 2 * 72 * 8)
    for a, b in zip(whole, sinkhorn(cost, log_domain=log_domain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-15)


def test_autocast_changes_nothing(log_domain: bool) -> None:
    cost = costs(2, 16, 16, torch.float32)
    expected = sinkhorn(cost, log_domain=log_domain)
    with torch.autocast("cpu", torch.bfloat16):
        for a, b in zip(expected, sinkhorn(cost, log_domain=log_domain), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("flushed", [False, True])
def test_subnormal_numbers_of_others_are_left_alone(flushed: bool) -> None:
    torch.set_flush_denormal(flushed)
    try:
        sinkhorn(costs(1, 6, 6))
        assert (float.fromhex("0x1p-1030") * 1.0 == 0) == flushed
    finally:
        torch.set_flush_denormal(False)


def test_subnormal_numbers_of_others_are_left_alone_by_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = pytest.importorskip("pixelkin.ops.transport_compiled", exc_type=ImportError)
    sinkhorn(costs(1, 6, 6))
    monkeypatch.setattr(module, "_finish", None)
    with pytest.raises(TypeError):
        sinkhorn(costs(1, 6, 6))
    assert float.fromhex("0x1p-1030") * 1.0 > 0


def test_entries_too_small_for_the_dtype_cost_no_accuracy(log_domain: bool) -> None:
    # Distances on a line along which all mass goes one way: the kernel spans 50 powers of e, the
    # plan twice as many, which is more than float32 does.
    t = torch.linspace(0, 1, 40, dtype=torch.float64)
    exact = 50 * (t.square()[:, None] - t.sqrt()).abs()[None]
    plan, expected = (
        sinkhorn(c, epsilon=1, tolerance=1e-5, max_iterations=5000, log_domain=log_domain)[0]
        for c in (exact.float(), exact)
    )
    assert float(expected.min()) < torch.finfo(torch.float32).tiny
    torch.testing.assert_close(plan.double(), expected, rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("error", [ImportError("absent"), OSError("no space left")])
def test_without_numba_pytorch_does_it_and_says_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise error

    cost = costs(2, 12, 15)
    expected, _ = sinkhorn(cost, tolerance=1e-12, max_iterations=1000)
    if isinstance(error, ImportError):
        monkeypatch.setitem(sys.modules, "pixelkin.ops.transport_compiled", None)
    else:
        module = pytest.importorskip("pixelkin.ops.transport_compiled", exc_type=ImportError)
        monkeypatch.setattr(module, "solve", fails)
    transport._compiled.cache_clear()
    try:
        for _ in range(2):
            plan, _ = sinkhorn(cost, tolerance=1e-12, max_iterations=1000)
    finally:
        transport._compiled.cache_clear()
    torch.testing.assert_close(plan, expected, rtol=1e-8, atol=1e-14)
    (said,) = caplog.messages
    assert "pixelkin[train]" in said


def test_dustbin_takes_what_is_not_worth_matching(log_domain: bool) -> None:
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
        log_domain=log_domain,
    )
    matched = plan[0, :n, :n].diagonal()
    assert float(plan[0, 5, n]) == pytest.approx(1, abs=1e-3)
    assert float(plan[0, n, 5]) == pytest.approx(1, abs=1e-3)
    assert float(matched[torch.arange(n) != 5].min()) > 0.9
    assert float(matched[5]) < 1e-3


def test_mass_scales_the_plan_alone(log_domain: bool) -> None:
    cost = costs(2, 5, 7)
    (plan, residual), (scaled, same) = (
        sinkhorn(cost, mass=mass, log_domain=log_domain) for mass in (1.0, 5.0)
    )
    torch.testing.assert_close(scaled, 5 * plan)
    torch.testing.assert_close(residual, same)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised(dtype: torch.dtype) -> None:
    cost = costs(1, 10, 10).to(dtype)
    plan, _ = sinkhorn(cost)
    assert plan.dtype == torch.float32
    torch.testing.assert_close(plan, sinkhorn(cost.float())[0])


def test_cost_is_left_alone_and_nothing_is_differentiated(log_domain: bool) -> None:
    cost = costs(1, 5, 5).requires_grad_()
    before = cost.detach().clone()
    plan, residual = sinkhorn(cost, log_domain=log_domain)
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
        {"history": -1},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        sinkhorn(costs(1, 3, 3), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("cost", [torch.zeros(3, 3), torch.zeros(1, 3, 3, dtype=torch.int64)])
def test_cost_of_another_kind_is_refused(cost: Tensor) -> None:
    with pytest.raises(ValueError, match="B x N x M"):
        sinkhorn(cost)
