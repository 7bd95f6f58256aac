from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from pixelkin.mining.confidence import (
    Matches,
    Transport,
    best_of_rows,
    entries,
    forward_backward,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.ops.host import as_on_a_device
from pixelkin.ops.transport import sinkhorn


def similarities(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.6


def test_q_is_its_formula() -> None:
    s = similarities(2, 7, 9).numpy().astype(np.float64)
    q = forward_backward(torch.from_numpy(s)).numpy()
    clipped = np.maximum(s, 1e-3)
    for b, i, j in np.ndindex(*s.shape):
        bests = clipped[b, i].max(), clipped[b, :, j].max()
        expected = clipped[b, i, j] ** 2 / np.prod(bests) if min(bests) > 1e-3 else 0.0
        assert q[b, i, j] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
                  elements=st.floats(-1, 1, width=32)))  # fmt: skip
def test_q_is_one_exactly_where_both_are_best(s: np.ndarray) -> None:
    q = forward_backward(torch.from_numpy(s)).numpy()
    clipped = np.maximum(s, np.float32(1e-3))
    mutual = (clipped == clipped.max(1, keepdims=True)) & (clipped == clipped.max(0, keepdims=True))
    mutual &= clipped > np.float32(1e-3)
    assert (q[mutual] == 1).all()
    # One unit of rounding below the best may round to 1.
    near = clipped.astype(float) ** 2 / np.outer(clipped.max(1), clipped.max(0)) > 1 - 3e-7
    assert (q[~near] < 1).all() and (q >= 0).all() and (q <= 1).all()


def test_hard_q_keeps_mutual_nearest_neighbours() -> None:
    s = torch.tensor([[0.9, 0.2, 0.8], [0.95, 0.1, 0.3], [0.0, 0.4, 0.85]])
    expected = torch.zeros(3, 3)
    expected[1, 0], expected[2, 2] = 0.95, 0.85
    torch.testing.assert_close(forward_backward(s, hard=True), expected, rtol=0, atol=0)


@pytest.mark.parametrize("hard", [False, True])
def test_what_resembles_nothing_has_no_match(hard: bool) -> None:
    s = torch.tensor([[0.9, 0.2, -0.3], [-0.1, -0.5, -0.2], [0.3, 0.6, 0.0]])
    q = forward_backward(s, hard=hard)
    assert float(q[1].abs().sum()) == 0 and float(q[:, 2].abs().sum()) == 0
    expected = torch.tensor([0.9, 0.6]) if hard else torch.ones(2)
    assert torch.equal(q[[0, 2], [0, 1]], expected)
    opposed = forward_backward(-torch.rand(2, 4, 5), hard=hard)
    assert float(opposed.abs().sum()) == 0
    t = optimal_transport(forward_backward(-torch.rand(5, 5), hard=hard))
    torch.testing.assert_close(t, torch.full((5, 5), 0.2))  # and T knows nothing


def test_mining_carries_no_gradient_and_leaves_its_input_alone() -> None:
    s = similarities(1, 6, 6).requires_grad_()
    before = s.detach().clone()
    q = forward_backward(s)
    assert not q.requires_grad and not optimal_transport(q).requires_grad
    assert torch.equal(s.detach(), before)


def test_t_is_the_scaled_plan() -> None:
    q = forward_backward(similarities(2, 12, 12))
    plan, residual = sinkhorn(1 - q, tolerance=1e-2)
    t, same = optimal_transport(q, return_residual=True)
    torch.testing.assert_close(t, 12 * plan)
    torch.testing.assert_close(residual, same)
    torch.testing.assert_close(optimal_transport(q), t)
    torch.testing.assert_close(optimal_transport(q[0]), t[0])


@pytest.mark.parametrize("log_domain", [False, True])
def test_rows_and_columns_of_t_sum_to_one(log_domain: bool) -> None:
    q = forward_backward(similarities(3, 20, 20))
    t = optimal_transport(q, max_iterations=500, tolerance=1e-6, log_domain=log_domain)
    torch.testing.assert_close(t.sum(2), torch.ones(3, 20), rtol=0, atol=1e-5)
    torch.testing.assert_close(t.sum(1), torch.ones(3, 20), rtol=0, atol=1e-4)


def test_perfect_similarity_is_matched_for_certain() -> None:
    permutation = torch.randperm(30)
    s = torch.full((30, 30), 0.1)
    s[torch.arange(30), permutation] = 1.0
    t = optimal_transport(forward_backward(s))
    assert t.argmax(1).tolist() == permutation.tolist()
    assert float(t.amax(1).min()) > 0.999


def test_dustbin_leaves_the_occluded_unmatched() -> None:
    s = torch.full((10, 9), 0.1)  # pixel 9 of the first frame is gone in the second
    s.fill_diagonal_(1.0)
    t = optimal_transport(
        forward_backward(s), dustbin=0.5, epsilon=0.02, max_iterations=200, tolerance=1e-4
    )
    assert t.shape == (10, 9)
    assert float(t.diagonal().min()) > 0.99
    assert float(t[9].sum()) < 0.01


def test_coherence_cuts_what_is_outside_the_window() -> None:
    t = torch.rand(2, 4, 4)
    window = torch.rand(2, 4, 4) > 0.5
    c = temporal_coherence(t, window)
    assert torch.equal(c[window], t[window])
    assert float(c[~window].abs().sum()) == 0


def test_coherence_of_entries_is_that_of_the_matrix() -> None:
    t = torch.rand(2, 4, 5)
    window = torch.rand(2, 4, 5) > 0.5
    sparse = entries(t, 0.1)
    c = temporal_coherence(sparse, window[sparse.clips, sparse.sources, sparse.targets])
    expected = entries(temporal_coherence(t, window), 0.1)
    assert len(c.values) == int((window & (t >= 0.1)).sum())
    assert all(torch.equal(x, y) for x, y in zip(c, expected, strict=True))


def test_defaults_of_t_are_those_of_its_settings() -> None:
    q = forward_backward(similarities(2, 12, 12))
    told = Transport()
    given = optimal_transport(
        q,
        epsilon=told.epsilon,
        max_iterations=told.max_iterations,
        tolerance=told.tolerance,
        dustbin=told.dustbin,
    )
    assert torch.equal(given, optimal_transport(q))
    assert (told.epsilon, told.max_iterations, told.tolerance) == (0.05, 30, 1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0.0}, r"^epsilon: 0.0 must be above 0$"),
        ({"max_iterations": 0}, r"^max_iterations: 0 must be at least 1$"),
        ({"tolerance": -1.0}, r"^tolerance: -1.0 must be at least 0$"),
        ({"dustbin": 1.5}, r"^dustbin: 1.5 must be at least 0 and at most 1$"),
    ],
)
def test_settings_of_t_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transport(**change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        optimal_transport(torch.rand(2, 3, 3), **change)  # type: ignore[arg-type]


def test_entries_are_those_of_the_dense_matrix() -> None:
    dense = torch.rand(3, 5, 7) * (torch.rand(3, 5, 7) > 0.7)
    found = entries(dense, 0.2)
    rebuilt = torch.zeros_like(dense)
    rebuilt[found.clips, found.sources, found.targets] = found.values
    torch.testing.assert_close(rebuilt, torch.where(dense > 0.2, dense, 0.0), rtol=0, atol=0)
    assert found.clips.tolist() == sorted(found.clips.tolist())


def test_best_of_rows_is_the_argmax() -> None:
    dense = torch.rand(2, 4, 6)
    best = best_of_rows(dense)
    for b, i, j, v in zip(*(x.tolist() for x in best), strict=True):
        assert j == int(dense[b, i].argmax()) and v == float(dense[b, i].max())
    assert len(best.values) == 8


@pytest.mark.parametrize("minimum", [0.001, 0.2, 0.7])  # bfloat16 rounds one up, another down
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_entries_in_half_precision_are_those_of_the_same_numbers(
    dtype: torch.dtype, minimum: float
) -> None:
    dense = torch.rand(2, 16, 20).to(dtype)
    dense[0, 0, :3] = torch.tensor([minimum] * 3).to(dtype)
    expected = [
        (b, i, j)
        for b, rows in enumerate(dense.tolist())
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
        if value >= minimum
    ]
    for found in (entries(dense, minimum), on_a_device(lambda: entries(dense, minimum))):
        assert found.values.dtype == dtype
        got = torch.stack([found.clips, found.sources, found.targets], 1).tolist()
        assert [tuple(x) for x in got] == expected
        assert torch.equal(found.values, dense[found.clips, found.sources, found.targets])


def on_a_device(work: Callable[[], Matches]) -> Matches:
    with as_on_a_device():
        return work()


def test_nothing_carries_a_gradient() -> None:
    s = similarities(2, 5, 6).requires_grad_()
    window = torch.ones(2, 5, 6, dtype=torch.bool)
    q = forward_backward(s)
    t = s.softmax(-1)
    found = entries(t)
    for x in (
        q,
        optimal_transport(t),
        temporal_coherence(t, window),
        temporal_coherence(found._replace(values=t.flatten()), window.flatten()).values,
        best_of_rows(t).values,
        found.values,
    ):
        assert not x.requires_grad
