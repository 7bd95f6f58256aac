"""JSON files of others: read once, however many formats ask what they are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from pixelkin.formats.json_shape import Shape, check
from pixelkin.reading import LABELS_BYTES, check_file, parse_json, read_bytes
from pixelkin.types import InputError


def read_json(path: str | Path, shape: Shape | None = None) -> Any:
    """The content of a JSON file; not to be changed, as the next call may give the same.

    Args:
        path: The file.
        shape: What form it must have; None for any.

    Raises:
        InputError: If it is missing, not JSON, of another form, or says NaN or infinity, which JSON
            has no word for.
    """
    try:
        status = check_file(path, LABELS_BYTES)
        changed = status.st_mtime_ns, status.st_size, status.st_ino
        return (
            _parsed(Path(path), *changed)
            if shape is None
            else _checked(Path(path), shape, *changed)
        )
    except InputError:
        raise
    except RecursionError as error:  # of what was parsed, where its shape is looked at
        raise InputError(f"{path} is nested too deeply to be a file of labels") from error


def forget_json() -> None:
    """Let go of the file that was read last."""
    _parsed.cache_clear()
    _checked.cache_clear()


@lru_cache(maxsize=1)
def _parsed(path: Path, *changed: int) -> Any:  # noqa: ARG001
    return parse_json(read_bytes(path), path, _refuse)


@lru_cache(maxsize=1)
def _checked(path: Path, shape: Shape, *changed: int) -> Any:
    content = _parsed(path, *changed)
    check(content, shape, path)
    return content


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
