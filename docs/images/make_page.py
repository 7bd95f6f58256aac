"""The pictures of the page, and a recording of 20 seconds, from the demo clip.

    python docs/images/make_page.py docs/images [--browser /usr/bin/chromium]

Needs pixelkin[app], Playwright and a Chromium: make setup-browser.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from base64 import b64decode
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.video.writer import VideoWriter

FRAMES = 48
LENGTH, RATE = 20.0, 12  # seconds, and frames of them, of the recording


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    scene = SyntheticScene(seed=3, frames=FRAMES)
    with tempfile.TemporaryDirectory() as root, sync_playwright() as playwright:
        video = Path(root) / "toys.mp4"
        with VideoWriter(video, 15, scene.size) as writer:
            for frame in scene:
                writer.write(frame.image)
        browser = playwright.chromium.launch(
            executable_path=options.browser, args=["--no-sandbox", "--disable-gpu"]
        )
        record(browser, video, scene, options.out)
        pictures(browser, video, options.out)
        skeleton(browser, video, scene, options.out)
        browser.close()


def record(browser, video: Path, scene: SyntheticScene, out: Path) -> None:
    """Paint, propagate, look, correct: as somebody does it."""
    with served(video) as address:
        size = {"width": 1280, "height": 760}
        context = browser.new_context(viewport=size)
        page = opened(context, address)
        recording = Recording(page)
        page.wait_for_timeout(800)
        for i in (1, 2):
            if i == 2:
                page.keyboard.press("n")
                page.wait_for_timeout(500)
            paint(page, scene[0].ids == i)
            page.wait_for_timeout(500)
        page.click("#propagate")
        page.wait_for_selector("#job-text:has-text('/')")
        page.wait_for_timeout(1500)
        page.screenshot(path=out / "page-propagating.png")
        page.wait_for_selector("#propagate", state="visible", timeout=300_000)
        page.wait_for_timeout(800)
        page.locator(".check").first.click()
        page.wait_for_timeout(1000)
        frame = int(page.locator("#frame-number").input_value())
        page.keyboard.press("1")
        paint(page, scene[frame].ids == 1)
        page.wait_for_timeout(700)
        page.screenshot(path=out / "page-correcting.png")
        page.keyboard.press("r")
        page.wait_for_timeout(300)
        page.wait_for_selector("#propagate", state="visible", timeout=300_000)
        page.keyboard.press("Home")
        page.wait_for_timeout(300)
        page.keyboard.press(" ")
        page.wait_for_timeout(4500)
        page.click("text=Export…")
        page.wait_for_timeout(1200)
        recording.write(out / "page.webm")
        context.close()


class Recording:
    """What a page shows from now on."""

    def __init__(self, page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._shown: list[tuple[float, bytes]] = []
        self._session.on("Page.screencastFrame", self._take)
        self._session.send("Page.startScreencast", {"format": "jpeg", "quality": 90})

    def _take(self, event) -> None:
        self._shown.append((event["metadata"]["timestamp"], b64decode(event["data"])))
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    def write(self, path: Path) -> None:
        """As a video of at most 20 seconds: faster than it was, where it took longer."""
        first, last = self._shown[0][0], self._shown[-1][0]
        faster = max(1.0, (last - first) / LENGTH)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libvpx-vp9", rate=RATE, options={"crf": "38", "b": "0"})
            stream.width, stream.height = 1280, 760
            stream.pix_fmt = "yuv420p"
            at = 0
            for k in range(int((last - first) / faster * RATE)):
                while (
                    at + 1 < len(self._shown)
                    and self._shown[at + 1][0] <= first + k / RATE * faster
                ):
                    at += 1
                image = Image.open(BytesIO(self._shown[at][1])).convert("RGB").resize((1280, 760))
                container.mux(stream.encode(av.VideoFrame.from_image(image)))
            container.mux(stream.encode())


def pictures(browser, video: Path, out: Path) -> None:
    """The page when all is computed: light, dark, and small."""
    folder = video.with_suffix(".pixelkin")
    with Session.open(folder) as session:
        session.accept(range(1, 9))
        session.mark_absent(40, 2)
        for _ in session.propagate():
            pass
        session.flag(20, "the arm?")
    with served(folder) as address:
        for name, scheme, width, height in (
            ("page-light", "light", 1280, 760),
            ("page-dark", "dark", 1280, 760),
            ("page-small", "light", 1024, 640),
        ):
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, color_scheme=scheme)
            page = opened(context, address)
            page.locator("#frame-number").fill("14")
            page.keyboard.press("Enter")
            page.wait_for_selector("#stage[data-frame='14']:not(.waiting)")
            page.wait_for_timeout(800)
            page.screenshot(path=out / f"{name}.png")
            if name == "page-light":
                page.keyboard.press("Control+,")
                page.click("#own-keys [data-does=brush]")
                page.keyboard.press("e")
                page.wait_for_timeout(400)
                page.screenshot(path=out / "page-settings.png")
            context.close()


def skeleton(browser, video: Path, scene: SyntheticScene, out: Path) -> None:
    """Points of both toys, one of them hidden, and a line that is being drawn."""
    folder = video.with_name("joints.pixelkin")
    with Session.create(folder, video) as session:
        for i, places in enumerate(scene[0].positions):
            joints = [session.add_object(f"{'ab'[i]}{n}", kind="keypoint") for n in range(5)]
            for n, (joint, place) in enumerate(zip(joints, places, strict=True)):
                state = "occluded" if (i, n) == (1, 4) else "present"
                session.label(0, joint, place, state=state)
                if n and (i, n) != (0, 4):
                    session.connect(joints[0], joint)
    with served(folder) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 760})
        page = opened(context, address)
        page.keyboard.press("w")
        box = page.locator("#frame").bounding_box()
        first, last = scene[0].positions[0][[0, 4]].astype(float) * (box["width"] / scene.size[1])
        corner = np.array([box["x"], box["y"]])
        page.mouse.move(*(corner + first).tolist())
        page.mouse.down()
        page.mouse.move(*(corner + 0.4 * first + 0.6 * last).tolist(), steps=4)
        page.wait_for_timeout(400)
        page.screenshot(path=out / "page-skeleton.png")
        context.close()


def paint(page, mask) -> None:
    """Fill a mask with strokes of the brush, along its rows."""
    box = page.locator("#frame").bounding_box()
    scale = box["width"] / mask.shape[1]
    radius = 5
    while page.locator("#radius-text").inner_text() != f"{radius} px":
        larger = int(page.locator("#radius-text").inner_text().split()[0]) < radius
        page.keyboard.press("]" if larger else "[")
        page.wait_for_timeout(20)
        if page.locator("#radius-text").inner_text() in ("4 px", "6 px"):
            break
    rows = np.flatnonzero(mask.any(axis=1))
    places = []
    for n, y in enumerate(range(rows[0] + 5, rows[-1] - 3, 8)):
        columns = np.flatnonzero(mask[y])
        if len(columns) > 12:
            ends = [(columns[0] + 5, y), (columns[-1] - 5, y)]
            places += ends[:: -1 if n % 2 else 1]
    for k, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=1 if k == 0 else 3)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(200)
    page.wait_for_selector("#session-facts:has-text('· saved')")


def opened(context, address: str):
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready=yes]")
    page.wait_for_selector("#stage[data-frame='0']")
    return page


@contextmanager
def served(what: Path):
    """The address of a server."""
    command = [sys.executable, "-m", "pixelkin.app.cli", "app", str(what), "--no-browser",
               "--port", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
