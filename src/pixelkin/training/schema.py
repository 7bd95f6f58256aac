"""Dataclasses from plain YAML values, strictly: what is not declared is an error that names it.

Knows nothing about training. Supported annotations: bool, int, float, str, Literal, unions,
fixed and open tuples, dict, and dataclasses of these.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import types
from collections import Counter
from collections.abc import Mapping
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
    return value.item() if isinstance(value, np.generic) else value


def replace_at(raw: dict[str, Any], path: str, value: object) -> None:
    """Set `raw` at a dotted path such as "stages.0.share" in place.

    Raises:
        InputError: If the path leads through something that is neither a mapping nor a list.
    """
    *parents, last = path.split(".")
    place: Any = raw
    for depth, key in enumerate([*parents, last]):
        here = ".".join(path.split(".")[:depth])
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                raise InputError(f"{path}: {here} has entries 0 to {len(place) - 1}, not {key!r}")
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
        else:
            raise InputError(f"{path}: {here} has no settings below it")
        if depth == len(parents):
            place[index] = value
        else:
            if isinstance(place, dict) and place.get(index) is None:
                place[index] = {}
            place = place[index]


class _StrictLoader(yaml.SafeLoader):
    """YAML, without the licence to give a key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        counts = Counter(key for key in keys if isinstance(key, str))
        if twice := sorted(key for key, count in counts.items() if count > 1):
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} given more than once", node.start_mark
            )
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
