"""JSON files of others: read once, however many formats ask what they are."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from pixelkin.formats.json_shape import Shape, check
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
        status = Path(path).stat()
        changed = status.st_mtime_ns, status.st_size, status.st_ino
        return (
            _parsed(Path(path), *changed)
            if shape is None
            else _checked(Path(path), shape, *changed)
        )
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply to be a file of labels") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def forget_json() -> None:
    """Let go of the file that was read last."""
    _parsed.cache_clear()
    _checked.cache_clear()


@lru_cache(maxsize=1)
def _parsed(path: Path, *changed: int) -> Any:  # noqa: ARG001
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)


@lru_cache(maxsize=1)
def _checked(path: Path, shape: Shape, *changed: int) -> Any:
    content = _parsed(path, *changed)
    check(content, shape, path)
    return content


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
