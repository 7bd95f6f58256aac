"""The full state of a training in one file, written atomically, checked when it is read back."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pixelkin.files import atomic_write
from pixelkin.reading import check_file
from pixelkin.types import InputError

FORMAT = 2  # 1: version 0.1, whose settings were others


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` (tensors and plain values) so that `path` holds all of it or what it held.

    The data reach the disk before the name does: also a loss of power leaves a whole checkpoint.

    Raises:
        OSError: If the disk is full.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({"format": FORMAT, **state}, file)
        except RuntimeError as error:  # torch has a word of its own for a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote, on the CPU.

    Raises:
        InputError: If the file is not a checkpoint of this program's version.
    """
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:  # torch packs nothing, so nothing unpacks to more
            if any(member.compress_type for member in archive.infolist()):
                raise ValueError("it is packed")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("format")
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds on damaged files
        said = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise InputError(f"{path} is not a checkpoint of a training: {said}") from error
    if found != FORMAT:
        raise InputError(
            f"{path} was written by another version of pixelkin (format {found}, this one reads "
            f"{FORMAT}): choose another output folder"
        )
    return state
