from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.experiments.runtime import PAPER, measure, milliseconds


def test_sparse_forms_measure_the_same_variance() -> None:
    found = measure(8, 1)
    assert found["cells"] == 64 and found["residual"] <= 1e-2
    assert 0.9 < found["c_per_row"] <= found["t_per_row"] < found["q_per_row"] <= 64
    assert found["t_per_row"] >= 1  # where C has none, it goes out of the window
    assert abs(found["sparse_misses_t"]) < 1e-3 and abs(found["sparse_misses_c"]) < 1e-3
    assert all(found[name] > 0 for name in found if name.endswith("_ms"))


def test_milliseconds_is_the_time_of_one_call() -> None:
    x = np.ones((300, 300))

    def work() -> None:
        x @ x

    def thrice() -> None:
        for _ in range(3):
            work()

    ratio = milliseconds(thrice, 5) / milliseconds(work, 5)
    assert ratio == pytest.approx(3, rel=0.5)


def test_runtime_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "runtime", "--scale", "smoke", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("measuring") == 2
    folder = tmp_path / "runtime"
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(x["cells"]) for x in rows] == [64, 144]
    report = (folder / "report.md").read_text()
    assert all(f"{ms}" in report for ms in PAPER.values())
    assert f"{float(rows[0]['sinkhorn_ms']):.3g}" in report
    picture = np.asarray(Image.open(folder / "plot.png").convert("RGB"))
    assert (picture != 255).mean() > 0.02
    stamp = (folder / "8x8.json").stat().st_mtime_ns
    assert main(["experiment", "runtime", "--scale", "smoke", "--out", str(tmp_path)]) == 0
    assert "measuring" not in capsys.readouterr().out
    assert (folder / "8x8.json").stat().st_mtime_ns == stamp
