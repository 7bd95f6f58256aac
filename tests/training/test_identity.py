"""What a training is of: when it is gone on with, and what is told where videos are others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pixelkin.data.index import Source
from pixelkin.training.config import Recipe, load_recipe
from pixelkin.training.identity import check_videos, identity_of
from pixelkin.types import InputError

OUT = Path("run")
VIDEOS = [
    Source(f"/data/{name}", name, "1-1", 12, 80, 72, content=f"{i:064x}"[::-1])
    for i, name in enumerate(("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"), start=1)
]


@pytest.fixture
def recipe(recipe_file: Path) -> Recipe:
    return load_recipe(recipe_file)


def told(recipe: Recipe, now: Sequence[Source]) -> str:
    with pytest.raises(InputError) as error:
        check_videos(OUT, identity_of(recipe, VIDEOS, "float32"), now)
    return str(error.value)


def test_the_same_videos_elsewhere_are_the_same(recipe: Recipe) -> None:
    moved = [replace(s, path=f"/mnt/{s.name}", stamp="2-2") for s in VIDEOS]
    check_videos(OUT, identity_of(recipe, VIDEOS, "float32"), moved)


def test_what_is_other_is_named(recipe: Recipe) -> None:
    a, b, *rest = VIDEOS
    new = replace(a, name="z.mp4", content="f" * 64)
    right = "give the same folders, with files and names as they were, or choose another output"
    assert f"than these 4 (missing: b.mp4): {right}" in told(recipe, [a, *rest])
    assert "than these 6 (new: z.mp4): " in told(recipe, [*VIDEOS, new])
    assert "(renamed: b.mp4 to x.mp4): " in told(recipe, [a, *rest, replace(b, name="x.mp4")])
    assert "(changed: b.mp4): " in told(recipe, [a, replace(b, frames=11), *rest])
    assert "(missing: b.mp4; new: z.mp4): " in told(recipe, [a, *rest, new])
    assert "(in another order): " in told(recipe, [b, a, *rest])
    assert "(missing: b.mp4, c.mp4, d.mp4 and 1 more): " in told(recipe, [a])


def test_one_that_was_replaced_is_named(recipe: Recipe) -> None:
    a, *rest = VIDEOS
    message = told(recipe, [replace(a, content="f" * 64), *rest])
    assert "some of these 5 have been replaced since (changed: a.mp4); restore them" in message


@pytest.mark.parametrize("videos", [None, 5, "abc", [1, 2], [["a", "b", "c"]]])
def test_checkpoints_without_names_are_refused_without_them(recipe: Recipe, videos: object) -> None:
    saved = identity_of(recipe, VIDEOS, "float32") | {"videos": videos}
    check_videos(OUT, saved, VIDEOS)
    with pytest.raises(InputError, match=r"on other videos than these 4: give the same folders"):
        check_videos(OUT, saved, VIDEOS[1:])
