from __future__ import annotations

import pytest
import torch

from pixelkin.mining.confidence import entries, forward_backward, optimal_transport
from pixelkin.mining.curriculum import Curriculum, Signal, variance, variance_of_entries
from pixelkin.ops.host import as_on_a_device


def transports(b: int = 3, n: int = 40, noise: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(b, n, 16, generator=generator)
    z = a + noise * torch.randn(b, n, 16, generator=generator)
    s = torch.nn.functional.normalize(a, dim=2) @ torch.nn.functional.normalize(z, dim=2).mT
    return optimal_transport(forward_backward(s), max_iterations=500, tolerance=1e-6)


def test_variance_is_n_times_var_plus_one_over_n() -> None:
    t = transports()
    expected = 40 * t.flatten(1).var(1, correction=0) + 1 / 40
    torch.testing.assert_close(variance(t), expected, rtol=1e-4, atol=1e-6)


def test_bounds_are_flat_and_permutation() -> None:
    torch.testing.assert_close(variance(torch.full((2, 8, 8), 1 / 8)), torch.full((2,), 1 / 8))
    torch.testing.assert_close(variance(torch.eye(8)[None]), torch.ones(1))
    torch.testing.assert_close(
        variance(torch.full((2, 8, 8), 0.7), normalize_rows=True), torch.full((2,), 1 / 8)
    )


def test_rows_are_counted_not_columns() -> None:
    """[[1, 0, 0], [0, 0.5, 0.5]]: 1.5 over two rows, at hand, on a GPU and from the entries."""
    two = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]])
    found = entries(two)
    sparse = (found.values, found.clips, 1, 2)
    assert variance(two).tolist() == variance_of_entries(*sparse).tolist() == [0.75]
    with as_on_a_device():
        assert variance(two).tolist() == variance_of_entries(*sparse).tolist() == [0.75]


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_sparse_is_dense(noise: float) -> None:
    t = transports(noise=noise)
    for minimum, error in ((0.0, 1e-6), (1e-3, 1e-3)):
        found = entries(t, minimum)
        sparse = variance_of_entries(found.values, found.clips, len(t), t.shape[1])
        torch.testing.assert_close(sparse, variance(t), rtol=1e-5, atol=error)


def test_a_clip_without_entries_has_no_variance() -> None:
    found = entries(torch.stack([torch.zeros(4, 4), torch.eye(4)]))
    assert variance_of_entries(found.values, found.clips, 2, 4).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_clips_have_no_variances(dtype: torch.dtype) -> None:
    none = torch.zeros(0, 4, 4, dtype=dtype)
    found = entries(none)
    assert variance(none).shape == (0,) and variance(none).dtype == dtype
    assert variance_of_entries(found.values, found.clips, 0, 4).dtype == dtype


def test_m2_rises_with_the_variance_from_low_to_high() -> None:
    m2 = []
    for v in (0.0, 1 / 100, 0.25, 0.5, 0.9):
        curriculum = Curriculum("var_t", low=0.2, high=0.8, v_ref=0.5)
        m2.append(curriculum.upper(curriculum.average(None, v), 0.0, 100))
    assert m2[0] == m2[1] == pytest.approx(0.2)
    assert m2[2] == pytest.approx(0.2 + 0.6 * (0.25 - 0.01) / (0.5 - 0.01))
    assert m2[3] == m2[4] == pytest.approx(0.8)


@pytest.mark.parametrize(("signal", "sure"), [("var_t", 0.5), ("var_c", 0.3), ("var_q", 0.025)])
def test_every_signal_has_its_own_reference(signal: Signal, sure: float) -> None:
    curriculum = Curriculum(signal, low=0.2)
    assert curriculum.upper((sure + 0.01) / 2, 0.0, 100) == pytest.approx(0.6)


def test_moving_average_starts_at_the_first_value() -> None:
    average = None
    for v in (0.2, 0.3, 0.1):
        average = Curriculum().average(average, v)
    expected = 0.98 * (0.98 * 0.2 + 0.02 * 0.3) + 0.02 * 0.1
    assert average == pytest.approx(expected, abs=1e-12)


def test_defaults_are_the_decided_ones() -> None:
    curriculum = Curriculum()
    assert curriculum.signal == "var_t"  # the paper's final model
    assert curriculum.upper(None, 1.0, 400) == curriculum.upper(1 / 400, 1.0, 400) == 0.3
    assert curriculum.upper(0.5, 0.0, 400) == curriculum.upper(0.9, 0.0, 400) == 1.0
    half = (0.5 + 1 / 400) / 2
    assert curriculum.upper(half, 0.0, 400) == pytest.approx(0.65)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [("fixed", [0.9, 0.9, 0.9]), ("clock", [0.3, 0.6, 0.9]), ("var_q", [0.3, 0.3, 0.3])],
)
def test_m2_over_the_training(signal: Signal, expected: list[float]) -> None:
    curriculum = Curriculum(signal, low=0.3, high=0.9)
    got = [curriculum.upper(None, progress, 64) for progress in (0.0, 0.5, 1.0)]
    assert got == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": "var_x"}, r"^signal: 'var_x' is not one of fixed, clock, var_q, var_t, var_c$"),
        ({"low": 0.9, "high": 0.5}, r"^low: 0.9 must be at least 0 and at most 0.5$"),
        ({"high": 1.2}, r"^high: 1.2 must be at least 0 and at most 1$"),
        ({"v_ref": 0.0}, r"^v_ref: 0.0 must be above 0$"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Curriculum(**change)  # type: ignore[arg-type]


def test_a_fixed_m2_may_be_below_low() -> None:
    curriculum = Curriculum("fixed", low=0.3, high=0.1)
    assert curriculum.least == curriculum.upper(None, 0.5, 64) == 0.1
    assert Curriculum("clock", low=0.3).least == 0.3
