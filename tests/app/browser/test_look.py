"""What the page looks like: in light and dark, small and zoomed, and to those who do not see it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_seen import Seen

Look = Callable[..., Seen]
BOXES = """() => [...document.querySelectorAll('button, select, input, h2, .legend span, label')]
  .filter((e) => !e.closest('dialog') && e.checkVisibility())
  .map((e) => { const r = e.getBoundingClientRect();
    return { name: e.id || e.textContent.trim() || e.ariaLabel,
      left: r.left, top: r.top, right: r.right, bottom: r.bottom,
      clipped: e.scrollWidth > e.clientWidth + 1 && e.tagName === 'BUTTON',
      scrolls: !!e.closest('aside, nav'), inner: !!e.parentElement.closest('label, li') }; })"""


def overlaps(boxes: list[dict[str, Any]]) -> list[str]:
    """Names of things that lie over each other, or hold more than they show."""
    outer = [b for b in boxes if not b["inner"]]
    found = [f"{b['name']} is clipped" for b in boxes if b["clipped"]]
    for k, a in enumerate(outer):
        for b in outer[:k]:
            if a["scrolls"] != b["scrolls"]:
                continue
            wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
            high = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
            if wide > 1 and high > 1:
                found.append(f"{a['name']} lies over {b['name']}")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("width", "height", "zoom"), [(1280, 760, 1), (1024, 640, 1), (1920, 1080, 2)]
)
def test_nothing_overlaps(
    look: Look, clip: Path, scheme: str, width: int, height: int, zoom: int
) -> None:
    seen = look(clip, color_scheme=scheme)
    # Zooming to 200 % halves the pixels of the style sheet that the window has.
    seen.page.set_viewport_size({"width": width // zoom, "height": height // zoom})
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    assert overlaps(seen.page.evaluate(BOXES)) == []
    whole = seen.page.evaluate(
        "() => { const all = document.documentElement;"
        " return [all.scrollWidth, innerWidth, all.scrollHeight, innerHeight]; }"
    )
    assert whole[0] <= whole[1] and whole[2] <= whole[3]


def test_text_can_be_read(look: Look, clip: Path) -> None:
    """The contrast of text and ground is 4.5 at least, in light and dark."""
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    seen.press("m")
    seen.page.wait_for_selector("#note:focus")
    for scheme in ("light", "dark"):
        seen = look(seen.address, color_scheme=scheme)
        seen.press("Control+,")
        seen.page.click("#own-keys [data-does=brush]")
        seen.press("e")
        seen.page.wait_for_selector("#take-key")
        pairs = seen.page.evaluate(
            "() => [...document.querySelectorAll('h2, h3, .hint, button, label, p, small, kbd, li,"
            " i, span, dd, b')].filter((e) => e.checkVisibility() && !e.closest(':disabled') &&"
            " [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {"
            " let b = e; const of = getComputedStyle; "
            "while (of(b).backgroundColor === 'rgba(0, 0, 0, 0)') b = b.parentElement; "
            "return [of(e).color, of(b).backgroundColor, e.textContent]; })"
        )
        for ink, ground, text in pairs:
            assert contrast(ink, ground) >= 4.5, (scheme, text, ink, ground)


def contrast(a: str, b: str) -> float:
    def light(colour: str) -> float:
        parts = [int(p) / 255 for p in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_screen_reader_finds_all(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    told = seen.page.locator("body").aria_snapshot()
    for part in (
        'toolbar "tools"', 'button "Brush B" [pressed]', 'listbox "objects"', 'button "play"',
        'option "object 1, mask, confidence 1.00" [selected]', 'slider "timeline"',
        'button "Propagate R"', 'heading "Check these first"', 'textbox "frame"',
    ):  # fmt: skip
        assert part in told, told
    slider = seen.page.locator("#timeline")
    seen.until(
        lambda: slider.get_attribute("aria-valuetext") == "frame 0, object 1 1.00, not reviewed"
    )
    names = seen.page.evaluate(
        "() => [...document.querySelectorAll('button, input, select')].filter((e) => "
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)"
    )
    assert names == []


def test_the_help_lists_every_key(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.press("?")
    text = seen.page.locator("#key-table").inner_text()
    keys = seen.page.evaluate(
        "async () => (await import('/static/keys.js')).BINDINGS.map((b) => b.about)"
    )
    assert len(keys) > 50 and all(about in text for about in keys)
    seen.press("Escape")
    seen.until(lambda: not seen.page.locator("#help").is_visible())


def test_every_key_does_something(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()

    def tool() -> str:
        return str(page.locator("nav [aria-pressed=true]").get_attribute("id"))[5:]

    for key, name in zip(
        "vbepfkh", ["select", "brush", "eraser", "polygon", "fill", "point", "pan"], strict=True
    ):
        seen.press(key)
        seen.until(lambda name=name: tool() == name)
    for key, frame in (
        ("ArrowRight", 1), ("ArrowLeft", 0), ("Shift+ArrowRight", 9), ("Home", 0), ("End", 9),
        ("Shift+ArrowLeft", 0), ("End", 9), ("ArrowUp", 0),
    ):  # fmt: skip
        seen.press(key)
        seen.until(lambda frame=frame: seen.frame == frame)
    seen.press("x")
    seen.until(lambda: tool() == "brush")
    for key, radius in (("]", "14 px"), ("[", "12 px")):
        seen.press(key)
        page.wait_for_selector(f"#radius-text:has-text('{radius}')")
    width = page.locator("#frame").bounding_box()["width"]
    seen.press("+")
    assert page.locator("#frame").bounding_box()["width"] > 1.2 * width
    seen.press("-", "-")
    assert page.locator("#frame").bounding_box()["width"] < width
    seen.press("0")
    assert page.locator("#frame").bounding_box()["width"] == pytest.approx(width)
    seen.press("z")
    assert page.locator("#frame").bounding_box()["width"] == pytest.approx(160, abs=1)
    seen.press("0", "Shift+H")
    seen.until(lambda: page.locator("#hide").is_checked())
    seen.press("Shift+H", "t")
    seen.until(lambda: page.locator("#onion").is_checked())
    seen.press("n")
    seen.saved()
    seen.press("1")
    page.wait_for_selector("#objects li[data-id='1'][aria-selected=true]")
    seen.press("Tab")
    page.wait_for_selector("#objects li[data-id='2'][aria-selected=true]")
    seen.press("1", "l")
    seen.saved()
    assert seen.api("session")["objects"][0]["locked"]
    seen.press("l")
    seen.saved()
    seen.press("ArrowRight", "c")
    seen.until(lambda: seen.mask(1).any())
    seen.saved()
    assert (seen.mask(1) == seen.mask(0)).all()
    seen.press("q")
    seen.until(lambda: seen.api("labels/1")["labels"][0]["state"] == "occluded")
    seen.saved()
    seen.press("Delete")
    seen.until(lambda: not seen.mask(1).any())
    seen.saved()
    seen.press("F2")
    page.locator(".rename").fill("wolf")
    seen.press("Enter")
    seen.until(lambda: seen.api("session")["objects"][0]["name"] == "wolf")
    page.locator("#stage").focus()
    seen.press("j")
    page.keyboard.type("7")
    seen.press("Enter")
    seen.until(lambda: seen.frame == 7)
    seen.press(" ")
    seen.until(lambda: seen.frame == 9)
    seen.press("Control+i")
    seen.until(lambda: page.locator("#import").is_visible())
    seen.press("Escape", "Control+e")
    seen.until(lambda: page.locator("#export").is_visible())
    seen.press("Escape")


def test_three_hundred_objects(look: Look, clip: Path) -> None:
    from pixelkin.annotation.session import Session

    folder = clip.with_name("clip.pixelkin")
    with Session.create(folder, clip, encoder="lab") as session, session.edit("many"):
        for k in range(300):
            session.add_object(f"thing {k}")
    with sqlite3.connect(folder / "session.db") as file:
        assert file.execute("SELECT COUNT(*) FROM object").fetchone() == (300,)
    seen = look(folder)
    seen.until(lambda: seen.page.locator("#objects li").count() == 300)
    seen.page.locator("#objects li[data-id='300']").click()
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    assert seen.mask(0, 300).any()


def test_a_name_is_text(look: Look, clip: Path) -> None:
    """What somebody calls an object is never run."""
    seen = look(clip)
    seen.press("n")
    seen.saved()
    seen.press("F2")
    seen.page.locator(".rename").fill("<img src=x onerror=alert(1)>")
    seen.press("Enter")
    seen.page.wait_for_selector("#objects .name:has-text('<img src=x')")
    seen.until(lambda: seen.page.locator("#objects img").count() == 0)
