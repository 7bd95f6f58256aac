"""Two processes that do what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pixelkin.app.cli import main
from pixelkin.evaluation.registry import make_benchmark
from pixelkin.evaluation.run import run_benchmark
from pixelkin.models.encoder import Encoder, EncoderConfig, save_encoder
from pixelkin.processes import Processes
from pixelkin.types import InputError


def run_two(arguments: list[str]) -> list[tuple[int, str]]:
    """(Exit code, standard error) of two processes, started as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "pixelkin.app.cli", "evaluate", "davis", *arguments]
    processes = [
        subprocess.Popen(
            command,
            env=env | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [(p.returncode, error) for p, error in zip(processes, errors, strict=True)]


def files(folder: Path) -> dict[str, bytes]:
    """Everything but result.json, which says how long it took, and the table's title."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("result.json", "table.md")
    }


def test_two_processes_give_the_files_of_one(davis_root: Path, tmp_path: Path) -> None:
    """Ten sequences: the same bytes of every prediction, the same CSV tables and figures.

    First one process meets a broken frame: both end with its message, and what is done is kept.
    """
    config = EncoderConfig(widths=(8, 8, 16, 16))
    save_encoder(Encoder(config), tmp_path / "tiny")
    arguments = ["--root", str(davis_root), "--weights", str(tmp_path / "tiny"), "--threads", "1"]
    two, one = tmp_path / "two", tmp_path / "one"
    frame = davis_root / "JPEGImages/480p/video8/00002.jpg"
    image = frame.read_bytes()
    frame.write_text("no image")
    for code, error in run_two([*arguments, "--out", str(two)]):
        assert code == 2
        (line,) = [line for line in error.splitlines() if line.startswith("pixelkin: error")]
        assert "video8/00002.jpg is not an image" in line
    assert 5 <= len(list((two / "records").iterdir())) <= 9
    frame.write_bytes(image)
    for code, error in run_two([*arguments, "--out", str(two)]):
        assert code == 0, error
    assert main(["evaluate", "davis", *arguments, "--out", str(one)]) == 0
    assert files(two) == files(one)
    assert sum(name.endswith(".png") for name in files(one)) == 49
    a, b = (json.loads((out / "result.json").read_text()) for out in (two, one))
    for figures in (a, b):
        figures.pop("seconds_per_frame", None)
    assert a == b
    tables = [(out / "table.md").read_text().split("\n", 1)[1] for out in (two, one)]
    assert tables[0] == tables[1]


def test_several_processes_need_a_folder(davis_root: Path) -> None:
    benchmark = make_benchmark("davis", davis_root)
    with pytest.raises(InputError, match="2 processes need --out"):
        run_benchmark(benchmark, "lab", processes=Processes(count=2))
