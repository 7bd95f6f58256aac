from __future__ import annotations

import io
import json
import math
import time
from pathlib import Path

import pytest
from rich.console import Console

from pixelkin.training.log import Count, MetricsLog, Progress, TrainingLog, read_metrics


def test_lines_behind_the_checkpoint_are_removed(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in range(5):
        log.write(step, {"loss": step / 3})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # killed while writing
    assert [x["step"] for x in read_metrics(tmp_path / "metrics.jsonl")] == [0, 1, 2, 3, 4]
    log = MetricsLog(tmp_path, 3)
    log.write(3, {"loss": 9.0})
    log.close()
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(x["step"], x["loss"]) for x in lines] == [
        (0, 0.0), (1, 0.3333333), (2, 0.6666667), (3, 9.0)]  # fmt: skip


def test_what_is_not_a_number_stays_valid_json(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    log.write(0, {"loss": 1.0, "accuracy": math.nan})
    log.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["accuracy"] is None


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, 0)
    for step in range(3):
        log.write(step, {"loss": 2.0 * step})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("loss")
    assert [(e.step, e.value) for e in events] == [(0, 0.0), (1, 2.0), (2, 4.0)]


def test_plain_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = Progress(200, 0, Console(file=out, width=60))
    progress.start()
    for step in range(200):
        figures = {"loss": 2.5, "mined/positives": 0.316, "mined/m2": 0.456}
        progress.update(step, figures | {"frames_per_second": 40.2})
    progress.say("done [really]")
    progress.stop()
    lines = out.getvalue().splitlines()
    assert [x.split("  ")[0] for x in lines] == ["step 100/200", "step 200/200", "done [really]"]
    assert "loss 2.500  positives 32%  m2 0.46  40 frames/s  0:00 left" in lines[0]


def test_the_first_plain_line_comes_soon_and_later_ones_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    progress = Progress(80, 0, Console(file=out, width=80))
    progress.start()
    shown = []
    for step in range(75):  # of a second each
        clock[0] += 1
        before = len(out.getvalue())
        progress.update(step, {"loss": 2.5})
        shown += [clock[0]] if len(out.getvalue()) > before else []
    progress.stop()
    assert shown == [2.0, 32.0, 62.0]


def test_a_count_speaks_only_of_what_takes_long() -> None:
    for seconds, expected in ((60.0, ""), (0.0, "looking: 1 of 2\nlooking: 2 of 2\n")):
        out = io.StringIO()
        count = Count("looking", Console(file=out), seconds)
        for i in (1, 2):
            count(i, 2)
        assert out.getvalue() == expected


def test_the_last_validation_stays_in_sight() -> None:
    out = io.StringIO()
    progress = Progress(200, 0, Console(file=out, width=80))
    progress.start()
    for step in range(200):
        figures = {"validation/synthetic_j": 0.512, "validation/f": 0.1} if step == 40 else {}
        progress.update(step, {"loss": 2.5} | figures)
    progress.stop()
    assert "step 100/200  loss 2.500  synthetic J 51.2%  0:00 left" in out.getvalue()


def test_a_live_line_on_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(10, 4, Console(file=out, width=100, force_terminal=True))
    progress.start()
    progress.update(4, {"loss": 2.5, "seconds": 3.0})
    progress.stop()
    assert "step 5/10  loss 2.500  0:15 left" in out.getvalue()
    assert "\x1b[" in out.getvalue()  # drawn in place


def test_a_silent_log_writes_nothing(tmp_path: Path) -> None:
    with TrainingLog(tmp_path, 10, 0, enabled=False) as log:
        log.write(0, {"loss": 1.0})
        log.say("nothing")
    assert list(tmp_path.iterdir()) == []
