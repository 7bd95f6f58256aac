"""The experiment `tuning` at the smoke scale, through the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import ttest_1samp

from pixelkin.app.cli import main
from pixelkin.evaluation.davis import load_split
from pixelkin.evaluation.quick import score_encoder
from pixelkin.experiments import tuning
from pixelkin.experiments.scale import SCALES
from pixelkin.experiments.tuned import ROWS
from pixelkin.experiments.tuning import stages_of
from pixelkin.models.encoder import load_encoder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning") / "out"
    assert experiment(folder) == 0
    return folder


def experiment(out: Path, *options: str, scale: str = "smoke") -> int:
    command = ["experiment", "tuning", "--scale", scale, "--out", str(out)]
    return main([*command, "--seeds", "0", *options])


def scores(out: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    with (out / "tuning/results.csv").open() as file:
        return {(x["row"], x["sequence"], x["step"]): x for x in csv.DictReader(file)}


def test_the_table_is_what_the_tunings_gave(out: Path) -> None:
    found, names = scores(out), ["scene0", "scene1"]
    assert {row for row, _, _ in found} == {row.name for row in ROWS}

    def jf(row: str, name: str, step: int) -> float:
        line = found[row, name, str(step)]
        return 50 * (float(line["j"]) + float(line["f"]))

    gains = [jf("both", n, 2) - jf("default", n, 0) for n in names]
    report = (out / "tuning/report.md").read_text()
    (line,) = (
        x for x in report.splitlines() if x.startswith("| known geometry and mined (Q+T+C) | 1")
    )
    cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
    mean = np.mean([jf("both", n, 2) for n in names])
    assert cells[2] == f"{mean:.1f}" and cells[3] == f"{np.mean(gains):+.1f}"
    bounds = ttest_1samp(gains, 0).confidence_interval(0.95)
    assert float(cells[4]) == pytest.approx((bounds.high - bounds.low) / 2, abs=0.06)
    assert cells[5] == f"{min(gains):+.1f}"
    assert not list((out / "tuning/runs").iterdir())  # encoders are gone when they are scored


def test_the_weights_as_they_are_are_scored_as_evaluate_does(out: Path) -> None:
    (video,) = load_split(out / "synthetic/davis", 2016, "val", ["scene0"])
    truth = score_encoder(load_encoder("default"), [video]).sequences[0]
    line = scores(out)["default", "scene0", "0"]
    assert float(line["j"]) == pytest.approx(truth.j.mean(), abs=1e-6)
    assert float(line["f"]) == pytest.approx(truth.f.mean(), abs=1e-6)
    assert float(line["last"]) == pytest.approx(truth.j[0, -1], abs=1e-6)  # of three scored frames


def test_what_is_there_is_not_done_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(tuning, "tune", never)
    before = (out / "tuning/results.csv").read_bytes()
    (out / "tuning/results.csv").unlink()
    assert experiment(out) == 0
    assert (out / "tuning/results.csv").read_bytes() == before


def test_other_settings_are_refused(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scale = yaml.safe_load((SCALES / "smoke.yaml").read_text())
    scale["tuning"]["steps"] = 3
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(scale))
    assert experiment(out, scale=str(tmp_path / "other.yaml")) == 2
    assert "recipe.steps (2 -> 3)" in capsys.readouterr().err
    assert main(["experiment", "tuning", "--out", str(out)]) == 2
    assert "needs --davis" in capsys.readouterr().err
    assert experiment(out, "--data", str(tmp_path)) == 2
    assert "--davis alone" in capsys.readouterr().err


def test_rows_share_the_batch() -> None:
    for row in ROWS[1:]:
        stages = stages_of(row)["stages"]
        assert isinstance(stages, list)
        parts = {p["name"]: p for p in stages[0]["objectives"]}
        assert sum(p["share"] for p in parts.values()) == pytest.approx(1)
        assert ("distillation" in parts) == (row.name != "unanchored")
        if "mined_contrast" in parts:
            assert parts["mined_contrast"]["settings"]["mining"]["confidence"]["level"] == row.level


def test_a_row_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert experiment(tmp_path, "--rows", "mined") == 0
    assert {row for row, _, _ in scores(tmp_path)} == {"default", "mined"}
    assert experiment(tmp_path, "--rows", "mind") == 2
    assert "tuning has no row 'mind': there are default, both" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("tuning", ["--data", "."], "--data says nothing to tuning"),
        ("positives", ["--rows", "q"], "--rows says nothing to positives"),
        ("runtime", ["--seeds", "1"], "--seeds says nothing to runtime"),
    ],
)
def test_options_that_say_nothing_are_refused(
    name: str, options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["experiment", name, "--scale", "smoke", "--out", str(tmp_path), *options]
    assert main(command) == 2
    assert told in capsys.readouterr().err
