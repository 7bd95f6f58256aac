"""The keys of results, labels and checks, each pressed, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from page_seen import Seen

Look = Callable[..., Seen]


def run(seen: Seen, key: str) -> None:
    """Press a key that begins a run, and wait for its end."""
    page = seen.page
    page.evaluate(
        "() => { window.ran = false; new MutationObserver(() => { window.ran ||= "
        "!document.getElementById('stop').hidden; }).observe(document.getElementById('stop'), "
        "{ attributes: true }); }"
    )
    seen.press(key)
    seen.until(lambda: page.evaluate("() => window.ran"))
    page.wait_for_selector("#propagate", state="visible", timeout=120_000)


def test_results_are_computed_kept_accepted_and_taken_back(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.go(4)
    seen.stroke((52, 46), (54, 46))
    seen.saved()
    run(seen, "Shift+R")
    shown = [bool(seen.mask(t).any()) for t in range(10)]
    assert shown == [False] * 4 + [True] * 6
    run(seen, "r")
    assert all(seen.mask(t).any() for t in range(10))
    page.wait_for_selector("#checks li")
    checks = sorted({c["frame"] for c in seen.api("suggest?k=12")})
    seen.go(0)
    seen.press(".")
    first = next(f for f in checks if f > 0)
    seen.until(lambda: seen.frame == first)
    later = next((f for f in checks if f > first), None)
    if later is not None:
        seen.press(".")
        seen.until(lambda: seen.frame == later)
        seen.press(",")
        seen.until(lambda: seen.frame == first)
    seen.go(2)
    result = seen.mask(2)
    seen.until(lambda: (seen.drawn() == result).all())
    seen.press("g")
    seen.until(
        lambda: seen.api("timeline")["objects"][0]["labels"] == [[2, "present"], [4, "present"]]
    )
    np.testing.assert_array_equal(seen.mask(2), result)
    seen.saved()
    seen.press("Shift+A")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [[0, 2]])
    seen.saved()
    seen.press("u")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [[0, 1]])
    seen.saved()
    seen.press("Control+z")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [[0, 2]])
    seen.saved()
    seen.press("Control+Shift+Z")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [[0, 1]])
    seen.saved()
    seen.go(6)
    seen.press("o")
    seen.until(lambda: [6, "absent"] in seen.api("timeline")["objects"][0]["labels"])


def test_keys_of_looking_and_of_polygons(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    page.locator("#stage").focus()
    page.keyboard.down("s")
    seen.until(lambda: page.locator("#layers.bare").count())
    page.keyboard.up("s")
    seen.until(lambda: not page.locator("#layers.bare").count())
    before = seen.mask(0)
    seen.press("p")
    for x, y in ((100, 10), (140, 10), (140, 50)):
        seen.click(x, y)
    seen.press("Escape")
    seen.press("Enter")  # nothing is left to be closed
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), before)
