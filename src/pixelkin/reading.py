"""Reading what others made: files alone, no larger than their kind can be, no deeper than sense.

Pipes, devices and folders in the place of a file are refused before they are opened, as reading
them may never end. JSON and YAML are refused where they are nested so deeply, or refer to
themselves so often, that nobody can have meant it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pixelkin.types import InputError

SETTINGS_BYTES = 16 * 2**20  # recipes, lists, marks: what people or one run write
RECIPE_BYTES = 2**20
LABELS_BYTES = 512 * 2**20  # one file of labels; in memory JSON is several times as large
YAML_DEPTH, YAML_ALIASES = 40, 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_file(path: str | Path, most: int | None = None) -> os.stat_result:
    """Check that there is a file, and that it is not too large.

    Args:
        path: Of the file, or of a link to it.
        most: Bytes that it may have; None for any number.

    Returns:
        What the file system knows of it.

    Raises:
        InputError: If it is missing, too large, or no file.
    """
    try:
        found = Path(path).stat()
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"cannot read {str(path)!r}: {error}") from error
    except OSError as error:
        raise InputError(_unreachable(Path(path), error)) from error
    if not stat.S_ISREG(found.st_mode):
        what = next((name for test, name in _KINDS if test(found.st_mode)), "something else")
        raise InputError(f"cannot read {path}: it is {what}, must be a file")
    if most is not None and found.st_size > most:
        raise InputError(
            f"cannot read {path}: it has {found.st_size / 2**20:,.0f} MiB, and files of its kind "
            f"at most {most / 2**20:,.0f}"
        )
    return found


def _unreachable(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT and path.is_symlink():
        return f"cannot read {path}: it is a link to {path.readlink()}, which is not there"
    if error.errno == errno.ENOENT:
        return f"no such file: {path}"
    return f"cannot read {path}: {error.strerror}"


def read_bytes(path: str | Path, most: int = LABELS_BYTES) -> bytes:
    """The content of a file.

    Raises:
        InputError: As in `check_file`, or if it cannot be read.
    """
    check_file(path, most)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def read_text(path: str | Path, most: int = SETTINGS_BYTES, encoding: str = "utf-8") -> str:
    """The text of a file.

    Raises:
        InputError: As in `read_bytes`, or if it is of another encoding.
    """
    try:
        return read_bytes(path, most).decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error}") from error


def read_json(path: str | Path, most: int = SETTINGS_BYTES) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: As in `read_bytes`, or if it is not JSON.
    """
    return parse_json(read_text(path, most), path)


def parse_json(
    text: str | bytes, source: str | Path, constant: Callable[[str], Any] | None = None
) -> Any:
    """The content of a JSON text.

    Args:
        text: The text.
        source: What it is called in messages.
        constant: As `parse_constant` of the standard library: called for NaN and infinity.

    Raises:
        InputError: If it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=constant)
    except RecursionError as error:
        raise InputError(f"{source} is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{source} is not JSON: {error}") from error


def parse_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """The content of a YAML text; plain values alone, whatever tags say.

    Raises:
        yaml.YAMLError: If it is not YAML, is nested more deeply than `YAML_DEPTH`, holds itself, or
            has more than `YAML_ALIASES` aliases, each of which may stand for all before it.
    """
    within: list[str | None] = []  # anchors of what is open
    aliases = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            within.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            within.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if event.anchor in within:
                raise yaml.YAMLError(f"*{event.anchor} holds itself")
        if len(within) > YAML_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {YAML_DEPTH} deep")
        if aliases > YAML_ALIASES:
            raise yaml.YAMLError(f"it has more than {YAML_ALIASES} aliases")
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError:
        raise
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        raise yaml.YAMLError(f"a value cannot be read ({error})") from error


def yaml_reason(error: yaml.YAMLError) -> str:
    """Why a text is not YAML, in one line with the line and the column of it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
    said = ": ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    place = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
    return f"{' '.join(said.split())}{place}"
