from __future__ import annotations

import math

import pytest

from pixelkin.checks import SettingError, check_choice, check_gaps, check_number
from pixelkin.types import InputError


def test_what_is_fine_passes() -> None:
    check_number("a", 1, least=1, most=1)
    check_number("a", 0.5, above=0, below=1)
    check_choice("a", None, (None, "b"))
    check_gaps((3, 1), least=1)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"least": 1}, "rate: 0 must be at least 1"),
        (1.5, {"least": 0, "most": 1}, "rate: 1.5 must be at least 0 and at most 1"),
        (0.0, {"above": 0}, "rate: 0.0 must be above 0"),
        (1, {"below": 1}, "rate: 1 must be below 1"),
        (math.nan, {"most": 1}, "rate: nan must be at most 1"),
    ],
)
def test_numbers_out_of_bounds_say_what_would_be_right(
    value: float, bounds: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError) as error:
        check_number("rate", value, **bounds)
    assert str(error.value) == message


def test_choices_are_listed() -> None:
    with pytest.raises(InputError, match=r"^kind: 'd' is not one of None, a, b$"):
        check_choice("kind", "d", (None, "a", "b"))


@pytest.mark.parametrize(
    ("gaps", "message"), [((), "give at least one"), ((2, 0), "0 must be at least 1")]
)
def test_gaps_are_distances(gaps: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^gaps: {message}"):
        check_gaps(gaps, least=1)


def test_an_error_can_be_told_from_further_up() -> None:
    error = SettingError("rate", "2 must be at most 1")
    assert str(error.below("stages.0")) == "stages.0.rate: 2 must be at most 1"
    assert str(error.below("")) == str(error) == "rate: 2 must be at most 1"
