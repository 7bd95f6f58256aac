"""Objects in the page: their order, names, colours and kinds, and the skeleton of points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from page_seen import Seen

Look = Callable[..., Seen]


def names(seen: Seen) -> list[str]:
    return [o["name"] for o in seen.api("session")["objects"]]


def add(seen: Seen, count: int, kind: str = "mask") -> None:
    seen.page.locator("#add-kind").select_option(kind)
    for _ in range(count):
        seen.page.click("text=Add object")
        seen.saved()


def colour(seen: Seen, i: int) -> str:
    return str(seen.page.locator(f"#object-{i} .swatch").input_value())


def test_objects_are_put_in_another_order(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    add(seen, 3)
    one, two, three = (f"object {n}" for n in (1, 2, 3))
    before = [colour(seen, i) for i in (1, 2, 3)]
    seen.press("Alt+ArrowUp")  # the third is chosen
    seen.saved()
    assert names(seen) == [one, three, two]
    seen.press("Alt+ArrowDown", "Alt+ArrowDown")  # it is the last one then
    seen.saved()
    assert names(seen) == [one, two, three]
    page.locator("#object-1").drag_to(page.locator("#object-3"), target_position={"x": 90, "y": 24})
    seen.saved()
    assert names(seen) == [two, three, one]
    page.locator("#object-1").drag_to(page.locator("#object-2"), target_position={"x": 90, "y": 3})
    seen.saved()
    assert names(seen) == [one, two, three]
    seen.press("1")
    page.click("[aria-label='move down in the list']")
    seen.saved()
    seen.press("Control+z", "Control+z")
    seen.saved()
    assert names(seen) == [two, three, one]
    assert [colour(seen, i) for i in (1, 2, 3)] == before
    rows = page.locator("#objects li b").all_inner_texts()
    assert rows == ["1", "2", "3"]


def test_objects_are_changed_and_removed_and_that_is_undone(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    painted = seen.drawn()
    page.click("text=Rename")
    page.locator(".rename").fill("wolf")
    seen.press("Enter")
    seen.saved()
    page.locator("#object-1 .swatch").fill("#102030")
    seen.saved()
    assert seen.api("session")["objects"][0]["colour"] == [16, 32, 48]
    seen.press("i")
    seen.saved()
    assert seen.api("session")["objects"][0]["hidden"] and not seen.drawn().any()
    seen.press("i")
    seen.saved()
    page.click("#lock-object")
    seen.saved()
    assert seen.api("session")["objects"][0]["locked"]
    seen.excused = ("400",)
    seen.press("Shift+Delete")
    page.wait_for_selector("#message.wrong:has-text('wolf is locked')")
    seen.saved()
    seen.press("l")
    seen.saved()
    seen.press("Shift+Delete")
    page.wait_for_selector("#message:has-text('wolf is removed')")
    seen.saved()
    assert names(seen) == [] and not seen.drawn().any()
    seen.press("Control+z")
    seen.saved()
    assert names(seen) == ["wolf"] and (seen.drawn() == painted).all()


def test_only_kinds_that_go_together_are_offered(look: Look, clip: Path) -> None:
    seen = look(clip)
    add(seen, 1, "part")
    add(seen, 1, "point")
    offered = seen.page.evaluate(
        "() => [...document.getElementById('add-kind').options].filter((o) => !o.disabled)"
        ".map((o) => o.value)"
    )
    assert offered == ["part", "point"]
    seen.press("b")
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    assert seen.mask(0, 1).any()  # of the part that there is


def test_a_part_is_given_what_it_is_a_part_of(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page

    def parents() -> list[str | None]:
        seen.saved()
        return [o["parent"] for o in seen.api("session")["objects"]]

    add(seen, 2, "part")
    page.locator("#parent").fill("dog")
    seen.press("Enter")
    assert parents() == [None, "dog"]
    assert page.evaluate("() => document.activeElement.id") == "stage"
    seen.press("1")
    seen.until(lambda: page.locator("#parent").input_value() == "")
    assert page.locator("#parents option").evaluate_all("(all) => all.map((o) => o.value)") == [
        "dog"
    ]
    page.locator("#parent-row").click(position={"x": 6, "y": 12})
    page.keyboard.type(" dog ")
    page.click("#object-2 .name")  # it is of the object that was chosen
    assert parents() == ["dog", "dog"]
    assert page.locator("#parent").input_value() == "dog"
    page.locator("#parent").fill("cat")
    seen.press("Escape")
    assert page.locator("#parent").input_value() == "dog"
    page.locator("#parent").fill("")
    seen.press("Tab")
    assert parents() == ["dog", None]
    seen.press("Control+z")
    assert parents() == ["dog", "dog"]
    seen.until(lambda: page.locator("#parent").input_value() == "dog")


def test_what_is_whole_is_no_part(look: Look, clip: Path) -> None:
    seen = look(clip)
    add(seen, 1)
    seen.page.wait_for_selector("#object-acts", state="visible")
    assert not seen.page.locator("#parent").is_visible()
    add(seen, 1, "keypoint")
    seen.page.wait_for_selector("#parent", state="visible")
    options = seen.page.locator("#parents option")
    assert options.evaluate_all("(all) => all.map((o) => o.value)") == ["object 1"]


def test_one_click_for_each_point(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.press("k")
    for place in ((20.5, 20.5), (60.5, 40.5), (100.5, 60.5)):
        seen.click(*place)
        seen.saved()
    assert names(seen) == ["keypoint 1", "keypoint 2", "keypoint 3"]
    assert [round(o["x"]) for o in seen.api("labels/0")["labels"]] == [20, 60, 100]
    seen.propagate()
    seen.go(5)
    seen.press("2")
    seen.click(130.5, 80.5)  # elsewhere a click corrects the one that is chosen
    seen.saved()
    assert len(names(seen)) == 3
    assert round(seen.api("labels/5")["labels"][1]["x"]) == 130


LIT = """([x, y]) => { const c = document.getElementById('over'); const r = devicePixelRatio;
  const b = c.getBoundingClientRect();
  return c.getContext('2d').getImageData((x - b.x) * r, (y - b.y) * r, 1, 1).data[3]; }"""


def test_a_skeleton_is_drawn(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.press("k")
    for place in ((20.5, 20.5), (60.5, 60.5), (120.5, 20.5)):
        seen.click(*place)
        seen.saved()

    def lines() -> list[list[int]]:
        return seen.api("session")["skeleton"]

    def is_lit(x: float, y: float) -> bool:
        return bool(page.evaluate(LIT, list(seen.at(x, y))))

    seen.press("w")
    assert not is_lit(40.5, 40.5)
    seen.stroke((20, 20), (60, 60))
    seen.saved()
    assert lines() == [[1, 2]] and is_lit(40.5, 40.5)
    seen.stroke((60, 60), (120, 20))
    seen.saved()
    seen.stroke((20, 20), (90, 80))  # ends at no point
    page.wait_for_selector("#message:has-text('No point is there')")
    assert lines() == [[1, 2], [2, 3]]
    seen.stroke((60, 60), (20, 20))  # takes it back
    seen.saved()
    assert lines() == [[2, 3]] and not is_lit(40.5, 40.5)
    seen.press("Control+z")
    seen.saved()
    assert lines() == [[1, 2], [2, 3]] and is_lit(40.5, 40.5)
    page.click("#lines")
    seen.until(lambda: page.locator("#line-list li").count() == 2)
    page.click("[aria-label='take back the line keypoint 2 – keypoint 3']")
    seen.until(lambda: lines() == [[1, 2]])
    page.locator("#line-from").select_option(label="keypoint 1")
    page.locator("#line-to").select_option(label="keypoint 3")
    page.click("#line-add")
    seen.until(lambda: lines() == [[1, 2], [1, 3]])
    seen.until(lambda: page.locator("#line-from").input_value() == "3")  # goes on from there
    page.locator("#line-from").select_option(label="keypoint 1")
    page.click("#line-add")
    seen.until(lambda: "connected already" in page.locator("#line-note").inner_text())


def test_points_are_visible_hidden_or_gone_by_keys(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.press("k")
    seen.click(20.5, 40.5)
    seen.saved()

    def point(frame: int = 0) -> tuple[str, float | None]:
        (one,) = seen.api(f"labels/{frame}")["labels"]
        return one["state"], one.get("x")

    seen.press("q")
    seen.saved()
    assert point() == ("occluded", pytest.approx(20, abs=0.3))
    seen.until(lambda: seen.page.locator("#occluded").get_attribute("aria-pressed") == "true")
    seen.stroke((20, 40), (50, 60))  # it stays hidden where it is dragged to
    seen.saved()
    assert point() == ("occluded", pytest.approx(50, abs=0.5))
    seen.press("Shift+Q")
    seen.saved()
    assert point() == ("present", pytest.approx(50, abs=0.5))
    seen.propagate()
    seen.go(3)
    x = point(3)[1]
    assert x is not None
    seen.press("q")  # a result is hidden where it is taken to be
    seen.saved()
    assert point(3) == ("occluded", pytest.approx(x))
    seen.press("o")
    seen.saved()
    assert point(3) == ("absent", None)
    seen.press("Shift+Q")
    seen.saved()
    assert seen.api("timeline")["objects"][0]["labels"] == [[0, "present"]]
