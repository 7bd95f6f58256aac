"""The page on a slow server: what somebody does before an answer is there counts all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from page_seen import Seen

Look = Callable[..., Seen]


@contextmanager
def held(seen: Seen, what: str) -> Iterator[list[Any]]:
    """While it lasts, the page has no answer to its GET requests; gives those that wait."""
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.method == "GET":
            waiting.append(route)
        else:
            route.continue_()

    seen.page.route(what, hold)
    try:
        yield waiting
    finally:
        for route in waiting:
            route.continue_()
        seen.page.unroute(what, hold)


def first(seen: Seen) -> dict[str, Any]:
    return dict(seen.api("session")["objects"][0])


def go(seen: Seen, frame: int) -> None:
    """Show a frame, with its labels."""
    seen.go(frame)
    seen.page.wait_for_selector("#object-facts:has-text('nothing yet')")


def states(seen: Seen, frame: int = 0) -> list[str]:
    return [o["state"] for o in seen.api(f"labels/{frame}")["labels"] if o["origin"] == "label"]


@pytest.mark.parametrize(("key", "what"), [("i", "hidden"), ("l", "locked")])
def test_a_key_pressed_twice_does_nothing(look: Look, clip: Path, key: str, what: str) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    before = seen.api("session")["revision"]
    with held(seen, "**/api/session") as waiting:
        seen.press(key)
        seen.until(lambda: first(seen)[what] and waiting)
        seen.press(key)
    seen.saved()
    assert not first(seen)[what]
    assert seen.api("session")["revision"] == before + 2


def test_flags_cuts_and_marks_are_taken_back(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    go(seen, 4)
    with held(seen, "**/api/timeline") as waiting:
        seen.press("m")
        seen.until(lambda: seen.api("timeline")["flagged"] and waiting)
        seen.page.click("#flag")
    seen.until(lambda: not seen.api("timeline")["flagged"])
    seen.saved()
    with held(seen, "**/api/timeline") as waiting:
        seen.page.click("#cut")
        seen.until(lambda: seen.api("timeline")["cuts"] and waiting)
        seen.page.click("#cut")
    seen.until(lambda: not seen.api("timeline")["cuts"])
    seen.saved()
    with held(seen, "**/api/labels/4") as waiting:
        seen.press("o")
        seen.until(lambda: states(seen, 4) == ["absent"] and waiting)
        seen.press("o")
    seen.until(lambda: states(seen, 4) == [])


def test_what_is_marked_is_the_frame_that_was_in_view(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    go(seen, 4)
    with held(seen, "**/api/labels/4") as waiting:
        seen.press("o")
        seen.until(lambda: states(seen, 4) == ["absent"] and waiting)
        seen.press("q", "ArrowRight")
        seen.until(lambda: seen.frame == 5)
    seen.until(lambda: states(seen, 4) == ["occluded"])
    seen.saved()
    assert states(seen, 5) == [] and seen.frame == 5


def test_each_of_the_objects_that_are_added_has_a_name(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    with held(seen, "**/api/session") as waiting:
        page.click("text=Add object")
        seen.until(lambda: seen.api("session")["objects"] and waiting)
        page.click("text=Add object")
        page.click("text=Add object")
        seen.stroke((28, 46), (30, 46))  # waits for them, and is of the last one
    seen.saved()
    names = [o["name"] for o in seen.api("session")["objects"]]
    assert names == ["object 1", "object 2", "object 3"]
    assert seen.mask(0, 3).any() and page.locator("#objects [aria-selected=true]").count() == 1
    with held(seen, "**/api/session") as waiting:
        page.click("text=Add object")
        seen.until(lambda: len(seen.api("session")["objects"]) == 4 and waiting)
        seen.press("2")  # a later choice than the new object's
    seen.saved()
    assert page.locator("#object-2").get_attribute("aria-selected") == "true"


def test_an_object_is_moved_by_as_many_places_as_keys(look: Look, clip: Path) -> None:
    seen = look(clip)
    for _ in range(3):
        seen.page.click("text=Add object")
        seen.saved()
    with held(seen, "**/api/session") as waiting:
        seen.press("Alt+ArrowUp")
        seen.until(lambda: seen.api("session")["objects"][1]["id"] == 3 and waiting)
        seen.press("Alt+ArrowUp")
    seen.until(lambda: [o["id"] for o in seen.api("session")["objects"]] == [3, 1, 2])


def test_lines_are_of_the_skeleton_that_is_there(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.press("k")
    for place in ((20.5, 20.5), (60.5, 60.5), (120.5, 20.5)):
        seen.click(*place)
        seen.saved()

    def lines() -> list[list[int]]:
        return list(seen.api("session")["skeleton"])

    seen.press("w")
    with held(seen, "**/api/session") as waiting:
        seen.stroke((20, 20), (60, 60))
        seen.until(lambda: lines() == [[1, 2]] and waiting)
        seen.stroke((20, 20), (60, 60))  # takes it back
    seen.until(lambda: lines() == [])
    seen.saved()
    page.click("#lines")
    with held(seen, "**/api/session") as waiting:
        page.click("#line-add")
        seen.until(lambda: lines() == [[1, 2]] and waiting)
        seen.until(lambda: page.locator("#line-from").input_value() == "2")
        page.locator("#line-from").select_option(label="keypoint 1")
        page.click("#line-add")
    seen.until(lambda: "connected already" in page.locator("#line-note").inner_text())
    seen.saved()
    assert lines() == [[1, 2]] and page.locator("#line-from").input_value() == "1"
    with held(seen, "**/api/session") as waiting:
        page.locator("#line-to").select_option(label="keypoint 3")
        page.click("[aria-label='take back the line keypoint 1 – keypoint 2']")
        seen.until(lambda: lines() == [] and waiting)
        page.click("#line-add")
        page.locator("#line-from").select_option(label="keypoint 2")
    seen.until(lambda: lines() == [[1, 3]])
    seen.saved()
    assert page.locator("#line-from").input_value() == "2"  # not where the chain would go on


def test_accepting_leaves_somebody_where_they_went(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    seen.propagate()
    seen.go(4)
    with held(seen, "**/api/suggest?k=1") as waiting:
        seen.press("a")
        seen.until(lambda: waiting)
        seen.go(8)
    seen.saved()
    seen.page.wait_for_timeout(200)
    assert seen.frame == 8 and seen.api("labels/4")["reviewed"]
