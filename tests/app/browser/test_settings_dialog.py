"""Settings of the page, and keys of one's own: they act at once, and are there the next time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from page_seen import Seen

Look = Callable[..., Seen]
GROUND = "() => getComputedStyle(document.body).backgroundColor"


def fill(seen: Seen, name: str, value: str) -> None:
    seen.page.locator(f"#set-{name}").fill(value)
    seen.page.locator(f"#set-{name}").press("Tab")


def give(seen: Seen, does: str, key: str) -> Any:
    """Press a key for a command; what is told then."""
    seen.page.click(f"#own-keys [data-does={does}]")
    seen.page.wait_for_selector(f"[data-does={does}]:has-text('press a key')")
    seen.press(key)
    return seen.page.locator(f"#own-keys .own-key:has([data-does={does}])").inner_text()


def tool(seen: Seen) -> str:
    return str(seen.page.locator("nav [aria-pressed=true]").get_attribute("id"))[5:]


def test_settings_act_at_once_and_are_kept(look: Look, clip: Path) -> None:
    seen = look(clip, color_scheme="light")
    page = seen.page
    light = page.evaluate(GROUND)
    seen.press("Control+,")
    page.locator("#set-theme").select_option("dark")
    assert page.evaluate(GROUND) != light
    fill(seen, "radius", "25")
    fill(seen, "opacity", "80")
    fill(seen, "step", "3")
    fill(seen, "point", "900")  # cannot be
    assert page.locator("#set-point").input_value() == "5"
    seen.until(lambda: page.locator("#radius-text").inner_text() == "25 px")
    seen.press("Escape")
    seen.press("Shift+ArrowRight")
    seen.until(lambda: seen.frame == 3)
    page.wait_for_timeout(600)
    seen.load()
    seen.until(lambda: seen.frame == 3)  # where it was left
    assert page.evaluate(GROUND) != light
    seen.until(lambda: page.locator("#radius-text").inner_text() == "25 px")
    assert page.locator("#labels").evaluate("(c) => c.style.opacity") == "0.8"
    page.click("text=Settings")
    page.locator("#set-keepLook").check()
    page.locator("#set-keepFrame").uncheck()
    seen.press("Escape")
    page.locator("#outlines").check()
    page.wait_for_timeout(600)
    seen.load()
    seen.until(lambda: seen.frame == 0)
    assert page.locator("#outlines").is_checked()
    seen.press("Control+,")
    page.click("#reset-settings")
    assert page.evaluate(GROUND) == light
    assert page.locator("#set-step").input_value() == "10"


def test_every_command_has_a_key_that_can_be_another(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.press("Control+,")
    commands = page.evaluate(
        "async () => (await import('/static/keys.js')).BINDINGS.map((b) => b.does)"
    )
    for does in commands:
        assert page.locator(f"#own-keys [data-does={does}]").count() == 1
    assert "browser" in give(seen, "brush", "Control+w")
    seen.press("y")
    seen.until(lambda: page.locator("[data-does=brush] kbd").inner_text() == "Y")
    assert "is the key of “eraser" in give(seen, "polygon", "e")
    page.click("text=Leave it")
    seen.until(lambda: page.locator("[data-does=polygon] kbd").inner_text() == "P")
    give(seen, "polygon", "e")
    seen.press("Enter")  # take it from there
    seen.until(lambda: page.locator("[data-does=polygon] kbd").inner_text() == "E")
    seen.until(lambda: page.locator("[data-does=eraser]").inner_text() == "none")
    give(seen, "fill", "Escape")
    seen.until(lambda: page.locator("[data-does=fill] kbd").inner_text() == "F")
    seen.until(lambda: page.locator("#settings").is_visible())
    give(seen, "play", "Control+p")
    give(seen, "bare", " ")
    page.wait_for_selector("#take-key, [data-does=bare] kbd:has-text('Space')")
    seen.press("Escape")
    for _ in range(2):
        seen.press("v", "y")
        seen.until(lambda: tool(seen) == "brush")
        seen.press("e")
        seen.until(lambda: tool(seen) == "polygon")
        seen.press("b", "p")  # nothing has them
        assert tool(seen) == "polygon"
        assert page.locator("#tool-brush kbd").inner_text() == "Y"
        assert page.locator("#tool-eraser kbd").count() == 0
        seen.press("?")
        table = page.locator("#key-table").inner_text()
        assert "Y\nbrush" in table and "none\neraser" in table
        seen.press("Escape")
        seen.load()  # they are kept
    seen.press("Control+,")
    page.click("#reset-keys")
    seen.until(lambda: page.locator("[data-does=eraser] kbd").inner_text() == "E")
    assert page.locator("#reset-keys").is_disabled()
    seen.press("Escape", "e")
    seen.until(lambda: tool(seen) == "eraser")


def test_a_browser_that_keeps_nothing(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    seen.load()
    seen.press("Control+,")
    fill(seen, "step", "4")
    seen.until(lambda: seen.page.locator("#not-kept").is_visible())
    seen.press("Escape")
    seen.press("Shift+ArrowRight")
    seen.until(lambda: seen.frame == 4)


def test_a_browser_that_keeps_nonsense(look: Look, clip: Path) -> None:
    seen = look(clip)
    for text in ("{", '"x"', "[[]]", '{"theme": 1, "keys": {"brush": 3, "fill": ["e"]}}'):
        seen.page.evaluate(
            "(text) => ['settings', 'look', 'frames'].forEach("
            "(name) => localStorage.setItem('pixelkin.' + name, text))",
            text,
        )
        seen.load()
        assert seen.page.locator("#radius-text").inner_text() == "12 px"
    seen.press("v", "e")
    seen.until(lambda: tool(seen) == "fill")  # what is well kept is taken
