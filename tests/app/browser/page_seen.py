"""The page as somebody sees and uses it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.ops import rle

SIZE = 96, 160


def truth(frame: int) -> NDArray[np.bool_]:
    """Where the square of the clip is."""
    mask = np.zeros(SIZE, bool)
    mask[30:62, 12 + 6 * frame : 44 + 6 * frame] = True
    return mask


class Seen:
    """A page of the app.

    Args:
        page: Playwright's.
        address: Of the server.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.faults: list[str] = []
        self.excused: tuple[str, ...] = ()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._asked)
        self.load()

    def _said(self, message: Any) -> None:
        if message.type == "error" and not any(word in message.text for word in self.excused):
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "blob:")):
            self.faults.append(f"asked for {request.url}")

    def load(self) -> None:
        """Open it, or open it anew."""
        self.page.goto(self.address)
        self.page.wait_for_selector("body[data-ready=yes]")

    def until(self, what: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f"not in {seconds} s"
            self.page.wait_for_timeout(30)
        return found

    def saved(self) -> None:
        """Wait until all edits are on the server, and what follows is read."""
        self.page.wait_for_timeout(60)
        self.page.wait_for_selector("#session-facts:has-text('· saved')")
        self.page.evaluate("async () => (await import('/static/model.js')).settled()")
        self.page.wait_for_timeout(60)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the video is on the screen."""
        box = self.page.locator("#frame").bounding_box()
        scale = box["width"] / SIZE[1] if self.size is None else box["width"] / self.size[1]
        return box["x"] + x * scale, box["y"] + y * scale

    size: tuple[int, int] | None = None

    def stroke(self, *places: tuple[float, float], button: str = "left") -> None:
        """Draw through the centres of pixels."""
        mouse = self.page.mouse
        mouse.move(*self.at(places[0][0] + 0.5, places[0][1] + 0.5))
        mouse.down(button=button)
        for x, y in places[1:]:
            mouse.move(*self.at(x + 0.5, y + 0.5))
        mouse.up(button=button)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the video."""
        self.page.mouse.click(*self.at(x, y))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def api(self, path: str) -> Any:
        """What the server says, asked beside the page."""
        with urllib.request.urlopen(f"{self.address}api/{path}") as answer:
            return json.load(answer)

    def mask(self, frame: int, i: int = 1) -> NDArray[np.bool_]:
        """Where an object is, as the server has it."""
        for one in self.api(f"labels/{frame}")["labels"]:
            if one["object"] == i and "counts" in one:
                return rle.decode({"size": SIZE, "counts": one["counts"]})
        return np.zeros(SIZE, bool)

    def drawn(self) -> NDArray[np.bool_]:
        """Which pixels the page shows as labelled."""
        counts = self.page.evaluate(
            "() => { const c = document.getElementById('labels'); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; return Array.from({length: d.length / 4},"
            " (_, k) => d[4 * k + 3] ? 1 : 0); }"
        )
        return np.array(counts, bool).reshape(SIZE if self.size is None else self.size)

    @property
    def frame(self) -> int:
        """Number of the frame whose picture is shown."""
        return int(self.page.locator("#stage").get_attribute("data-frame"))

    def go(self, frame: int) -> None:
        """Show a frame by its number."""
        field = self.page.locator("#frame-number")
        field.fill(str(frame))
        field.press("Enter")
        self.page.wait_for_selector(f"#stage[data-frame='{frame}']:not(.waiting)")

    def propagate(self) -> None:
        """Compute all that is missing."""
        self.page.click("#propagate")
        self.page.wait_for_selector("#stop", state="visible")
        self.page.wait_for_selector("#propagate", state="visible", timeout=120_000)
        self.until(lambda: self.api("timeline")["to_compute"] == 0)


def disc(at: tuple[int, int], to: tuple[int, int], radius: int) -> NDArray[np.bool_]:
    """A stroke of a round brush between two pixels."""
    y, x = np.indices(SIZE)
    dx, dy = to[0] - at[0], to[1] - at[1]
    length = dx * dx + dy * dy
    share = np.clip(((x - at[0]) * dx + (y - at[1]) * dy) / (length or 1), 0, 1)
    gap = (x - at[0] - share * dx) ** 2 + (y - at[1] - share * dy) ** 2
    return np.asarray(gap <= radius * radius + radius)
