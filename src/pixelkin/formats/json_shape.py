"""What form the content of a JSON file must have, and where it has another.

PLACE = Fields({"x": NUMBER, "y": NUMBER}, {"name": TEXT})
check(content, Fields({"points": Each(PLACE)}), "a.json")
"a.json: points[3].x is null, must be a number"
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixelkin.types import InputError

LARGE = 1e15  # more than any number of pixels
SHOWN = 30  # characters of a text, keys of an object


@dataclass(frozen=True, eq=False)
class Leaf:
    """A value that passes a test; `words` say what it must be."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True, eq=False)
class Each:
    """A list of values of one shape, of so many if there is a count."""

    of: Shape
    count: int | None = None

    @property
    def words(self) -> str:
        """What it must be."""
        return "a list" if self.count is None else f"a list of {self.count}"


@dataclass(frozen=True, eq=False)
class Fields:
    """An object with these keys; `optional` ones may be missing or null, all others are free."""

    needed: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What it must be."""
        return f"an object with {', '.join(self.needed)}" if self.needed else "an object"


@dataclass(frozen=True, eq=False)
class Keyed:
    """An object whose keys are ids, as text, and whose values have one shape."""

    of: Shape
    words: str = "an object whose keys are whole numbers"


@dataclass(frozen=True, eq=False)
class Either:
    """Shapes by the type of the value."""

    words: str
    by: Mapping[type, Shape]


@dataclass(frozen=True, eq=False)
class Kinds:
    """An object whose shape follows from what one of its keys says, which is text."""

    key: str
    by: Mapping[str, Shape]
    other: Shape = field(default_factory=Fields)
    default: str | None = None  # where the key is missing

    @property
    def words(self) -> str:
        """What it must be."""
        return f"an object with {self.key}"


Shape = Leaf | Each | Fields | Keyed | Either | Kinds

NUMBER = Leaf("a number", lambda v: type(v) in (int, float) and -LARGE < v < LARGE)
WHOLE = Leaf("a whole number", lambda v: type(v) is int)
SIDE = Leaf(
    "a number of pixels", lambda v: type(v) in (int, float) and 0 < v < LARGE and v % 1 == 0
)
TEXT = Leaf("text", lambda v: isinstance(v, str))
TRUTH = Leaf("true or false", lambda v: isinstance(v, bool))
ID = Leaf("a number or text", lambda v: type(v) is int or isinstance(v, str))
NULL = Leaf("null", lambda v: v is None)
ANY = Leaf("anything", lambda _: True)
SIZE = Each(SIDE, 2)
RUNS = Fields(
    {"size": SIZE, "counts": Either("a string or list of run lengths", {str: TEXT, list: ANY})}
)


def check(content: Any, shape: Shape, source: str | Path) -> None:
    """Check that content has a shape.

    Raises:
        InputError: Where it has another: the path there, what it says, and what would be right.
    """
    if (fault := _fault(content, shape, "")) is not None:
        at, found, words = fault
        raise InputError(f"{source}: {at or 'the file'} {found}, must be {words}")


def step(at: str, key: str | int) -> str:
    """The path of an entry of what is at a path: images[3].width."""
    if isinstance(key, int):
        return f"{at}[{key}]"
    if not key.isidentifier():
        return f"{at}[{json.dumps(_short(key))}]"
    return f"{at}.{key}" if at else key


def told(value: Any) -> str:
    """What a value of JSON is, in a few words."""
    if isinstance(value, dict):
        keys = ", ".join(list(value)[:5])
        return f"an object with {json.dumps(_short(keys))[1:-1]}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"the text {json.dumps(_short(value))}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"the number {_short(str(value))}"


def _fault(value: Any, shape: Shape, at: str) -> tuple[str, str, str] | None:
    """Path, what is there, and what must be there, of the first place of another shape."""
    wrong = at, f"is {told(value)}", shape.words
    match shape:
        case Leaf():
            return None if shape.fits(value) else wrong
        case Either():
            inner = shape.by.get(type(value))
            return wrong if inner is None else _fault(value, inner, at)
        case Each():
            if not isinstance(value, list) or len(value) != (shape.count or len(value)):
                return wrong
            if shape.of is ANY:
                return None
            entries = ((step(at, n), entry, shape.of) for n, entry in enumerate(value))
            return next((f for a, v, s in entries if (f := _fault(v, s, a)) is not None), None)
        case Keyed():
            if not isinstance(value, dict):
                return wrong
            for key, entry in value.items():
                if not (key.isascii() and key.isdigit()):
                    return at, f"has the key {json.dumps(_short(key))}", shape.words
                if (fault := _fault(entry, shape.of, step(at, key))) is not None:
                    return fault
            return None
        case Kinds():
            if not isinstance(value, dict):
                return wrong
            kind = value.get(shape.key)
            kind = shape.default if kind is None else kind
            if not isinstance(kind, str):
                return _fields(value, Fields({shape.key: TEXT}), at)
            return _fault(value, shape.by.get(kind, shape.other), at)
        case Fields():
            return _fields(value, shape, at) if isinstance(value, dict) else wrong


def _fields(value: dict[str, Any], shape: Fields, at: str) -> tuple[str, str, str] | None:
    for key, inner in shape.needed.items():
        if key not in value:
            return step(at, key), "is missing", inner.words
        if (fault := _fault(value[key], inner, step(at, key))) is not None:
            return fault
    for key, inner in shape.optional.items():
        there = value.get(key)
        if there is not None and (fault := _fault(there, inner, step(at, key))) is not None:
            return fault
    return None


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 2] + ".."
