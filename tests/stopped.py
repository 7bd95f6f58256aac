"""Commands in processes of their own that stop at the very write of a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# At the N-th rename to NAME: the temporary file is emptied, as if the kill had come between its
# creation and the writing, and the process kills itself; or it waits for a file "go" in the
# working folder.
SCRIPT = """
import os, signal, sys, time
from pathlib import Path

how, name, left = sys.argv[1], sys.argv[2], [int(sys.argv[3])]
replace = Path.replace

def stop(self, target):
    left[0] -= Path(target).name == name
    if Path(target).name == name and left[0] == 0:
        if how == "kill":
            self.write_bytes(b"")
            os.kill(os.getpid(), signal.SIGKILL)
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    return replace(self, target)

Path.replace = stop
from pixelkin.app.cli import main
sys.exit(main(sys.argv[4:]))
"""


def start(how: str, name: str, nth: int, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how, name, str(nth), *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_at(name: str, *command: str, nth: int = 1) -> None:
    """Run a command that is killed when a file is about to get its name for the `nth` time."""
    process = start("kill", name, nth, *command)
    told = process.communicate(timeout=300)
    assert process.returncode == -9, told


@contextmanager
def waiting_at(name: str, *command: str) -> Iterator[None]:
    """The block runs while a command waits to give a file its name; then the command ends well."""
    process = start("wait", name, 1, *command)
    try:
        while not Path("waiting").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        yield
    finally:
        Path("go").touch()
        told = process.communicate(timeout=300)
    assert process.returncode == 0, told


def hidden(folder: Path) -> list[str]:
    """Hidden files below a folder; the list of a run's files belongs there."""
    found = (p.relative_to(folder).as_posix() for p in folder.rglob(".*") if p.is_file())
    return sorted(name for name in found if not name.endswith(".pixelkin-files"))


def content(folder: Path, *without: str) -> dict[str, bytes]:
    """Every file below a folder but those of some names."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in without)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}
