"""Keyframes that are corrected or added: only what depends on them is computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from moving_square import FRAMES, results, square

from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError, Prediction


class Killed(Exception):
    pass


def test_a_corrected_keyframe_redoes_only_what_depends_on_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, wrong = tmp_path / "out", square(17)
    first = {5: square(5), 12: wrong}
    propagate_to_folder(folder, first, out, encoder="lab")
    (out / "masks/00002.png").touch()
    before = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    with pytest.raises(InputError, match="finished run with other labels: --overwrite replaces"):
        propagate_to_folder(folder, {5: square(5), 12: square(12)}, out, encoder="lab")
    stepped = []
    step = Propagator.step

    def counted(self: Propagator, *given: object, **named: object) -> Prediction:
        stepped.append(1)
        return step(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Propagator, "step", counted)
    corrected = {5: square(5), 12: square(12)}
    run = propagate_to_folder(folder, corrected, out, encoder="lab", overwrite=True)
    assert run.resumed == 12 and len(stepped) == FRAMES - 12
    after = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    assert {n for n in before if before[n] == after[n]} == {f"{t:05d}.png" for t in range(12)}
    propagate_to_folder(folder, corrected, tmp_path / "whole", encoder="lab")
    assert results(out) == results(tmp_path / "whole")
    again = propagate_to_folder(folder, corrected, out, encoder="lab", overwrite=True)
    assert again.resumed == 0  # nothing differs: all is made anew


def test_a_keyframe_more_keeps_what_comes_before_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    propagate_to_folder(folder, {0: square(0)}, out, encoder="lab")
    before = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    added = {0: square(0), 20: square(20)}
    run = propagate_to_folder(folder, added, out, encoder="lab", overwrite=True)
    assert run.resumed == 20
    after = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    assert {n for n in before if before[n] == after[n]} == {f"{t:05d}.png" for t in range(20)}
    propagate_to_folder(folder, added, tmp_path / "whole", encoder="lab")
    assert results(out) == results(tmp_path / "whole")
    # Without it again, the pass goes further than what is known of it.
    run = propagate_to_folder(folder, {0: square(0)}, out, encoder="lab", overwrite=True)
    assert run.resumed == 0
    propagate_to_folder(folder, {0: square(0)}, tmp_path / "first", encoder="lab")
    assert results(out) == results(tmp_path / "first")


def test_an_interrupted_correction_goes_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    propagate_to_folder(folder, {0: square(0), 5: square(9)}, out, encoder="lab")

    def stop(done: int, total: int) -> None:
        if done == 8:
            raise Killed

    corrected = {0: square(0), 5: square(5)}
    with pytest.raises(Killed):
        propagate_to_folder(folder, corrected, out, encoder="lab", overwrite=True, progress=stop)
    assert json.loads((out / "run.json").read_text())["complete"] is False
    run = propagate_to_folder(folder, corrected, out, encoder="lab", overwrite=True)
    assert run.resumed == 5
    propagate_to_folder(folder, corrected, tmp_path / "whole", encoder="lab")
    assert results(out) == results(tmp_path / "whole")


def correct(
    folder: Path,
    out: Path,
    first: int,
    last: int,
    stop: int | None = None,
    *,
    overwrite: bool = True,
) -> int:
    """Keyframes 0 and 18 by the squares of frames `first` and `last`, killed after `stop`."""

    def progress(done: int, total: int) -> None:
        if done == stop:
            raise Killed

    keyframes = {0: square(first), 18: square(last)}
    run = propagate_to_folder(
        folder, keyframes, out, encoder="lab", overwrite=overwrite, progress=progress
    )
    return run.resumed


def test_corrections_that_were_stopped_and_undone_leave_no_mixture(
    folder: Path, tmp_path: Path
) -> None:
    """The state of one correction does not outlive another that has replaced its results."""
    out = tmp_path / "out"
    correct(folder, out, 0, 18)
    kept = FRAMES - 18
    for first, stop in ((2, kept + 15), (4, kept + 6)):
        with pytest.raises(Killed):
            correct(folder, out, first, 18, stop)
    correct(folder, out, 2, 18)
    correct(folder, tmp_path / "whole", 2, 18)
    assert results(out) == results(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["masks/00003.png", "frames/00003.json"])
def test_a_result_that_is_lost_is_made_again(folder: Path, tmp_path: Path, lost: str) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    with pytest.raises(Killed):
        correct(folder, out, 0, 18, 22, overwrite=False)
    (out / lost).unlink()
    assert correct(folder, out, 0, 18, overwrite=False) == 0
    correct(folder, whole, 0, 18)
    assert results(out) == results(whole)
    (out / lost).unlink()  # of a finished run, which is asked for once more
    keyframes = {0: square(0), 18: square(18)}
    propagate_to_folder(folder, keyframes, out, encoder="lab", reuse=True)
    assert results(out) == results(whole)
