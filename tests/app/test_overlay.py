"""overlay.mp4: drawn while a run computes, or from its files; the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelkin.app.cli import main
from pixelkin.formats.id_png import read_ids
from pixelkin.formats.mask_png import read_mask
from pixelkin.propagation import overlay as overlays
from pixelkin.propagation import run as running
from pixelkin.types import InputError
from pixelkin.video.reader import open_video
from pixelkin.video.render import Frame
from pixelkin.video.writer import write_image

FRAMES = 6
OVERLAY = Path("out/overlay.mp4")


class Told:
    """What progress was told; ends a run with an error after `stop` frames."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.calls = stop, list[tuple[int, int]]()

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))
        if done == self.stop:
            raise KeyboardInterrupt


def traces() -> list[Path]:
    return [p for p in Path("out").rglob("*") if "overlay" in p.name]


def carried(told: Told, *keyframes: int, **options: bool) -> running.Run:
    mask = read_mask("mask.png")
    labels = dict.fromkeys(keyframes or (0,), mask)
    return running.propagate_to_folder(
        "frames", labels, "out", encoder="lab", progress=told, **options
    )


def test_both_ways_draw_the_same_pictures(work: Path) -> None:
    told = Told()
    carried(told, overlay=True)
    assert told.calls[-1] == (FRAMES, FRAMES)
    at_once = list(open_video(OVERLAY))
    OVERLAY.unlink()
    told = Told()
    carried(told, overlay=True, reuse=True)
    assert told.calls == [(FRAMES + i, 2 * FRAMES) for i in range(1, FRAMES + 1)]
    later = list(open_video(OVERLAY))
    plain = list(open_video("frames"))
    assert len(at_once) == len(later) == FRAMES
    for now, then, frame in zip(at_once, later, plain, strict=True):
        assert np.abs(now.astype(int) - then).max() <= 8  # x264 is another each time
        assert np.abs(now.astype(int) - frame).max() > 40  # it shows the mask


@pytest.mark.parametrize("keyframes", [(2,), (5,), (0, 3), (1, 4)])
def test_wherever_it_begins_all_frames_are_drawn(work: Path, keyframes: tuple[int, ...]) -> None:
    told = Told()
    carried(told, *keyframes, overlay=True)
    assert told.calls[-1] == ((FRAMES, FRAMES) if keyframes[0] == 0 else (2 * FRAMES, 2 * FRAMES))
    drawn, plain = list(open_video(OVERLAY)), list(open_video("frames"))
    differences = [
        [np.abs(a.astype(int) - b).mean() for b in plain] for a in drawn
    ]  # each frame is drawn over itself
    assert [int(np.argmin(row)) for row in differences] == list(range(FRAMES))


def test_none_is_left_of_what_is_interrupted_and_what_goes_on_is_drawn(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "STATE_EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        carried(Told(stop=3), overlay=True)
    assert not traces()
    assert carried(Told(), overlay=True).resumed
    assert traces() == [OVERLAY] and len(open_video(OVERLAY)) == FRAMES


def test_what_is_there_stays(work: Path) -> None:
    carried(Told(), overlay=True)
    stamp = OVERLAY.stat().st_mtime_ns
    told = Told()
    carried(told, overlay=True, reuse=True)
    assert OVERLAY.stat().st_mtime_ns == stamp and not told.calls


def test_a_broken_frame_ends_both_in_one_line(work: Path) -> None:
    for t, frame in enumerate(open_video("frames")):
        write_image(work / f"broken/{t:05d}.png", frame)
    (work / "broken/00004.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"00004\.png"):
        running.propagate_to_folder(
            "broken", read_mask("mask.png"), "out", encoder="lab", overlay=True
        )
    assert not traces()
    assert sorted(p.name for p in Path("out/masks").iterdir()) == [f"{t:05d}.png" for t in range(4)]


@pytest.mark.parametrize("broken", [0, 3, FRAMES - 1])
def test_where_drawing_fails_the_rest_is_kept(
    work: Path, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, not what follows from it; the run goes on from there."""
    drawn = []

    def draw(frame: Frame, *_: object, **__: object) -> Frame:
        drawn.append(frame)
        if len(drawn) > broken:
            raise InputError("this frame cannot be drawn")
        return frame

    with monkeypatch.context() as patch:
        patch.setattr(running, "STATE_EVERY", 2)
        patch.setattr(overlays, "overlay", draw)
        with pytest.raises(InputError, match="cannot be drawn"):
            carried(Told(), overlay=True)
    assert len(drawn) == broken + 1 and not traces()
    assert carried(Told(), overlay=True).resumed >= broken - 2
    assert len(open_video(OVERLAY)) == FRAMES
    masks = [read_ids(path) for path in sorted(Path("out/masks").iterdir())]
    whole = running.propagate_to_folder("frames", read_mask("mask.png"), "whole", encoder="lab")
    for mask, path in zip(masks, sorted((whole.folder / "masks").iterdir()), strict=True):
        assert np.array_equal(mask, read_ids(path))


def test_drawing_afterwards_is_told_as_such(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", "out", "--overlay", "--weights", "lab"]
    assert main(["propagate", "frames", "--labels", "2=mask.png", *out]) == 0
    lines = [line.split(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert f"propagating: {FRAMES}/{FRAMES} frames" in lines
    assert lines[-1] == f"drawing: {FRAMES}/{FRAMES} frames"
    assert not any(str(2 * FRAMES) in line for line in lines)
