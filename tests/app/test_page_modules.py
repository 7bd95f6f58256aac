"""The page's modules: their own tests and types, and that the server has all of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

import pixelkin

STATIC = Path(pixelkin.__file__).parent / "app/static"
PAGE = Path(__file__).parent / "page"


@pytest.mark.parametrize("folder", ["server", "browser"])
def test_the_tests_of_the_page_are_run(folder: str) -> None:
    """Where they are not, this is what the end of the test run says."""
    if not find_spec("fastapi"):
        pytest.skip(f"tests/app/{folder} is left out: pixelkin[app] is not installed")
    if folder == "browser" and not find_spec("playwright"):
        pytest.skip("tests/app/browser is left out, no Chromium: make setup-browser")
    assert list((PAGE.parent / folder).glob("test_*.py"))


def test_the_modules_own_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    done = subprocess.run([node, "--test"], cwd=PAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"^. pass (\d+)", done.stdout, re.MULTILINE)[1]) > 10


def test_the_types_of_the_modules() -> None:
    compiler = PAGE / "node_modules/.bin/tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: make check-ui")
    done = subprocess.run([compiler, "-p", "."], cwd=PAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_all_that_the_page_loads_is_there_and_nothing_is_from_elsewhere() -> None:
    pytest.importorskip("fastapi", reason="the page's server is not installed: pixelkin[app]")
    from fastapi.testclient import TestClient

    from pixelkin.app.server.main import create_app
    from pixelkin.app.server.places import Desk

    app = create_app(Desk(Path()), frozenset({"testserver"}))
    seen: set[str] = set()
    waiting = ["/"]
    with TestClient(app) as client:
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert not re.search(r"(?:src|href|import|url)\W{1,4}https?:", answer.text), path
            waiting += re.findall(r'(?:src|href)="(/static/[^"?]+)', answer.text)
            waiting += [f"/static/{n}" for n in re.findall(r'from "\./([^"]+)"', answer.text)]
            if path.endswith(".js"):
                assert answer.headers["content-type"].startswith("text/javascript")
    seen = {"index.html" if path == "/" else path.removeprefix("/static/") for path in seen}
    assert seen == {path.name for path in STATIC.iterdir()}


def test_no_module_is_long() -> None:
    for path in STATIC.iterdir():
        assert len(path.read_text("utf-8").splitlines()) <= 320, path.name


def test_no_module_needs_itself() -> None:
    needs = {
        path.name: set(re.findall(r'from "\./([^"]+)"', path.read_text("utf-8")))
        for path in STATIC.glob("*.js")
    }
    assert len(needs) > 20 and needs["app.js"]
    while free := {name for name, others in needs.items() if not others & needs.keys()}:
        for name in free:
            del needs[name]
    assert not needs, f"circles between {sorted(needs)}"
