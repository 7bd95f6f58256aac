"""The wheel and the source distribution, installed into empty environments: do they work?

    python tests/install.py                                   # each Python, lowest and newest
    python tests/install.py --python python3.11 --versions pinned

A row of the table is an environment of its own: in it is what pip puts there of the package and of
what the package declares to need, and nothing else; then `pixelkin doctor` and `pixelkin demo` run
in an empty folder, without the variables of whoever started this. Versions are the lowest that are
allowed (constraints-lowest.txt), the newest, or those that tests run with (constraints.txt). The
first row takes the source distribution, the others the wheel. A row takes minutes and, with a torch
for GPUs, up to 6 GB, which are given back. Exit code 1 if one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = {"lowest": "constraints-lowest.txt", "newest": None, "pinned": "constraints.txt"}
SHOWN = ("torch", "numpy", "pillow", "av", "scipy", "tyro")
VERSIONS = f"""
import json, platform, pixelkin
from importlib.metadata import version
print(json.dumps([platform.python_version(), pixelkin.__file__, *map(version, {SHOWN})]))
"""


@dataclass(frozen=True)
class Row:
    """What came of an installation."""

    versions: str
    package: str
    found: tuple[str, ...] = ("",) * (len(SHOWN) + 1)
    seconds: float = 0
    fault: str = ""


def done(command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> str:
    """What a command prints.

    Raises:
        RuntimeError: If it fails, with the end of what it says.
    """
    told = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if told.returncode:
        words = " ".join(Path(command[0]).parts[-1:] + tuple(map(str, command[1:])))
        raise RuntimeError(f"{words} ended with {told.returncode}:\n{told.stdout[-3000:]}")
    return told.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    done(command, ROOT, dict(os.environ))
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def tried(python: Path, versions: str, package: Path, folder: Path) -> Row:
    """Install a package into an empty environment, and use it there."""
    began = time.monotonic()
    kind = "wheel" if package.suffix == ".whl" else "sdist"
    venv, empty, home = folder / "venv", folder / "empty", folder / "home"
    empty.mkdir()
    home.mkdir()
    constraints = CONSTRAINTS[versions]
    options = [] if constraints is None else ["-c", ROOT / constraints]
    clean = {"PATH": os.environ["PATH"], "HOME": str(home)}
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}  # pip's, an index's
    inside = venv / "bin/python"
    try:
        done([python, "-m", "venv", venv], folder, own)
        install = [inside, "-m", "pip", "install", "--disable-pip-version-check", *options, package]
        done(install, empty, own)
        version, file, *found = json.loads(done([inside, "-c", VERSIONS], empty, clean))
        if not Path(file).is_relative_to(venv):
            raise RuntimeError(f"{file} is not what was installed")
        done([inside, "-m", "pip", "check"], empty, clean)
        told = done([venv / "bin/pixelkin", "doctor"], empty, clean)
        if "missing and needed" in told:
            raise RuntimeError(told)
        done([venv / "bin/pixelkin", "demo", "--out", "out"], empty, clean)
        if not list(empty.rglob("*.mp4")):
            raise RuntimeError("pixelkin demo wrote no video")
    except RuntimeError as error:
        return Row(versions, kind, fault=str(error))
    return Row(versions, kind, (version, *found), time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="+", default=["python3.11", "python3.13"])
    parser.add_argument("--versions", nargs="+", choices=CONSTRAINTS, default=["lowest", "newest"])
    options = parser.parse_args()
    columns = ("Python", *SHOWN, "versions", "from", "s")
    failed = False
    with tempfile.TemporaryDirectory(prefix="install-") as name:
        folder = Path(name)
        wheel, source = build(folder)
        print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
        package = source
        for python in options.python:
            found = shutil.which(python)
            if found is None:
                print(f"{python} is not on the PATH: left out", file=sys.stderr)
                continue
            for versions in options.versions:
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    row = tried(Path(found).absolute(), versions, package, Path(own))
                if row.fault:
                    failed = True
                    print(f"{python}, {versions}, {row.package}: {row.fault}", flush=True)
                    continue
                cells = (*row.found, versions, row.package, f"{row.seconds:.0f}")
                print("| " + " | ".join(cells) + " |", flush=True)
                package = wheel
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
