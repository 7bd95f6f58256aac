"""The page for those who use keys alone, or a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from page_seen import Seen

Look = Callable[..., Seen]
FOCUS = """() => { const e = document.activeElement; const s = getComputedStyle(e);
  return { name: e.id || e.ariaLabel || e.textContent.trim(), tag: e.tagName,
    seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
    inside: !!e.closest('dialog') }; }"""


def focused(seen: Seen) -> dict[str, object]:
    return dict(seen.page.evaluate(FOCUS))


@pytest.mark.parametrize(
    ("name", "key", "button"),
    [
        ("help", "?", "[data-act=help]"), ("settings", "Control+,", "[data-act=settings]"),
        ("export", "Control+e", "[data-act=export]"), ("import", "Control+i", "[data-act=import]"),
        ("open", None, "header [data-act=open]"), ("skeleton", None, "#lines"),
    ],
)  # fmt: skip
def test_dialogs_close_by_escape_and_give_the_focus_back(
    look: Look, clip: Path, name: str, key: str | None, button: str
) -> None:
    seen = look(clip)
    page = seen.page
    seen.press("k")
    for x in (20.5, 60.5):
        seen.click(x, 40.5)
        seen.saved()
    if key:
        seen.press(key)
        page.wait_for_selector(f"#{name}[open]")
        assert focused(seen)["inside"]
        seen.press("Escape")
        page.wait_for_selector(f"#{name}", state="hidden")
        assert focused(seen)["name"] == "stage"
    page.locator(button).focus()
    before = focused(seen)
    seen.press("Enter")
    page.wait_for_selector(f"#{name}[open]")
    label = page.locator(f"#{name}").get_attribute("aria-labelledby")
    seen.until(lambda: page.locator(f"#{label}").inner_text())
    seen.press("Escape")
    page.wait_for_selector(f"#{name}", state="hidden")
    assert focused(seen) == before


def test_tab_reaches_every_control_and_shows_where_it_is(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.press("n")
    seen.saved()
    wanted = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, [tabindex=\"0\"]')]"
        ".filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)"
        ".map((e) => e.id || e.ariaLabel || e.textContent.trim())"
    )
    reached = set()
    page.locator("#stage").focus()
    seen.press("Escape")
    for _ in range(len(wanted) + 3):
        seen.press("Tab")
        at = focused(seen)
        assert at["seen"] or at["tag"] == "BODY", at
        reached.add(at["name"])
        if at["name"] == "stage":
            seen.press("Escape")  # lets Tab go on
    assert set(wanted) <= reached, set(wanted) - reached


def test_controls_keep_their_own_keys(look: Look, clip: Path) -> None:
    """The arrows and the space bar do in a control what they do anywhere."""
    seen = look(clip)
    page = seen.page
    page.locator("#radius").focus()
    seen.press("ArrowRight", "ArrowRight")
    seen.until(lambda: page.locator("#radius-text").inner_text() == "14 px" and seen.frame == 0)
    page.locator("#outlines").focus()
    seen.press(" ")
    assert page.locator("#outlines").is_checked()
    page.locator("#hide").click()  # by the pointer: keys are the picture's again
    seen.press("ArrowRight")
    seen.until(lambda: seen.frame == 1)
    page.locator("#tool-fill").click()
    seen.press(" ")
    seen.until(lambda: page.locator("#play").get_attribute("aria-label") == "pause")
    seen.until(lambda: page.locator("#tool-fill").get_attribute("aria-pressed") == "true")


def test_the_list_of_objects_goes_by_arrows(look: Look, clip: Path) -> None:
    seen = look(clip)
    for _ in range(3):
        seen.press("n")
        seen.saved()
    page = seen.page
    page.locator("#objects").focus()
    seen.press("ArrowUp")
    page.wait_for_selector("#object-2[aria-selected=true]")
    seen.until(
        lambda: page.locator("#objects").get_attribute("aria-activedescendant") == "object-2"
    )
    seen.press("ArrowUp", "ArrowUp")
    page.wait_for_selector("#object-1[aria-selected=true]")
    seen.press("Alt+ArrowDown")
    seen.saved()
    assert [o["id"] for o in seen.api("session")["objects"]] == [2, 1, 3]
