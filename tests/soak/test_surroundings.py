"""Where a command is run: full disks, odd names, narrow terminals, no home; one line each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from kill_subjects import content_of, material
from PIL import Image

resource = pytest.importorskip("resource")

PROPAGATE = ["propagate", "frames", "--labels", "mask.png", "--weights", "lab", "--out"]
EVALUATE = ["evaluate", "davis", "--root", "DAVIS", "--year", "2016", "--weights", "lab"]
TRAIN = ["train", "tiny.yaml", "--set", "run.workers=0", "--data", "clips", "--out"]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    before = Path.cwd()
    material(tmp_path)
    os.chdir(before)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(
    *words: str | Path, largest: int | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own: in no terminal, perhaps unable to write large files."""
    known: Mapping[str, str | None] = {**os.environ, "OMP_NUM_THREADS": "1", **environment}

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.run(
        [sys.executable, "-m", "pixelkin.app.cli", *words],
        env={name: value for name, value in known.items() if value is not None},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        stdin=subprocess.DEVNULL,
    )


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that ended with 2."""
    assert ended.returncode == 2 and "Traceback" not in ended.stderr, ended
    (line,) = [x for x in ended.stderr.splitlines() if x.startswith("pixelkin: error")]
    return line


@pytest.mark.parametrize(
    ("command", "largest"),
    [(PROPAGATE, 400), ([*EVALUATE, "--out"], 700), (TRAIN, 8000)],
    ids=["propagate", "evaluate", "train"],
)  # fmt: skip
def test_a_disk_that_is_full(work: Path, command: list[str], largest: int) -> None:
    """One line with the file, nothing half, no temporary files; with room it goes on."""
    line = refused(told(*command, "out", largest=largest))
    assert "out/" in line and "File too large" in line
    hidden = [p.name for p in Path("out").rglob(".*") if p.is_file()]
    assert hidden in ([], [".pixelkin-files"])
    assert told(*command, "out").returncode == 0
    assert told(*command, "whole").returncode == 0
    moving = ("metrics.jsonl", "checkpoint.pt", "result.json", "table.md", "run.json")
    one, other = (
        {k: v for k, v in content_of(Path(x)).items() if not k.endswith(moving)}
        for x in ("out", "whole")
    )
    assert one == other


@pytest.mark.parametrize(
    "words",
    [
        [*PROPAGATE, "file"],
        [*PROPAGATE, "file/below"],
        [*EVALUATE, "--out", "file"],
        [*EVALUATE, "--json", "file/x.json"],
        [*EVALUATE, "--json", "frames", "--overwrite"],
        [*TRAIN, "file"],
        ["experiment", "criteria", "--scale", "scale.yaml", "--out", "file"],
        ["experiment", "runtime", "--scale", "smoke", "--out", "file"],
        ["tune", "frames", "--out", "file"],
        ["demo", "--out", "file"],
        ["session", "new", "file", "frames"],
        ["compare", "frames", "--labels", "mask.png", "--weights", "lab", "random", "--json",
         "file/x.json"],
    ],
    ids=lambda words: " ".join(w for w in words if w[:1].isalpha())[:40],
)  # fmt: skip
def test_what_cannot_be_written_is_said_before_the_work(
    work: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pixelkin.app.cli import main
    from pixelkin.models.encoder import Encoder

    Path("file").write_text("mine")
    before = content_of(work)
    monkeypatch.setattr(Encoder, "encode", None)  # the work
    assert main(words) == 2
    assert [x[:15] for x in capsys.readouterr().err.splitlines()] == ["pixelkin: error"]
    assert content_of(work) == before


NAMES = [
    "a [red]b[bold] [",
    "quo'te\"s",
    "new\nline",
    "-",
    "ü" * 120,
    "x" * 240,
    "\udcff",
    " ",
    "%s{}",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_of_every_kind(work: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As folder of frames, of results, and as the name of a frame; each may only fail in a line."""
    from pixelkin.app.cli import main

    Path(name).mkdir()
    for t in range(3):
        Path(f"frames/{t:05d}.png").rename(Path(name) / f"{t}{name[:100]}.png")
    labels = f"#0={os.fsdecode(os.fsencode('mask.png'))}"
    words = ["propagate", f"./{name}", "--labels", labels, "--weights", "lab"]
    code = main([*words, "--out", f"./out{name[:230]}"])
    shown = capsys.readouterr()
    assert code == 0 or [x[:15] for x in shown.err.splitlines()] == ["pixelkin: error"], shown
    if code == 0:
        assert len(list(Path(f"out{name[:230]}/masks").iterdir())) == 3
        assert main([*words, "--out", f"./out{name[:230]}"]) == 2
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None, "XDG_CACHE_HOME": None},
        {"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere/cache", "NUMBA_CACHE_DIR": "/nowhere/n"},
        {"HOME": "/dev/null", "PIXELKIN_CACHE": "/dev/null/cache"},
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"COLUMNS": "20"},
        {"TERM": "dumb", "COLUMNS": "1"},
        {"TERM": None, "COLUMNS": "many"},
    ],
    ids=lambda e: ",".join(f"{k}={v}" for k, v in e.items()),
)
def test_environments(work: Path, environment: dict[str, str | None]) -> None:
    """Nothing of a home, a locale or a terminal is needed."""
    Path("frames").rename("früh")
    propagate = ["propagate", "früh", *PROPAGATE[2:]]
    ended = told(*propagate, "out", **environment)
    assert ended.returncode == 0, ended.stderr
    if "COLUMNS" not in environment:
        (work / "clips/a").rename(work / "clips/ä")
        words = ["--set", "run.store=null", "--set", "run.report=true", *TRAIN[4:]]
        ended = told("train", "tiny.yaml", "--set", "run.workers=0", *words, "run", **environment)
        assert ended.returncode == 0, ended.stderr
    else:
        ended = told(*EVALUATE, **environment)
        figures = ("F decay", "100.0")  # none is cut off
        assert ended.returncode == 0 and all(x in ended.stdout for x in figures), ended


def test_a_command_that_nobody_reads(work: Path) -> None:
    """`pixelkin ... | head`, and standard output that is closed."""
    for closing in ("| true", ">&-", "2>&-", "<&-"):
        command = f"{sys.executable} -m pixelkin.app.cli evaluate --help {closing}"
        ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        assert "Traceback" not in ended.stderr, (closing, ended)


def test_frames_are_found_where_names_are_the_longest(work: Path) -> None:
    """255 bytes are the most that a name may have: temporary names are no longer than their own."""
    long = "f" * (255 - len(".json"))
    Path("one").mkdir()
    Image.fromarray(np.zeros((48, 80, 3), np.uint8)).save(Path("one") / f"{long[:-1]}0.png")
    ended = told("propagate", "one", *PROPAGATE[2:], "out")
    assert ended.returncode in (0, 2) and "Traceback" not in ended.stderr
    if ended.returncode == 2:
        assert "too long" in refused(ended)
