"""Runs that were interrupted: what they leave, and that they end as uninterrupted ones."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from moving_square import FRAMES, HEIGHT, WIDTH, results, square

from pixelkin.propagation.plan import Pass
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import ResultsFolder, State
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError, Prediction
from pixelkin.video.writer import write_image


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("protocol", "stop"),
    [("davis", 4), ("davis", 17), ("davis", 26), ("jhmdb", 26)],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    folder: Path, tmp_path: Path, stop: int, protocol: str
) -> None:
    """The keyframe in the middle makes two passes; the stop is in the first or the second."""
    keyframes = {6: square(6)}

    def run(out: Path, stop_at: int | None = None) -> int:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Killed

        result = propagate_to_folder(
            folder,
            keyframes,
            out,
            encoder="lab",
            protocol=replace(Protocol.named(protocol), input_size=None),
            progress=progress,
        )
        return result.resumed

    run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "parts", stop)
    resumed = run(tmp_path / "parts")
    assert resumed == {4: 0, 17: 10, 26: 21}[stop]
    assert results(tmp_path / "whole") == results(tmp_path / "parts")


def test_a_run_stopped_after_its_last_frame_ends_well(folder: Path, tmp_path: Path) -> None:
    """With ten frames backwards, the state was saved after the very last one."""

    def stop(done: int, total: int) -> None:
        if done == total:
            raise Killed

    with pytest.raises(Killed):
        propagate_to_folder(folder, {9: square(9)}, tmp_path / "o", encoder="lab", progress=stop)
    run = propagate_to_folder(folder, {9: square(9)}, tmp_path / "o", encoder="lab")
    assert run.resumed == FRAMES == len(list((tmp_path / "o/masks").iterdir()))


def test_a_state_never_knows_of_frames_that_are_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, save = ResultsFolder.write, ResultsFolder.save_state
    states = []

    def slow(self: ResultsFolder, prediction: Prediction) -> None:
        time.sleep(0.02)
        write(self, prediction)

    def checked(self: ResultsFolder, part: Pass, done: int, state: State) -> None:
        assert all((self.folder / f"masks/{t:05d}.png").is_file() for t in range(done))
        assert all((self.folder / f"frames/{t:05d}.json").is_file() for t in range(done))
        states.append(done)
        save(self, part, done, state)

    monkeypatch.setattr(ResultsFolder, "write", slow)
    monkeypatch.setattr(ResultsFolder, "save_state", checked)
    propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab")
    assert states == [10, 20]


@pytest.mark.parametrize("full_at", [0, 13, FRAMES - 1])
def test_a_full_disk_is_an_error_and_the_run_goes_on_from_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    write = ResultsFolder.write

    def full(self: ResultsFolder, prediction: Prediction) -> None:
        if prediction.index >= full_at:
            raise OSError(28, "No space left on device")
        write(self, prediction)

    before = threading.active_count()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(ResultsFolder, "write", full)
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab")
    assert threading.active_count() == before
    run = propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab")
    assert run.resumed == full_at // 10 * 10
    propagate_to_folder(folder, square(0), tmp_path / "whole", encoder="lab")
    assert results(tmp_path / "whole") == results(tmp_path / "o")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file"])
def test_a_damaged_state_starts_again(folder: Path, tmp_path: Path, damage: bytes) -> None:
    def stop(done: int, total: int) -> None:
        if done == 12:
            raise Killed

    with pytest.raises(Killed):
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab", progress=stop)
    (tmp_path / "o/.state.npz").write_bytes(damage)
    assert propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab").resumed == 0


def test_a_removed_result_is_made_again(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 12:
            raise Killed

    with pytest.raises(Killed):
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab", progress=stop)
    (tmp_path / "o/frames/00004.json").unlink()
    run = propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab")
    assert run.resumed == 0 and len(list((tmp_path / "o/frames").iterdir())) == FRAMES


def test_an_unfinished_run_of_other_settings_is_left_alone(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab", progress=stop)
    with pytest.raises(InputError, match="unfinished run with another protocol"):
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab", protocol="vip")


def test_a_run_is_not_continued_over_changed_frames(folder: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 12:
            raise Killed

    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    with pytest.raises(Killed):
        propagate_to_folder(frames, square(0), tmp_path / "o", encoder="lab", progress=stop)
    write_image(frames / "00020.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(InputError, match="another video"):
        propagate_to_folder(frames, square(0), tmp_path / "o", encoder="lab")


def test_resuming_twice_in_one_stretch_loses_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    keyframes = {0: square(0), 3: square(3)}

    def run(stop: int | None) -> int:
        def progress(done: int, total: int) -> None:
            if done == stop:
                raise Killed

        made = propagate_to_folder(folder, keyframes, out, encoder="lab", progress=progress)
        return made.resumed

    for stop in (16, 17):  # the state is of frame 13
        with pytest.raises(Killed):
            run(stop)
    assert run(None) == 13
