"""Runs that were interrupted: what they leave, and that they end as uninterrupted ones."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moving_square import FRAMES, HEIGHT, WIDTH, results, square

from pixelkin.propagation.plan import Pass
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import ResultsFolder, State
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError, Prediction
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter
from running import running


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

    before = running()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(ResultsFolder, "write", full)
        propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab")
    assert running() == before
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


@pytest.mark.parametrize(
    "damage",
    [
        lambda progress: progress["passes"][0].pop("finished"),
        lambda progress: progress.update(passes={"a": 1}),
        lambda progress: progress["passes"][0].update(frames="many"),
        lambda progress: progress.update(devices=7),
        lambda progress: progress.update(stamps=[1]),
    ],
)
def test_a_damaged_mark_is_said_and_can_be_replaced(
    folder: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], None]
) -> None:
    out, mark = tmp_path / "o", tmp_path / "o/run.json"
    propagate_to_folder(folder, square(0), out, encoder="lab")
    before = results(out)
    content = json.loads(mark.read_text())
    damage(content["progress"])
    mark.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"run\.json is damaged \(.*\): --overwrite replaces"):
        propagate_to_folder(folder, square(0), out, encoder="lab")
    assert propagate_to_folder(folder, square(0), out, encoder="lab", overwrite=True).resumed == 0
    assert results(out) == before


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


def stopped_at(frames: Path, out: Path, stop: int | None, **how: object) -> int:
    """How many frames were there when a run goes on; it is stopped after `stop` in all."""

    def progress(done: int, total: int) -> None:
        if done == stop:
            raise Killed

    made = propagate_to_folder(
        frames, {0: square(0), 15: square(15)}, out, encoder="lab", progress=progress, **how
    )  # type: ignore[arg-type]
    return made.resumed


@pytest.mark.parametrize(
    ("stop", "changed", "resumed"),
    [(12, 20, 10), (12, 5, 0), (23, 20, 15), (23, 14, 10), (23, 25, 15)],
)
def test_frames_that_change_are_judged_one_by_one(
    folder: Path, tmp_path: Path, stop: int, changed: int, resumed: int
) -> None:
    """What was done before them stays; the passes that have come past them are made again."""
    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    with pytest.raises(Killed):
        stopped_at(frames, tmp_path / "o", stop)
    shutil.copy(frames / "00009.png", frames / f"{changed:05d}.png")
    assert stopped_at(frames, tmp_path / "o", None) == resumed
    stopped_at(frames, tmp_path / "whole", None)
    assert results(tmp_path / "o") == results(tmp_path / "whole")


def test_what_was_made_of_a_frame_before_it_changed_is_not_taken_up_later(
    folder: Path, tmp_path: Path
) -> None:
    """Nor where the run that begins again is stopped in its turn, before it has a state."""
    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    with pytest.raises(Killed):
        stopped_at(frames, tmp_path / "o", 12)
    shutil.copy(frames / "00009.png", frames / "00005.png")
    with pytest.raises(Killed):
        stopped_at(frames, tmp_path / "o", 3)
    assert stopped_at(frames, tmp_path / "o", None) == 0
    stopped_at(frames, tmp_path / "whole", None)
    assert results(tmp_path / "o") == results(tmp_path / "whole")


def test_a_broken_frame_that_is_repaired_loses_nothing(folder: Path, tmp_path: Path) -> None:
    frames, broken = tmp_path / "frames", tmp_path / "frames/00005.png"
    shutil.copytree(folder, frames)
    broken.write_bytes((folder / "00005.png").read_bytes()[:300])
    for there in (0, 5):  # also where it is tried once more as it is
        with pytest.raises(InputError, match=r"00005\.png"):
            stopped_at(frames, tmp_path / "o", None)
        assert len(list((tmp_path / "o/masks").iterdir())) == 5, there
    shutil.copy(folder / "00005.png", broken)
    assert stopped_at(frames, tmp_path / "o", None) == 5
    stopped_at(frames, tmp_path / "whole", None)
    assert results(tmp_path / "o") == results(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_video_that_was_moved_or_copied_is_the_same(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    """Judged by content: neither the place nor the time of a copy matters."""
    source = tmp_path / "old"
    if kind == "folder":
        shutil.copytree(folder, source)
    else:
        source = tmp_path / "old.mkv"
        with VideoWriter(source, 25, (HEIGHT, WIDTH), crf=0) as writer:
            for frame in open_video(folder):
                writer.write(frame)
    with pytest.raises(Killed):
        stopped_at(source, tmp_path / "o", 12)
    moved = source.rename(tmp_path / f"new{source.suffix}")
    for path in [moved, *moved.rglob("*")]:
        os.utime(path, (1e9, 1e9))
    assert stopped_at(moved, tmp_path / "o", None) == 10
    stopped_at(moved, tmp_path / "whole", None)
    ours, whole = results(tmp_path / "o"), results(tmp_path / "whole")
    assert {k: v for k, v in ours.items() if k != ".pixelkin-files"} == {
        k: v for k, v in whole.items() if k != ".pixelkin-files"
    }


def test_another_video_of_the_same_length_and_time_is_noticed(folder: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    with pytest.raises(Killed):
        stopped_at(frames, tmp_path / "o", 12)
    changed, status = frames / "00005.png", (frames / "00005.png").stat()
    content = bytearray(changed.read_bytes())
    content[-20] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=r"00005\.png"):  # its sum is wrong by now
        stopped_at(frames, tmp_path / "o", None)


def test_changed_frames_of_a_finished_run_are_asked_about(folder: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    stopped_at(frames, tmp_path / "o", None)
    shutil.copy(frames / "00019.png", frames / "00020.png")
    for how in ({}, {"reuse": True}):
        with pytest.raises(InputError, match=r"a finished run of other frames \(00020\): --over"):
            stopped_at(frames, tmp_path / "o", None, **how)
    assert stopped_at(frames, tmp_path / "o", None, overwrite=True) == 15
    stopped_at(frames, tmp_path / "whole", None)
    assert results(tmp_path / "o") == results(tmp_path / "whole")


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_more_or_fewer_frames_are_another_video(folder: Path, tmp_path: Path, change: str) -> None:
    frames = tmp_path / "frames"
    shutil.copytree(folder, frames)
    with pytest.raises(Killed):
        stopped_at(frames, tmp_path / "o", 12)
    if change == "more":
        shutil.copy(frames / "00020.png", frames / "99999.png")
    else:
        (frames / "00026.png").unlink()
    with pytest.raises(InputError, match="another video"):
        stopped_at(frames, tmp_path / "o", None)


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
