"""Nothing is asked over a network, whatever is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bad_material
import pytest

PROGRAM = """
import socket, sys

def refused(*given, **named):
    raise RuntimeError("NETWORK")

class Local(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX:
            refused()
        return super().connect(address)

socket.socket = Local
socket.getaddrinfo = socket.create_connection = socket.gethostbyname = refused
import urllib.request
urllib.request.urlopen = refused
from pixelkin.app.cli import main
sys.exit(main(sys.argv[1:]))
"""
COMMANDS = {
    "propagate": ("propagate", "clips/a", "--labels", "mask.png", "--out", "out", "--overlay"),
    "train": ("train", "recipe.yaml", "--data", "clips", "--out", "run"),
    "doctor": ("doctor",),
}


def run(program: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", program, *command]
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_block_is_seen(tmp_path: Path) -> None:
    asks = PROGRAM.replace(
        "from pixelkin.app.cli import main", "socket.create_connection(('a', 1))"
    )
    assert "NETWORK" in run(asks, tmp_path).stderr


@pytest.mark.parametrize("name", [*COMMANDS])
def test_nothing_is_downloaded(tmp_path: Path, name: str) -> None:
    bad_material.training(tmp_path)
    bad_material.save_mask(tmp_path / "mask.png")
    ended = run(PROGRAM, tmp_path, *COMMANDS[name])
    assert ended.returncode == 0 and "NETWORK" not in ended.stderr, ended.stderr
