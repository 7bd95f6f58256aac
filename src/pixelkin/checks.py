"""Checks of settings, in one voice: the setting's name, its value, and what would be right.

A dataclass checks itself with these in `__post_init__`; whoever builds it from a file puts the path
of the dataclass before the name (see `pixelkin.training.schema.build`), so that a message reads
"stages.0.objectives.0.settings.temperature: 0 must be above 0" in the end.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from pixelkin.types import InputError


class SettingError(InputError):
    """A setting is wrong: "key: reason".

    Args:
        key: Its name, or the dotted path to it.
        reason: Its value, and what would be right.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, str]]:
        return SettingError, (self.key, self.reason)  # processes tell each other of it

    def below(self, place: str) -> SettingError:
        """The same error where the settings are those at `place`; "" is the top."""
        return SettingError(f"{place}.{self.key}", self.reason) if place else self


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def check_types(settings: Any) -> None:
    """Check that the values of a dataclass are what its annotations say, as Python does not.

    NumPy's numbers become Python's, and a list where a tuple belongs becomes one; a truth value is
    no number.

    Raises:
        SettingError: If a value is of another kind.
    """
    kind: Any = type(settings)
    hints = _hints(kind)
    for name in (field.name for field in dataclasses.fields(settings) if field.init):
        value = getattr(settings, name)
        if (fitting := _fitting(name, value, hints[name])) is not value:
            object.__setattr__(settings, name, fitting)  # also of a frozen one


def _fitting(key: str, value: Any, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    value = value.item() if isinstance(value, np.generic) else value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        *others, last = (a for a in args if a is not type(None))
        return value if any(_fits(value, a) for a in others) else _fitting(key, value, last)
    if origin is Literal:
        if not any(type(a) is type(value) and a == value for a in args):
            raise SettingError(key, _not_among(value, args))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingError(key, f"must be a list, got {value!r}")
        if args[-1] is Ellipsis:
            args = args[:1] * len(value)
        if len(args) != len(value):
            raise SettingError(key, f"must be a list of {len(args)}, got {value!r}")
        found = tuple(_fitting(key, one, a) for one, a in zip(value, args, strict=True))
        same = type(value) is tuple and all(map(operator.is_, found, value))
        return value if same else found
    if not _fits(value, hint):
        what = KINDS.get(hint, f"of the kind {getattr(origin or hint, '__name__', hint)}")
        raise SettingError(key, f"must be {what}, got {value!r}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    kind: Any = (int, float) if hint is float else get_origin(hint) or hint
    return isinstance(value, kind) and not (hint in (int, float) and isinstance(value, bool))


def check_number(
    key: str,
    value: float,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Check that a number is within its bounds; NaN never is.

    Args:
        key: Name of the setting.
        value: Its value.
        least: The least value that is allowed.
        most: The greatest.
        above: What it must be greater than.
        below: What it must be less than.

    Raises:
        SettingError: If it is not.
    """
    bounds = (
        ("at least", least, value >= least),
        ("above", above, value > above),
        ("at most", most, value <= most),
        ("below", below, value < below),
    )
    given = [f"{text} {bound:g}" for text, bound, _ in bounds if math.isfinite(bound)]
    if not all(fine for _, _, fine in bounds):
        raise SettingError(key, f"{value} must be {' and '.join(given)}")


def check_choice(key: str, value: object, allowed: Sequence[object]) -> None:
    """Check that a value is one of those that are allowed.

    Raises:
        SettingError: If it is not; the message lists them.
    """
    if value not in allowed:
        raise SettingError(key, _not_among(value, allowed))


def _not_among(value: object, allowed: Sequence[object]) -> str:
    return f"{value!r} is not one of {', '.join(map(str, allowed))}"


def check_gaps(gaps: Sequence[int], *, least: int) -> None:
    """Check the setting `gaps`, distances in frames between two views: at least one of them.

    Args:
        gaps: The distances.
        least: The least that is allowed.

    Raises:
        SettingError: If there is none, or one is smaller.
    """
    if not gaps:
        raise SettingError("gaps", "give at least one distance in frames")
    for gap in gaps:
        check_number("gaps", gap, least=least)


def check_same(folder: Path, saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that what a folder was started with is what is given now.

    Raises:
        InputError: Naming the settings that differ.
    """
    a, b = _flat(saved), _flat(given)
    different = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    if different:
        shown = ", ".join(f"{k} ({a.get(k)} -> {b.get(k)})" for k in different[:5])
        more = f" and {len(different) - 5} more" if len(different) > 5 else ""
        raise InputError(
            f"{folder} was started with other settings: {shown}{more}; restore them, or "
            "choose another output folder"
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    return {k: v for key, x in items for k, v in _flat(x, f"{prefix}.{key}".lstrip(".")).items()}
