"""What a hostile input is, and what most of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bad_material
from bad_samples import Check


@dataclass(frozen=True)
class Hostile:
    """One input, as `Sample`; `refused` says whether it must be."""

    name: str
    make: Callable[[Path], None]
    command: tuple[str, ...]
    check: Check = bad_material.fine
    refused: bool = True
    results: tuple[str, ...] = ()
    slow: bool = False


PROPAGATE = ("propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab")
TRAIN = ("train", "recipe.yaml", "--data", "clips", "--out", "run")


def with_files(files: dict[str, bytes | str], base: Callable[[Path], None], place: Path) -> None:
    base(place)
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


frames = partial(bad_material.frames_and_mask, "mask.png", ".png")
