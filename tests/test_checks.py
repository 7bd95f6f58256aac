from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from pixelkin.checks import SettingError, check_choice, check_gaps, check_number, check_types
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


@dataclass
class Given:
    count: int = 1
    rate: float = 0.5
    on: bool = False
    kind: Literal["a", "b"] = "a"
    side: int | None = None
    pair: tuple[int, float] = (1, 2.0)
    some: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    inner: Given | None = None
    state: int = field(default="none", init=False)  # type: ignore[assignment]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"count": np.int64(2), "rate": np.float32(1)},
        {"rate": 1, "side": 3, "pair": [1, 2], "some": ["x", "y"], "more": {"a": 1}},
        {"inner": Given()},
    ],
)
def test_values_of_their_kind_pass(values: dict[str, Any]) -> None:
    check_types(Given(**values))


def test_values_become_pythons_own() -> None:
    given = Given(count=np.int64(2), rate=np.float32(0.5), pair=[np.int8(1), 2], on=np.bool_(True))
    check_types(given)
    assert given == Given(count=2, rate=0.5, pair=(1, 2), on=True)
    assert [type(v) for v in (given.count, given.rate, given.pair, given.pair[0], given.on)] == [
        int, float, tuple, int, bool,
    ]  # fmt: skip
    json.dumps(asdict(given))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", np.zeros(2), r"array\(\[0., 0.\]\) is not one of a, b"),
        ("count", 2.0, "must be a whole number, got 2.0"),
        ("count", True, "must be a whole number, got True"),
        ("count", None, "must be a whole number, got None"),
        ("rate", "1e-3", "must be a number, got '1e-3'"),
        ("on", 1, "must be true or false, got 1"),
        ("kind", "c", "'c' is not one of a, b"),
        ("side", 1.5, "must be a whole number, got 1.5"),
        ("pair", 3, "must be a list, got 3"),
        ("pair", (1,), r"must be a list of 2, got \(1,\)"),
        ("pair", (1.5, 2), "must be a whole number, got 1.5"),
        ("some", "abc", "must be a list, got 'abc'"),
        ("some", (1,), "must be text, got 1"),
        ("more", [1], r"must be of the kind dict, got \[1\]"),
        ("inner", 0, "must be of the kind Given, got 0"),
    ],
)
def test_values_of_another_kind_are_named(name: str, value: object, message: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: {message}$"):
        check_types(Given(**{name: value}))  # type: ignore[arg-type]


def test_an_error_can_be_told_from_further_up() -> None:
    error = SettingError("rate", "2 must be at most 1")
    assert str(error.below("stages.0")) == "stages.0.rate: 2 must be at most 1"
    assert str(error.below("")) == str(error) == "rate: 2 must be at most 1"
