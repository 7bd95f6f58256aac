"""Dataclasses from plain YAML values, strictly: what is not declared is an error that names it.

Knows nothing about training. Supported annotations: bool, int, float, str, Literal, unions,
fixed and open tuples, dict, and dataclasses of these.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import difflib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import yaml

from pixelkin.checks import KINDS, SettingError
from pixelkin.reading import parse_yaml
from pixelkin.types import InputError

T = TypeVar("T")


def build(cls: type[T], raw: object, where: str = "") -> T:
    """An instance of the dataclass `cls` from a mapping of plain values.

    Args:
        cls: A dataclass.
        raw: What the YAML file holds at this place; None counts as empty.
        where: Dotted path of this place, for messages.

    Raises:
        InputError: If a key is unknown or missing, or a value is of the wrong type or out of range.
    """
    raw = {} if raw is None else raw
    if not isinstance(raw, Mapping):
        raise SettingError(where or "the file", f"must be settings 'key: value', got {raw!r}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    for key in raw:
        if key not in fields:
            raise SettingError(_join(where, str(key)), _unknown(str(key), list(fields), cls))
    values = {key: _convert(hints[key], value, _join(where, key)) for key, value in raw.items()}
    for name, field in fields.items():
        no_default = field.default is dataclasses.MISSING
        if name not in values and no_default and field.default_factory is dataclasses.MISSING:
            raise SettingError(_join(where, name), "this setting is missing")
    try:
        return cls(**values)
    except SettingError as error:
        raise error.below(where) from error
    except ValueError as error:
        raise InputError(f"{where}: {error}" if where else str(error)) from error


class OverrideError(InputError):
    """A setting that was given besides a file is wrong, not the file: "file: key: reason".

    Args:
        path: The file.
        key: Dotted path of the setting that is wrong.
        reason: Its value, and what would be right.
        given: Those that were given besides and make it wrong.
    """

    def __init__(self, path: Path, key: str, reason: str, given: tuple[str, ...]) -> None:
        super().__init__(f"{path}: {key}: {reason}" if key else f"{path}: {reason}")
        self.path, self.key, self.reason, self.given = path, key, reason, given

    def __reduce__(self) -> tuple[type[OverrideError], tuple[Path, str, str, tuple[str, ...]]]:
        return OverrideError, (self.path, self.key, self.reason, self.given)

    def told(self, option: str) -> str:
        """The same without the file, of settings that were given by an option."""
        if any(_holds(one, self.key) for one in self.given):
            return f"{option} {self.key}: {self.reason}"
        wrong = f"{self.key}: {self.reason}" if self.key else self.reason
        return f"{option} {', '.join(self.given)}: {wrong}"


def build_with(cls: type[T], raw: dict[str, Any], overrides: Mapping[str, object], path: Path) -> T:
    """An instance of `cls` from a file's settings, of which some are replaced.

    Args:
        cls: A dataclass.
        raw: What the file holds.
        overrides: Values that replace or add to it, by dotted path.
        path: The file, for messages.

    Raises:
        OverrideError: If the settings are wrong because of the overrides.
        InputError: If they are wrong as the file has them.
    """
    replaced = copy.deepcopy(raw)
    try:
        for key, value in overrides.items():
            replace_at(replaced, key, value)
        return build(cls, replaced)
    except InputError as error:
        key, reason = (
            (error.key, error.reason) if isinstance(error, SettingError) else ("", f"{error}")
        )
        given = tuple(one for one in overrides if _holds(one, key))
        if not given and overrides and _is_right(cls, raw):
            given = tuple(one for one in overrides if _holds(key, one)) or tuple(overrides)
        if given:
            raise OverrideError(path, key, reason, given) from error
        raise InputError(f"{path}: {error}") from error


def _holds(place: str, key: str) -> bool:
    """Whether a dotted path is that of a setting, or of what it lies in."""
    return bool(place) and f"{key}.".startswith(f"{place}.")


def _is_right(cls: type, raw: Mapping[str, Any]) -> bool:
    try:
        build(cls, raw)
    except InputError:
        return False
    return True


def read_yaml(text: str) -> Any:
    """The content of a YAML text; a key that is given twice is an error, too.

    Raises:
        yaml.YAMLError: If it is not YAML, or what `parse_yaml` refuses.
    """
    return parse_yaml(text, _StrictLoader)


def plain(value: Any) -> Any:
    """The reverse of `build`: dataclasses and tuples as mappings and lists, for YAML and JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f.name for f in dataclasses.fields(value) if f.init]
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def replace_at(raw: dict[str, Any], path: str, value: object) -> None:
    """Set `raw` at a dotted path such as "stages.0.share" in place.

    Raises:
        SettingError: If the path leads through something that is neither a mapping nor a list.
    """
    *parents, last = path.split(".")
    place: Any = raw
    for depth, key in enumerate([*parents, last]):
        here = ".".join(path.split(".")[:depth])
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                raise SettingError(path, f"{here} has entries 0 to {len(place) - 1}, not {key!r}")
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
        else:
            raise SettingError(path, f"{here} has no settings below it")
        if depth == len(parents):
            place[index] = value
        else:
            if isinstance(place, dict) and place.get(index) is None:
                place[index] = {}
            place = place[index]


class _StrictLoader(yaml.SafeLoader):
    """YAML, without the licence to give a key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                problem = f"{key.value} given more than once"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen |= {key.value} if isinstance(key.value, str) else set()
        return super().construct_mapping(node, deep)


def _convert(hint: Any, value: object, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        *others, last = (a for a in args if a is not type(None))
        for inner in others:
            with contextlib.suppress(InputError):
                return _convert(inner, value, where)
        return _convert(last, value, where)
    if origin is Literal:
        if not any(a == value and type(a) is type(value) for a in args):
            raise SettingError(where, _not_among(value, list(args)))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingError(where, f"must be a list, got {value!r}")
        if len(args) == 2 and args[1] is Ellipsis:
            args = (args[0],) * len(value)
        if len(args) != len(value):
            raise SettingError(where, f"must be a list of {len(args)}, got {value!r}")
        pairs = zip(args, value, strict=True)
        return tuple(_convert(a, v, f"{where}.{i}") for i, (a, v) in enumerate(pairs))
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)  # type: ignore[arg-type]
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise SettingError(where, f"must be settings 'key: value', got {value!r}")
        return value
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: object, where: str) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3, without a point, as text
        except ValueError:
            pass
    elif hint in (int, bool, str) and type(value) is hint:
        return value
    if hint not in KINDS:
        raise TypeError(f"{where}: settings of type {hint} are not supported")
    raise SettingError(where, f"must be {KINDS[hint]}, got {value!r}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _not_among(value: object, allowed: list[Any]) -> str:
    return f"{value!r} is not one of {', '.join(map(str, allowed))}{_hint(str(value), allowed)}"


def _unknown(key: str, allowed: list[str], cls: type) -> str:
    deeper = [path for path in _paths(cls) if path.endswith(f".{key}")]
    hint = f" (did you mean {deeper[0]!r}?)" if deeper else _hint(key, allowed)
    return f"unknown setting{hint}; allowed: {', '.join(allowed) or 'none'}"


def _hint(value: str, allowed: list[Any]) -> str:
    close = difflib.get_close_matches(value, [str(a) for a in allowed], 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _paths(cls: type, place: str = "") -> list[str]:
    """Dotted paths of all settings of a dataclass and of the dataclasses inside it."""
    hints, found = get_type_hints(cls), []
    for name in (f.name for f in dataclasses.fields(cls) if f.init):
        found.append(_join(place, name))
        if isinstance(hints[name], type) and dataclasses.is_dataclass(hints[name]):
            found += _paths(hints[name], found[-1])
    return found
