"""The page in a Chromium: how long a stroke, a frame, a correction and a long video take.

    python benchmarks/page.py [--frames 5000] [--threads 2] [--browser /usr/bin/chromium] [--json F]

Needs pixelkin[app], Playwright and a Chromium. Times are of the clock: what somebody waits for, on
a machine that does nothing else. CPU seconds are of the process that computes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import av
import numpy as np
from common import arguments, machine, show, write_json

from pixelkin.annotation.session import Session
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.video.writer import VideoWriter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect, Page

SIZE = 480, 854
STROKES = """() => { window.late = []; addEventListener('pointermove',
  (e) => { if (e.buttons) window.late.push(performance.now() - e.timeStamp); }); }"""
SHOWN = """() => { window.shown = []; let pressed = 0;
  addEventListener('keydown', (e) => (pressed = e.timeStamp), true);
  new MutationObserver(() => window.shown.push(performance.now() - pressed))
    .observe(document.getElementById('stage'), { attributeFilter: ['data-frame'] }); }"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.browser, args=["--no-sandbox", "--disable-gpu"]
        )
        rows |= ten_objects(Path(root), browser, options.threads)
        rows |= long_video(Path(root), browser, options.frames)
        browser.close()
    about = machine()
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    title = f"{about['cpu']}, {about['cores']} cores, {about['date']}, load {load}"
    show(f"page: {title}, {options.threads} threads compute", ["what", "figure"],
         [[what, round(value, 2)] for what, value in rows.items()])  # fmt: skip
    write_json(options.json, rows)


def ten_objects(root: Path, browser: Browser, threads: int) -> dict[str, float]:
    """A stroke, a frame and a correction at 480p, with ten objects."""
    scene = SyntheticScene(seed=0, size=SIZE, frames=24, objects=8)
    with VideoWriter(root / "ten.mp4", 15, SIZE) as writer:
        for frame in scene:
            writer.write(frame.image)
    with Session.create(root / "ten.pixelkin", root / "ten.mp4") as session:
        ids = scene[0].ids.copy()
        ids[5:60, 5:60], ids[420:475, 790:850] = 9, 10
        for i in range(1, 11):
            session.add_object(f"thing {i}", id=i)
            session.label(0, i, ids == i)
        for _ in session.propagate():
            pass
    shutil.copytree(root / "ten.pixelkin", root / "again.pixelkin")
    with served(root / "ten.pixelkin", threads) as (address, pid):
        page = opened(browser, address)
        page.evaluate(STROKES)
        box = place(page)
        page.mouse.move(box["x"] + 60, box["y"] + 80)
        page.mouse.down()
        for k in range(210):
            x, y = box["x"] + 60 + 3 * k, box["y"] + 120 + 60 * np.sin(k / 9)
            page.mouse.move(x, y)
        page.mouse.up()
        late = page.evaluate("() => window.late")
        settled(page)
        page.keyboard.press("Control+z")
        settled(page)
        for _ in range(2):  # there and back: all is kept then
            for key in ("End", "Home"):
                page.keyboard.press(key)
                page.wait_for_timeout(1500)
        page.evaluate(SHOWN)
        for _ in range(20):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(200)
        shown = page.evaluate("() => window.shown")
        ready = correction(page, address, pid)
        page.close()
    with served(root / "again.pixelkin", threads) as (address, pid):
        begun = time.monotonic()
        page = opened(browser, address)
        at_once = correction(page, address, pid, rest=0)
        whole = time.monotonic() - begun
        page.close()
    told = "a correction, 10 objects: its 5 neighbours each side (s)", "  its 10 (s)", "  CPU (s)"
    others = "  at once when the page opens: its 5 (s)", "  its 10 (s) ", "  CPU (s) "
    return {
        "from the pointer to the canvas, median of 200 (ms)": median(late[:200]),
        "from the key to a cached frame, median of 20 (ms)": median(shown),
        **dict(zip(told, ready, strict=True)),
        **dict(zip(others, at_once, strict=True)),
        "  from opening the page to its 10 (s)": whole,
    }


def correction(page: Page, address: str, pid: int, rest: int = 1000) -> tuple[float, float, float]:
    """Seconds until 5 and 10 neighbours each side of a corrected frame are there; CPU seconds."""
    box = place(page)
    page.locator("#frame-number").fill("12")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stage[data-frame='12']")
    page.wait_for_timeout(rest)
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 230, steps=5)
    page.mouse.up()
    settled(page)
    spent, begun = used(pid), time.monotonic()
    page.keyboard.press("r")
    seconds = []
    for far in (5, 10):
        while any(stale(address, f) for f in (12 - far, 12 + far)):
            page.wait_for_timeout(50)
        seconds.append(time.monotonic() - begun)
    return seconds[0], seconds[1], used(pid) - spent


def used(pid: int) -> float:
    """CPU seconds of the processes that a server has started."""
    total = 0
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            times = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(times[11]) + int(times[12])
    return total / os.sysconf("SC_CLK_TCK")


def long_video(root: Path, browser: Browser, frames: int) -> dict[str, float]:
    """Opening, and scrubbing from end to end: time and memory."""
    path = root / "long.mp4"
    picture = np.kron(
        np.random.default_rng(0).integers(0, 255, (30, 54, 3)), np.ones((16, 16, 1))
    ).astype(np.uint8)[:, :854]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            frame = np.roll(picture, number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with served(path, 1) as (address, pid):
        begun = time.monotonic()
        page = opened(browser, address)
        page.wait_for_selector("#stage[data-frame='0']")
        opening = time.monotonic() - begun
        held = [(resident(pid), heap(page))]
        for part in range(3):
            for number in np.linspace(0, frames - 1, 60).astype(int)[:: -1 if part % 2 else 1]:
                page.locator("#frame-number").fill(str(number))
                page.keyboard.press("Enter")
                page.wait_for_selector(f"#stage[data-frame='{number}']", timeout=60_000)
            held.append((resident(pid), heap(page)))
        page.close()
    return {
        f"page open, {frames} frames (s)": opening,
        "memory of the server: opened, after 1, 2, 3 times from end to end (MiB)": held[0][0],
        **{f"  server after {k} (MiB)": held[k][0] for k in (1, 2, 3)},
        "memory of the page's scripts, opened (MiB)": held[0][1],
        **{f"  page after {k} (MiB)": held[k][1] for k in (1, 2, 3)},
    }


@contextmanager
def served(what: Path, threads: int) -> Iterator[tuple[str, int]]:
    """Address and process id of a server."""
    command = [sys.executable, "-m", "pixelkin.app.cli", "app", str(what), "--no-browser",
               "--port", "0", "--threads", str(threads)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0], server.pid
        finally:
            server.terminate()


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    page.goto(address)
    page.wait_for_selector("body[data-ready=yes]")
    return page


def place(page: Page) -> FloatRect:
    box = page.locator("#frame").bounding_box()
    assert box is not None
    return box


def settled(page: Page) -> None:
    page.wait_for_timeout(100)
    page.wait_for_selector("#session-facts:has-text('· saved')")
    page.wait_for_timeout(300)


def stale(address: str, frame: int) -> bool:
    with urllib.request.urlopen(f"{address}api/labels/{frame}") as answer:
        return any(one["origin"] == "stale" for one in json.load(answer)["labels"])


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def heap(page: Page) -> float:
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    return float(client.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


if __name__ == "__main__":
    main()
