from __future__ import annotations

import math

import pytest

from pixelkin.experiments.statistics import difference, spread


def test_spread_by_hand() -> None:
    assert spread([60.0, 62.0, 67.0]) == (3, 63.0, pytest.approx(math.sqrt((9 + 1 + 16) / 2)))
    assert spread([60.0])[:2] == (1, 60.0) and math.isnan(spread([60.0]).std)
    assert spread([]).seeds == 0 and math.isnan(spread([]).mean)


def test_difference_is_taken_seed_by_seed() -> None:
    """Student's t for two degrees of freedom and 95 %: 4.3027 (any printed table)."""
    found = difference({0: 51.0, 1: 62.0, 2: 73.0}, {0: 50.0, 1: 60.0, 2: 70.0, 3: 99.0})
    assert found.seeds == 3 and found.mean == 2.0
    assert found.half == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert found.verdict == "cannot be told at this scale"
    assert difference({0: 52.0, 1: 61.9}, {0: 50.0, 1: 60.0}).verdict == "yes"
    assert difference({0: 50.0, 1: 60.0}, {0: 52.0, 1: 61.9}).verdict == "no: the opposite"


def test_a_row_without_seeds_goes_with_every_seed() -> None:
    found = difference({0: 50.0, 1: 60.0}, {-1: 40.0})
    assert found[:2] == (2, 15.0)
    assert difference({-1: 40.0}, {0: 50.0, 1: 60.0})[:2] == (2, -15.0)
    assert difference({-1: 40.0}, {-1: 30.0})[:2] == (1, 10.0)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [({0: 1.0}, {0: 0.0}, "one seed: nothing can be said"), ({0: 1.0}, {1: 0.0}, "not run yet")],
)
def test_too_few_seeds_say_nothing(a: dict[int, float], b: dict[int, float], verdict: str) -> None:
    found = difference(a, b)
    assert found.verdict == verdict and math.isnan(found.half)
