"""What is said of whole frames in the page: flags with notes, and where shots begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from page_seen import Seen

Look = Callable[..., Seen]


def test_a_flag_with_a_note(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    seen.go(4)
    seen.press("m")
    page.wait_for_selector("#note:focus")
    page.keyboard.type("the ear?")
    seen.press("Enter")
    seen.until(lambda: seen.api("timeline")["flagged"] == [{"frame": 4, "note": "the ear?"}])
    seen.saved()
    assert page.evaluate("() => document.activeElement.id") == "stage"
    seen.until(lambda: page.locator("#flag").get_attribute("aria-pressed") == "true")
    seen.go(0)
    seen.until(lambda: not page.locator("#note").is_visible())
    page.wait_for_selector("#checks:has-text('the ear?')")
    seen.press(".")  # to the next frame to look at
    seen.until(lambda: seen.frame == 4)
    assert page.locator("#note").input_value() == "the ear?"
    seen.press("Control+z")
    seen.saved()
    assert seen.api("timeline")["flagged"] == [{"frame": 4, "note": ""}]
    seen.press("Control+y")
    seen.saved()
    page.click("#flag")  # takes it back
    seen.saved()
    assert seen.api("timeline")["flagged"] == []
    page.wait_for_selector("#note", state="hidden")
    seen.press("Control+z")
    seen.saved()
    assert seen.api("timeline")["flagged"] == [{"frame": 4, "note": "the ear?"}]


def test_acceptance_and_flag_are_taken_back_one_at_a_time(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()

    def now() -> tuple[bool, bool]:
        seen.saved()
        timeline = seen.api("timeline")
        return timeline["reviewed"] == [[0, 0]], timeline["flagged"] == [{"frame": 0, "note": ""}]

    seen.press("m")
    page.wait_for_selector("#note:focus")
    seen.press("Escape", "Shift+A")
    assert now() == (True, True)
    seen.press("u")
    assert now() == (False, True)
    page.wait_for_selector("#message:has-text('not accepted any more')")
    seen.press("u")  # there is nothing to be taken back
    page.wait_for_selector("#message:has-text('Frame 0 is not accepted.')")
    assert now() == (False, True)
    seen.press("Shift+A")
    assert now() == (True, True)
    seen.press("m")
    assert now() == (True, False)
    page.click("#reopen")
    assert now() == (False, False)
    seen.press("Control+z")
    assert now() == (True, False)


def test_a_note_is_of_the_frame_that_it_was_written_at(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.go(3)
    seen.press("m")
    seen.page.wait_for_selector("#note:focus")
    seen.page.keyboard.type("blurred")
    box = seen.page.locator("#timeline").bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 12)
    seen.until(lambda: seen.frame == 9)
    seen.until(lambda: seen.api("timeline")["flagged"] == [{"frame": 3, "note": "blurred"}])
    seen.saved()
    seen.page.wait_for_selector("#note", state="hidden")


def test_a_cut_is_set_and_ignored(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    assert page.locator("#cut").is_disabled()  # nothing comes before frame 0
    seen.go(5)
    seen.press("d")
    seen.saved()
    assert seen.api("timeline")["cuts"] == [5]
    page.wait_for_selector("#frame-facts:has-text('a new shot begins')")
    seen.propagate()
    assert seen.mask(4).any() and not seen.mask(5).any()  # nothing is carried over it
    page.click("#cut")
    seen.saved()
    assert seen.api("timeline")["cuts"] == []
    seen.propagate()
    assert seen.mask(5).any()
    seen.press("Control+z")
    seen.saved()
    assert seen.api("timeline")["cuts"] == [5]
    page.wait_for_selector("#cut[aria-pressed=true]")


def test_an_image_is_called_by_its_name(look: Look, clip: Path) -> None:
    for t in reversed(range(10)):
        (clip / f"f{t}.png").rename(clip / f"f{t + 5}.png")
    seen = look(clip)
    seen.page.wait_for_selector("#frame-facts:has-text('image f5')")
    seen.go(4)
    seen.page.wait_for_selector("#this-frame:has-text('Frame 4')")
    seen.page.wait_for_selector("#frame-facts:has-text('image f9')")
