"""What a training is of: recipe and videos. It is gone on with if these are the same.

A checkpoint knows its videos by name and content, not by place or time, so that a copy of the data
is the same data; of videos that are not, the names are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixelkin.data.index import Source, digest, digest_of_files
from pixelkin.training.config import Recipe
from pixelkin.types import InputError

NAMED = 3  # videos of a kind of difference that are named


def identity_of(recipe: Recipe, sources: Sequence[Source], precision: str) -> dict[str, Any]:
    """What decides the weights, as a checkpoint keeps it.

    Args:
        recipe: The recipe.
        sources: The videos.
        precision: What the recipe's came to on this machine.
    """
    return {
        "recipe": recipe.fingerprint(),
        "data": digest(sources),
        "content": digest_of_files(sources),
        "videos": _known(sources),
        "precision": precision,
    }


def check_videos(out: Path, saved: Mapping[str, Any], sources: Sequence[Source]) -> None:
    """Check that a training goes on with the videos that it was started on.

    Args:
        out: Folder of the training.
        saved: What its checkpoint has of `identity_of`. Earlier versions kept no "videos", so that
            what differs has no names, and version 0.1 no "content".
        sources: The videos that are given now.

    Raises:
        InputError: If they are others; it says which are missing, new or changed.
    """
    count, content = len(sources), digest_of_files(sources)
    told = _difference(saved.get("videos"), _known(sources))
    if saved["data"] != digest(sources):
        before = ""
        if "videos" not in saved:
            before = "; folders that are left out now, as a frame cannot be read, counted then"
        raise InputError(
            f"{out} was started on other videos than these {count}{f' ({told})' if told else ''}: "
            "give the same folders, with files and names as they were, or choose another output "
            f"folder{before}"
        )
    if saved.get("content", content) != content:
        raise InputError(
            f"{out} was started on other videos: some of these {count} have been replaced since"
            f"{f' ({told})' if told else ''}; restore them, or choose another output folder"
        )


def _known(sources: Sequence[Source]) -> list[list[str]]:
    """Name of each video, and what it shows."""
    return [[s.name, f"{s.frames} {s.height}x{s.width} {s.content[:16]}"] for s in sources]


def _difference(before: object, now: Sequence[Sequence[str]]) -> str:
    """What became of the videos, in words; nothing where that is not known."""
    try:
        then = [(str(name), str(content)) for name, content in before]  # type: ignore[attr-defined]
    except (TypeError, ValueError):  # of an earlier version, or damaged
        return ""
    given = [(name, content) for name, content in now]
    gone, come = Counter(then) - Counter(given), Counter(given) - Counter(then)
    kinds: dict[str, list[str]] = {k: [] for k in ("missing", "new", "changed", "renamed")}
    new = Counter(name for name, _ in come.elements())
    # By content, which ends with a blank where an index knew no digest of it.
    called = {content: name for name, content in sorted(come) if not content.endswith(" ")}
    for name, content in sorted(gone.elements()):
        if new[name]:
            kinds["changed"].append(name)
            new[name] -= 1
        elif new[other := called.pop(content, "")]:
            kinds["renamed"].append(f"{name} to {other}")
            new[other] -= 1
        else:
            kinds["missing"].append(name)
    kinds["new"] = sorted(new.elements())
    told = "; ".join(f"{kind}: {_few(names)}" for kind, names in kinds.items() if names)
    return told or ("" if then == given else "in another order")


def _few(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
