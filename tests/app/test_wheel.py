"""What `pip install` of the built package gives serves the page, with all of its files."""

from __future__ import annotations

import re
import site
import subprocess
import sys
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import pixelkin

ROOT = Path(pixelkin.__file__).parents[2]
STATIC = Path(pixelkin.__file__).parent / "app/static"
PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the package is not run from its sources")
    if not find_spec("hatchling"):
        pytest.skip("hatchling, which builds the package, is not installed: pixelkin[dev]")
    out = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, *PIP, "wheel", *offline, "-w", out, ROOT], check=True)
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_has_every_file_of_the_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"pixelkin/app/static/{path.name}" for path in STATIC.iterdir()} <= names


def test_what_pip_installs_serves_the_page(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the page's server is not installed: pixelkin[app]")
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin/python"
    subprocess.run([python, *PIP, "install", "--no-deps", "--no-index", wheel], check=True)
    # What it depends on comes from here, pixelkin itself from the wheel: its folder comes first.
    (packages,) = venv.glob("lib/python*/site-packages")
    lent = [path for path in site.getsitepackages() if "site-packages" in path]
    (packages / "lent.pth").write_text("\n".join(lent))
    (tmp_path / "empty").mkdir()
    where = [python, "-c", "import pixelkin; print(pixelkin.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(venv)
    command = [venv / "bin/pixelkin", "app", "--no-browser", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path / "empty", env={}, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[0].rstrip("/")
            served = {}
            for path in STATIC.iterdir():
                name = "" if path.name == "index.html" else f"static/{path.name}"
                with urllib.request.urlopen(f"{address}/{name}", timeout=30) as answer:
                    served[path.name] = answer.read()
        finally:
            server.terminate()
    index = served.pop("index.html").decode()
    assert re.search(rf"/static/app\.js\?v={re.escape(pixelkin.__version__)}", index)
    assert served == {p.name: p.read_bytes() for p in STATIC.iterdir() if p.name in served}
