"""The experiments at the smoke scale, through the command line."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.evaluation.davis import load_split
from pixelkin.evaluation.quick import score_encoder
from pixelkin.experiments.catalogue import EXPERIMENTS
from pixelkin.experiments.scale import SCALES
from pixelkin.locks import LOCK
from pixelkin.models.encoder import load_encoder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments") / "out"


def experiment(name: str, out: Path, *options: str, scale: str = "smoke") -> int:
    return main(["experiment", name, "--scale", scale, "--out", str(out), *options])


def scores(out: Path, name: str) -> dict[tuple[str, str, str], float]:
    with (out / name / "results.csv").open() as file:
        return {(x["row"], x["seed"], x["step"]): float(x["jf"]) for x in csv.DictReader(file)}


def table(out: Path, name: str, title: str) -> list[list[str]]:
    """The cells of the first table of a section of the report."""
    section = (out / name / "report.md").read_text().split(f"## {title}\n")[1]
    lines = [x for x in section.strip().split("\n\n")[0].splitlines() if x.startswith("| ")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def colours(path: Path) -> set[tuple[int, ...]]:
    picture = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    found, count = np.unique(picture, axis=0, return_counts=True)
    return {tuple(c) for c, n in zip(found.tolist(), count, strict=True) if n > 20}


BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def test_criteria_table_is_what_the_seeds_gave(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert experiment("criteria", out, "--seeds", "0", "1") == 0
    told = capsys.readouterr().out.splitlines()
    runs = [line.split(":")[0] for line in told if "J&F" in line]
    rows = [row.name for row in EXPERIMENTS["criteria"].rows]
    assert runs == [f"{row}, seed {seed}" for seed in (0, 1) for row in rows]
    assert len([line for line in told if line.startswith("training")]) == 2 + 2 * len(rows)

    found = scores(out, "criteria")
    control = np.array([100 * found["q", s, "2"] for s in "01"])
    head, _, *body = table(out, "criteria", "Results")
    assert head[:4] == ["row", "J&F", "± std", "seeds"]
    for row, cells in zip(rows, body, strict=True):
        own = np.array([100 * found[row, s, "2"] for s in "01"])
        assert cells[1:4] == [f"{own.mean():.1f}", f"{own.std(ddof=1):.1f}", "2"]
        assert cells[6] == ("control" if row == "q" else f"{(own - control).mean():+.1f}")
    assert {BLUE, ORANGE} <= colours(out / "criteria" / "plot.png")


def test_nothing_is_done_twice(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in (out / "runs").rglob("*") if p.name != LOCK}
    (out / "criteria" / "report.md").unlink()
    assert experiment("criteria", out, "--seeds", "0", "1") == 0
    assert capsys.readouterr().out.strip() == str(out / "criteria" / "report.md")
    assert (out / "criteria" / "report.md").is_file()
    after = {p: p.stat().st_mtime_ns for p in (out / "runs").rglob("*") if p.name != LOCK}
    assert after == before


def test_upper_threshold_shares_rows_and_draws_curves(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert experiment("upper-threshold", out, "--seeds", "0") == 0
    told = capsys.readouterr().out
    assert told.count("training ") == 5  # five fixed m2; the curriculum is that of the criteria
    found = scores(out, "upper-threshold")
    assert {step for _, _, step in found} == {"0", "1", "2"}
    assert len({found[row, "0", "0"] for row, _, _ in found}) == 1  # one warm-up
    assert found["mined", "0", "2"] == scores(out, "criteria")["mined", "0", "2"]
    _, _, *body = table(out, "upper-threshold", "Over the training")
    for row, cells in zip(EXPERIMENTS["upper-threshold"].rows, body, strict=True):
        assert cells[1:] == [f"{100 * found[row.name, '0', s]:.1f}" for s in "012"]
    assert len(colours(out / "upper-threshold" / "plot.png")) >= 6


def test_curriculum_signal_measures_its_variances(out: Path) -> None:
    assert experiment("curriculum-signal", out, "--seeds", "0") == 0
    _, _, *body = table(out, "curriculum-signal", "Time of the variances")
    assert [cells[0] for cells in body] == ["var(Q)", "var(T)", "var(C)"]
    assert [cells[2] for cells in body] == ["38.1", "17.3", "16.5"]
    assert all(float(cells[1]) > 0 for cells in body)
    verdicts = {cells[-1] for cells in table(out, "curriculum-signal", "What it shows")[2:]}
    assert verdicts == {"one seed: nothing can be said"}


def test_options_train_every_row(out: Path) -> None:
    assert experiment("options", out, "--seeds", "0") == 0
    found = scores(out, "options")
    rows = [row.name for row in EXPERIMENTS["options"].rows]
    assert [row for row, _, _ in found] == rows
    assert found["mined", "0", "2"] == scores(out, "criteria")["mined", "0", "2"]
    recipes = (yaml.safe_load(p.read_text()) for p in (out / "runs").glob("*-0-*/recipe.yaml"))
    trained = [recipe["stages"][0]["objectives"][0]["settings"] for recipe in recipes]
    for part, change in (
        ("confidence", {"level": "q", "threshold": 1.0}),
        ("confidence", {"level": "q", "threshold": 0.5}),
        ("confidence", {"level": "qtc", "hard_q": True}),
        ("transport", {"dustbin": 0.5}),
        ("negatives", {"floor": 4, "hardness": "cosine"}),
    ):
        assert sum(x.get("mining", {}).get(part) == change for x in trained) == 1
    assert sum(x.get("edge_dropout") == 0 for x in trained) == 2  # both phases


def test_comparison_scores_as_evaluation_does(out: Path) -> None:
    assert experiment("comparison", out, "--seeds", "0") == 0
    found = scores(out, "comparison")
    rows = [row.name for row in EXPERIMENTS["comparison"].rows]
    assert [row for row, _, _ in found] == rows
    videos = load_split(out / "synthetic" / "davis", 2016, "val")
    truth = score_encoder(load_encoder("lab"), videos).summary.jf
    assert found["lab", "", ""] == pytest.approx(truth, abs=1e-6)
    _, _, *native = table(out, "comparison", "At native size, every frame")
    best = sorted(rows, key=lambda row: -max(v for (r, _, _), v in found.items() if r == row))
    assert [float(cells[1]) for cells in native[:3]] == [
        pytest.approx(100 * max(v for (r, _, _), v in found.items() if r == row), abs=0.06)
        for row in best[:3]
    ]
    assert native[3][0] == "weights in the package"


def test_rows_can_be_chosen(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert experiment("criteria", tmp_path / "few", "--seeds", "0", "--rows", "qt,argmax") == 0
    assert [row for row, _, _ in scores(tmp_path / "few", "criteria")] == ["qt", "argmax"]
    assert "--rows qt,argmax" in (tmp_path / "few" / "criteria" / "report.md").read_text()
    assert experiment("criteria", out, "--rows", "qct") == 2
    told = capsys.readouterr().err
    assert "criteria has no row 'qct': there are mined, q, qt, argmax" in told


def test_another_scale_or_foreign_folder_is_refused(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = yaml.safe_load((SCALES / "smoke.yaml").read_text())
    raw["phases"][1]["steps"] = 6
    own = tmp_path / "smoke.yaml"
    own.write_text(yaml.safe_dump(raw))
    assert experiment("criteria", out, scale=str(own)) == 2
    assert "scale.phases.1.steps (2 -> 6)" in capsys.readouterr().err
    assert experiment("criteria", tmp_path) == 2
    assert "holds something else" in capsys.readouterr().err
    assert experiment("criteria", tmp_path / "new", scale="cpu") == 2
    told = capsys.readouterr().err
    assert "needs --data" in told and " and --davis" in told and "neither" not in told
    assert experiment("criteria", tmp_path / "new", "--data", str(tmp_path)) == 2
    told = capsys.readouterr().err
    assert "needs --davis" in told and "or neither of --data and --davis" in told
    assert not (tmp_path / "new").exists()


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """Kill -9 in the second phase of a row; then the same command, and another folder at once."""
    raw = yaml.safe_load((SCALES / "smoke.yaml").read_text())
    raw["phases"] = [{"steps": 2}, {"steps": 30}]
    raw["recipe"]["run"]["checkpoint_every"] = 4
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(raw))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = ["experiment", "criteria", "--scale", str(own), "--seeds", "0", "--minutes", "0.001"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelkin.app.cli", *command[:-2], "--out", str(killed)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = "runs/mined_contrast-0-*/metrics.jsonl"
    while process.poll() is None and not any(
        p.read_text().count("\n") > 9 for p in killed.glob(metrics)
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (halted,) = killed.glob("runs/mined_contrast-0-*")
    assert (halted / "checkpoint.pt").is_file() and not (halted / "encoder").exists()
    for folder in (killed, whole):
        options = ("--seeds", "0", "--minutes", "0.001")  # no further run after the first
        while not list(folder.glob("criteria/results.csv")) or not scores(folder, "criteria"):
            assert experiment("criteria", folder, *options, scale=str(own)) == 0
    weights = [
        (next(folder.glob("runs/mined_contrast-0-*")) / "encoder" / "weights.safetensors")
        for folder in (killed, whole)
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert scores(killed, "criteria") == scores(whole, "criteria")
    assert not list(tmp_path.glob("*/runs/*/checkpoint.pt"))
    # Killed when a training was complete, before its checkpoint was removed:
    (weights[0].parents[1] / "checkpoint.pt").write_bytes(b"the last one")
    for name in ("criteria/results.csv", f"runs/{weights[0].parents[1].name}/scores.json"):
        (killed / name).unlink()
    assert experiment("criteria", killed, *options, scale=str(own)) == 0
    assert not list(killed.glob("runs/*/checkpoint.pt"))
