"""The page in a real Chromium: errors it logs, and requests that leave the machine, fail a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from page_seen import Seen, truth
from PIL import Image
from playwright.sync_api import sync_playwright

from left_out import NO_BROWSER
from pixelkin.app.server.main import bind, create_app, make_server
from pixelkin.app.server.places import Desk
from pixelkin.app.server.security import hosts_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium for one file: Playwright's event loop runs in this thread until it is stopped."""
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-gpu"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serves a video or a session from this process; gives the address."""
    ends: list[Callable[[], None]] = []

    def serve(path: Path | None = None, root: Path = tmp_path) -> str:
        desk = Desk(root, weights="lab", ready=False)
        if path is not None:
            desk.open(path)
        bound = bind("127.0.0.1", 0)
        port = bound.getsockname()[1]
        server = make_server(create_app(desk, hosts_of("127.0.0.1", port)), desk)
        thread = Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()

        def end() -> None:
            desk.hub.close()
            server.should_exit = True
            thread.join()
            desk.close()
            bound.close()

        ends.append(end)
        return f"http://127.0.0.1:{port}/"

    yield serve
    for end in ends:
        end()


@pytest.fixture
def look(browser: Any, served: Callable[..., str]) -> Iterator[Callable[..., Seen]]:
    """Opens the page, of an address or of a video."""
    seen: list[Seen] = []

    def open_page(what: str | Path | None, **options: Any) -> Seen:
        address = what if isinstance(what, str) else served(what)
        context = browser.new_context(viewport={"width": 1280, "height": 760}, **options)
        seen.append(Seen(context.new_page(), address))
        return seen[-1]

    yield open_page
    for one in seen:
        one.page.context.close()
    for one in seen:
        assert one.faults == []


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames of a red square that moves over noise."""
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 120, (96, 160, 3), dtype=np.uint8)
    (tmp_path / "clip").mkdir()
    for t in range(10):
        image = ground.copy()
        image[truth(t)] = (220, 30, 40)
        Image.fromarray(image).save(tmp_path / f"clip/f{t}.png")
    return tmp_path / "clip"
