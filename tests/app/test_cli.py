"""The command line: help, exit codes, one-line errors, and nothing written on bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pixelkin.app.cli import COMMANDS, main
from pixelkin.app.commands.evaluate import BENCHMARKS

HEIGHT, WIDTH, FRAMES = 48, 80, 6


def test_help_names_every_command_and_does_not_import_torch() -> None:
    code = "import sys; from pixelkin.app.cli import main; "
    code += "main(['--help']); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("False\n")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", shown.stdout, re.MULTILINE)
    assert "example:" in shown.stdout


def test_the_package_runs_as_a_module() -> None:
    asked = [sys.executable, "-m", "pixelkin", "nonsense"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert said.returncode == 2 and "no command 'nonsense'" in said.stderr


@pytest.mark.parametrize("name", [*COMMANDS, *(f"evaluate {name}" for name in BENCHMARKS)])
def test_each_command_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        main([*name.split(), "--help"])
    except SystemExit as stop:
        assert stop.code == 0
    shown = capsys.readouterr().out
    assert f"pixelkin {name}" in shown and "xample" in shown


def test_evaluate_davis_predicts_keeps_and_scores(
    davis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "davis", "--root", str(davis), "--year", "2016", "--weights", "lab"]
    assert main([*command, "--out", "out", "--json", "a.json"]) == 0
    scores = json.loads(Path("a.json").read_text())
    assert 0.6 < scores["J&F"] <= 1 and scores["sequences"]["square"]["J"]["mean"] > 0.6
    table = capsys.readouterr().out
    assert f"{100 * scores['J&F']:.1f}" in table and "square" in table
    # The stored predictions give the same figures, whether found again or scored as anyone's.
    assert main([*command, "--out", "out", "--json", "b.json"]) == 0
    assert (
        main([*command[:6], "--results", "out/predictions", "--json", "c.json", "--csv", "."]) == 0
    )
    for name in ("b.json", "c.json"):
        again = json.loads(Path(name).read_text())
        assert again["J&F"] == scores["J&F"] and again["sequences"] == scores["sequences"]
    figures = Path("global_results-val.csv").read_text().splitlines()[1].split(",")
    assert float(figures[0]) == pytest.approx(scores["J&F"], abs=1e-3)
    assert main([*command, "--out", "out", "--every", "2"]) == 2
    assert main([*command, "--json", "a.json"]) == 2
    assert "a.json exists" in capsys.readouterr().err
    assert main([*command, "--csv", "."]) == 2  # found out before anything is predicted
    shown = capsys.readouterr()
    assert "global_results-val.csv exists" in shown.err and "predicting" not in shown.err
    Path("out/run.json").write_text("{")
    assert main([*command, "--out", "out"]) == 2
    assert "run.json is damaged" in capsys.readouterr().err
    assert main([*command, "--out", "out", "--overwrite"]) == 0


def test_evaluate_without_a_benchmark_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate"]) == 2
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in BENCHMARKS)
    assert main(["evaluate", "--help"]) == 0


def test_sequences_may_come_from_a_file(davis: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.txt").write_text("square\n\n")
    command = ["evaluate", "davis", "--root", str(davis), "--year", "2016", "--weights", "lab"]
    assert main([*command, "--sequences", "list.txt", "--every", "2"]) == 0
    assert "square" in capsys.readouterr().out
    Path("list.txt").write_text("circle")
    assert main([*command, "--sequences", "list.txt"]) == 2
    assert "no sequence circle in DAVIS 2016 val; it has square" in capsys.readouterr().err


def test_doctor_lists_versions(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert torch.__version__ in shown and "safetensors" in shown and "threads" in shown


def test_doctor_says_what_would_install_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pixelkin.app.commands import doctor

    installed = doctor.version
    monkeypatch.setattr(doctor, "version", lambda d: None if d == "numba" else installed(d))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "missing, for pixelkin[train]" in shown
    assert re.search(r"optional \(train\): pip install .*numba", shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("propagate", "frames", "--labels", "a.png"), "--out PATH Folder for the results"),
        (("propagate", "--labels", "a.png", "frames", "--out", "o"), "VIDEO Video file, folder"),
        (("propagate", "f", "--labels", "a.png", "--out", "o", "--short-side", "abc"),
         "--short-side abc: must be a whole number"),
        (("propagate", "f", "--labels", "a.png", "--out", "o", "--labl", "b"),
         "Unrecognized options: --labl, b; Perhaps you meant: --labels"),
        (("propagate", "f", "--labels", "a.png", "--out"), "Missing value for argument '--out'"),
        (("evaluate", "davis", "--root", "x", "--every", "1.5"),
         "--every 1.5: must be a whole number"),
        (("evaluate", "davis", "--root", "x", "--year", "2018"), "invalid choice '2018' for"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    command = " ".join(arguments[: 2 if arguments[0] == "evaluate" else 1])
    assert line.startswith("pixelkin: error: ") and said in line
    assert line.endswith(f"; see pixelkin {command} --help")
