from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from pixelkin.checks import check_number
from pixelkin.training.schema import build, plain, replace_at
from pixelkin.types import InputError


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b", 1]
    pair: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.pair[0] > self.pair[1]:
            raise InputError(f"pair: {self.pair} must ascend")


@dataclass(frozen=True)
class Outer:
    count: int
    rate: float = 0.5
    on: bool = True
    name: str | None = None
    sizes: tuple[int, ...] = ()
    inner: Inner = field(default_factory=lambda: Inner("a"))
    many: tuple[Inner, ...] = ()
    limit: float | Literal["auto"] = "auto"
    extra: dict[str, Any] = field(default_factory=dict)
    state: float = field(default=0.0, init=False)


def test_builds_nested_values_and_plain_reverses_it() -> None:
    raw = {
        "count": 3,
        "rate": "1e-3",
        "name": None,
        "sizes": [1, 2],
        "inner": {"kind": "b", "pair": [1, 2]},
        "many": [{"kind": 1}, {"kind": "a"}],
        "limit": 2,
        "extra": {"x": [1, {"y": 2}]},
    }
    built = build(Outer, raw)
    assert built == Outer(
        3,
        rate=0.001,
        sizes=(1, 2),
        inner=Inner("b", (1.0, 2.0)),
        many=(Inner(1), Inner("a")),
        limit=2.0,
        extra={"x": [1, {"y": 2}]},
    )
    assert build(Outer, plain(built)) == built
    assert "state" not in plain(built)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, r"^count: this setting is missing"),
        (
            {"count": 1, "rat": 2},
            r"^rat: unknown setting \(did you mean 'rate'\?\); allowed: count",
        ),
        ({"count": 1, "state": 2}, r"^state: unknown setting"),
        ({"count": 1, "kind": "a"}, r"^kind: unknown setting \(did you mean 'inner.kind'\?\)"),
        ({"count": 1.5}, r"^count: must be a whole number, got 1.5"),
        ({"count": True}, r"^count: must be a whole number, got True"),
        ({"count": 1, "rate": "fast"}, r"^rate: must be a number, got 'fast'"),
        ({"count": 1, "rate": True}, r"^rate: must be a number, got True"),
        ({"count": 1, "on": 1}, r"^on: must be true or false, got 1"),
        ({"count": 1, "name": 5}, r"^name: must be text, got 5"),
        ({"count": 1, "sizes": 5}, r"^sizes: must be a list, got 5"),
        ({"count": 1, "sizes": [1, "x"]}, r"^sizes.1: must be a whole number"),
        ({"count": 1, "inner": {"kind": "c"}}, r"^inner.kind: 'c' is not one of a, b, 1"),
        ({"count": 1, "inner": {"kind": True}}, r"^inner.kind: True is not one of"),
        ({"count": 1, "inner": {"kind": "a", "pair": [1]}}, r"^inner.pair: must be a list of 2"),
        ({"count": 1, "inner": {"kind": "a", "pair": [2, 1]}}, r"^inner: pair: .* must ascend"),
        ({"count": 1, "many": [{"kind": "a"}, {}]}, r"^many.1.kind: this setting is missing"),
        ({"count": 1, "inner": [1]}, r"^inner: must be settings 'key: value'"),
        ({"count": 1, "limit": "never"}, r"^limit: 'never' is not one of auto"),
        ({"count": 1, "extra": 3}, r"^extra: must be settings"),
        ("text", r"^the file: must be settings"),
    ],
)
def test_errors_name_the_key(raw: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(Outer, raw)


@dataclass(frozen=True)
class Checked:
    share: float = 0.5

    def __post_init__(self) -> None:
        check_number("share", self.share, above=0, most=1)


@dataclass(frozen=True)
class Holder:
    one: Checked = field(default_factory=Checked)
    many: tuple[Checked, ...] = ()


def test_checks_of_dataclasses_are_told_by_the_dotted_path() -> None:
    with pytest.raises(InputError, match=r"^one.share: 2.0 must be above 0 and at most 1$"):
        build(Holder, {"one": {"share": 2}})
    with pytest.raises(InputError, match=r"^here.many.1.share: 0.0 must be above 0 and at most"):
        build(Holder, {"many": [{}, {"share": 0}]}, "here")


def test_replace_at_reaches_into_mappings_and_lists() -> None:
    raw: dict[str, Any] = {"a": {"b": [{"c": 1}, {"c": 2}]}, "empty": None}
    replace_at(raw, "a.b.1.c", 5)
    replace_at(raw, "new.deep", 6)
    replace_at(raw, "empty.x", 7)
    replace_at(raw, "a.b.0", 8)
    assert raw == {"a": {"b": [8, {"c": 5}]}, "new": {"deep": 6}, "empty": {"x": 7}}
    with pytest.raises(InputError, match=r"a.b.7.c: a.b has entries 0 to 1, not '7'"):
        replace_at(raw, "a.b.7.c", 1)
    with pytest.raises(InputError, match=r"a.b.0.c: a.b.0 has no settings below it"):
        replace_at(raw, "a.b.0.c", 1)
