"""The full state of a training in one file, written atomically, checked when it is read back."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pixelkin.types import InputError
from pixelkin.video.files import atomic_write

FORMAT = 1


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` (tensors and plain values) so that `path` holds all of it or what it held.

    The data reach the disk before the name does: also a loss of power leaves a whole checkpoint.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote, on the CPU.

    Raises:
        InputError: If the file is not a checkpoint of this program's version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("format")
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, AttributeError) as e:
        raise InputError(f"{path} is not a checkpoint of a training: {e}") from e
    if found != FORMAT:
        raise InputError(f"{path} has checkpoint format {found}, this version reads {FORMAT}")
    return state


def check_same(folder: Path, saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a checkpoint belongs to the recipe that wants to resume from it.

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


def remove_leftovers(path: Path) -> None:
    """Remove the unfinished files of writers that were killed."""
    for part in path.parent.glob(f".{path.stem}.*{path.suffix}"):
        part.unlink(missing_ok=True)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    return {k: v for key, x in items for k, v in _flat(x, f"{prefix}.{key}".lstrip(".")).items()}
