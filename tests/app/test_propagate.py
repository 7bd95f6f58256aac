"""pixelkin propagate: what it writes, and what it says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.formats.id_png import read_ids
from pixelkin.video import container, reader
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image

HEIGHT, WIDTH, FRAMES = 48, 80, 6


def propagate(*arguments: str) -> int:
    return main(["propagate", *arguments, "--weights", "lab"])


@pytest.mark.parametrize("video", ["video.mp4", "frames", "frames/*.png"])
def test_propagate_writes_masks_json_and_overlay(work: Path, video: str) -> None:
    assert propagate(video, "--labels", "mask.png", "--out", "out", "--overlay") == 0
    masks = sorted((work / "out/masks").iterdir())
    assert [m.stem for m in masks] == [f"{t:05d}" for t in range(FRAMES)]
    for t, path in enumerate(masks):
        ids = read_ids(path)
        truth = np.zeros((HEIGHT, WIDTH), bool)
        truth[12:36, 4 + 4 * t : 28 + 4 * t] = True
        assert ((ids == 1) & truth).sum() / ((ids == 1) | truth).sum() > 0.6
    frame = json.loads((work / "out/frames/00003.json").read_text())
    assert frame["objects"][0]["id"] == 1 and 0 <= frame["objects"][0]["confidence"] <= 1
    assert len(open_video(work / "out/overlay.mp4")) == FRAMES
    settings = json.loads((work / "out/run.json").read_text())
    assert settings["complete"] and settings["protocol"]["temperature"] == 0.05


def test_propagate_keypoints(work: Path) -> None:
    assert propagate("frames", "--labels", "points.json", "--out", "out") == 0
    last = json.loads((work / f"out/frames/{FRAMES - 1:05d}.json").read_text())
    assert last["kind"] == "keypoints"
    assert last["objects"][1]["x"] is None
    assert not (work / "out/masks").exists()


def test_fast_follows_too_and_is_recorded(work: Path) -> None:
    assert propagate("frames", "--labels", "mask.png", "--out", "out", "--fast") == 0
    assert json.loads((work / "out/run.json").read_text())["protocol"]["fast"] is True
    ids = read_ids(work / f"out/masks/{FRAMES - 1:05d}.png")
    left = 4 + 4 * (FRAMES - 1)
    assert (ids[12:36, left : left + 24] == 1).mean() > 0.6


def test_labels_find_their_frame(work: Path) -> None:
    """By the name of a frame, or by a number in front."""
    Path("masks").mkdir()
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[12:36, 12:36] = 1
    Image.fromarray(ids).save("masks/00002.png")
    assert propagate("frames", "--labels", "masks/00002.png", "--out", "a") == 0
    assert propagate("video.mp4", "--labels", "2=masks/00002.png", "--out", "b") == 0
    for out in "ab":
        passes = json.loads((work / out / "run.json").read_text())["progress"]["passes"]
        assert {p["keyframe"] for p in passes} == {2}
        assert np.array_equal(read_ids(work / out / "masks/00002.png"), ids)


def test_a_number_is_a_frames_own_and_a_position_is_said_to_be_one(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for t in range(FRAMES):
        Path(f"frames/{t:05d}.png").rename(f"frames/shot_{10 * t + 10}.png")
    shutil.copy("mask.png", "shot_30_mask.png")
    for label, frame in (("10=mask.png", 0), ("#3=mask.png", 3), ("shot_30_mask.png", 2)):
        out = f"out{frame}"
        assert propagate("frames", "--labels", label, "--out", out) == 0
        name = f"shot_{10 * frame + 10}"
        assert f"for {name} (position {frame}, counted from 0)" in capsys.readouterr().out
        passes = json.loads(Path(out, "run.json").read_text())["progress"]["passes"]
        assert {p["keyframe"] for p in passes} == {frame}
        assert json.loads(Path(out, f"frames/{name}.json").read_text())["origin"] == "given"


def test_smoothed_edges_are_snapped_where_asked(work: Path) -> None:
    arguments = ("frames", "--labels", "smooth.png", "--out", "out")
    assert propagate(*arguments) == 2
    assert propagate(*arguments, "--snap") == 0
    snapped = read_ids(work / "out/masks/00000.png")
    assert np.array_equal(snapped == 1, np.asarray(Image.open("smooth.png")) > 127)


def test_masks_of_one_object_each_are_given_together(work: Path) -> None:
    Path("objects").mkdir()
    mask = np.asarray(Image.open("mask.png"))
    for name, half in (("left", np.s_[:, 16:]), ("right", np.s_[:, :16])):
        cut = mask.copy()
        cut[half] = 0
        Image.fromarray(cut).save(f"objects/{name}.png")
    assert propagate("frames", "--labels", "objects", "--out", "out") == 0
    ids = read_ids(work / "out/masks/00000.png")
    assert set(np.unique(ids[mask > 0])) == {1, 2} and not ids[mask == 0].any()
    objects = json.loads((work / "out/frames/00005.json").read_text())["objects"]
    assert [(o["id"], o["name"]) for o in objects] == [(1, "left"), (2, "right")]


def test_a_correction_of_one_object_keeps_the_others_unless_told(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, fix = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    first[12:36, 4:16], first[12:36, 16:28], first[40:46, 50:70] = 1, 2, 3
    fix[12:36, 28:40] = 2
    Image.fromarray(first).save("first.png")
    Image.fromarray(fix).save("fix.png")
    command = ("frames", "--labels", "0=first.png", "3=fix.png")
    assert propagate(*command, "--out", "kept") == 0
    said = "objects 1, 3 go on over frame 3 (00003) from earlier labels; --replace ends"
    assert said in capsys.readouterr().out
    assert propagate(*command, "--out", "ended", "--replace") == 0
    assert "go on" not in capsys.readouterr().out
    for t in (3, 5):
        assert set(np.unique(read_ids(Path(f"kept/masks/{t:05d}.png")))) == {0, 1, 2, 3}
        assert set(np.unique(read_ids(Path(f"ended/masks/{t:05d}.png")))) == {0, 2}
    again = ("--labels", "0=kept/masks/00000.png", "kept/masks/00003.png")
    assert propagate("frames", *again, "--out", "own") == 0
    assert np.array_equal(*(read_ids(Path(f"{o}/masks/00003.png")) for o in ("kept", "own")))


def test_a_correction_of_one_keypoint_keeps_the_others(work: Path) -> None:
    points = [{"name": n, "x": x, "y": 20} for n, x in (("nose", 10), ("tail", 20))]
    content = {"kind": "keypoints", "size": [HEIGHT, WIDTH]}
    Path("both.json").write_text(json.dumps({**content, "points": points}))
    assert propagate("frames", "--labels", "both.json", "--out", "first") == 0
    corrected = json.loads(Path("first/frames/00003.json").read_text())
    for entry in corrected["objects"]:
        if entry["name"] == "tail":
            entry.update(x=33, y=21)
        else:
            entry.update(x=None, y=None)
    Path("first/frames/00003.json").write_text(json.dumps(corrected))
    labels = ("0=both.json", "first/frames/00003.json")
    assert propagate("frames", "--labels", *labels, "--out", "second") == 0
    _, tail = json.loads(Path("second/frames/00003.json").read_text())["objects"]
    assert (tail["x"], tail["y"]) == (33, 21)
    Path("tail.json").write_text(
        json.dumps({**content, "points": [{"name": "tail", "x": 33, "y": 21}]})
    )
    assert propagate("frames", "--labels", "0=both.json", "3=tail.json", "--out", "third") == 0
    for name in ("00003", "00005"):
        second, third = (
            json.loads(Path(f"{out}/frames/{name}.json").read_text())["objects"]
            for out in ("second", "third")
        )
        assert second == third and second[0]["x"] is not None


def test_an_overlay_can_be_asked_for_later(work: Path) -> None:
    """So a run that was interrupted while drawing goes on as well; and none outlives its run."""
    command = ("frames", "--labels", "mask.png", "--out", "out")
    assert propagate(*command) == 0
    stamp = (work / "out/masks/00003.png").stat().st_mtime_ns
    assert propagate(*command, "--overlay") == 0
    assert len(open_video(work / "out/overlay.mp4")) == FRAMES
    assert (work / "out/masks/00003.png").stat().st_mtime_ns == stamp
    assert propagate(*command, "--overlay") == 2
    assert propagate(*command, "--overwrite") == 0
    assert not (work / "out/overlay.mp4").exists()


def test_deep_grey_is_shown_by_its_range_and_that_is_said(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for t, frame in enumerate(open_video("frames")):
        path = work / f"deep/{t}.tif"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(frame[..., 0].astype(np.uint16) * 16).save(path)
    assert propagate("deep", "--labels", "mask.png", "--out", "out", "--overlay") == 0
    assert "hold values below 4096" in capsys.readouterr().out
    assert next(iter(open_video(work / "out/overlay.mp4"))).max() > 150


@pytest.mark.parametrize(
    ("rate", "shown"), [(1000, 24), (2000, 24), (60, 60), (0.1, 24), (1 / 600, 24)]
)
def test_an_overlay_has_a_rate_that_players_show(
    work: Path, rate: float, shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of recordings of fast events too; and it is said."""
    with av.open("fast.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame in open_video("video.mp4"):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    assert open_video("fast.mp4").info.fps == pytest.approx(rate)
    assert propagate("fast.mp4", "--labels", "mask.png", "--out", "out", "--overlay") == 0
    assert open_video(work / "out/overlay.mp4").info.fps == shown
    assert ("has 24 frames a second" in capsys.readouterr().out) == (rate != shown)


def test_the_video_may_come_after_the_options(work: Path) -> None:
    for number, words in enumerate((
        ("--labels", "mask.png", "frames", "--out"),
        ("--labels", "mask.png", "3=mask.png", "video.mp4", "--out"),
        ("--labels", "mask.png", "frames/*.png", "--out"),
    )):  # fmt: skip
        assert propagate(*words, f"out{number}") == 0
        assert len(list((work / f"out{number}/frames").iterdir())) == FRAMES
    assert propagate("--out", "out3", "frames", "--labels", "mask.png") == 0
    assert propagate("--overlay", "--out", "out4", "--labels", "mask.png", "frames") == 0


def test_labels_are_never_taken_for_the_video(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert propagate("--labels", "mask.png", "3=mask.png", "--out", "out") == 2
    assert propagate("--labels", "mask.png", "mask.png", "--out", "out") == 2
    assert "VIDEO" in capsys.readouterr().err


def test_damage_is_named_and_what_follows_it_is_labelled(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keyframe lies behind the damage, and is counted as FFmpeg counts."""
    path = work / "video.mp4"
    with av.open(str(path)) as container:
        lost = [(p.pos, p.size) for p in container.demux(video=0) if p.size][2]
    content = bytearray(path.read_bytes())
    content[lost[0] : sum(lost)] = bytes(lost[1])
    path.write_bytes(content)
    last = len(open_video(path)) - 1
    assert last == FRAMES - 2
    assert propagate("video.mp4", "--labels", f"{last}=mask.png", "--out", "out") == 0
    assert "video.mp4: 1 packet is damaged and skipped: after frame" in capsys.readouterr().out
    assert len(list((work / "out/masks").iterdir())) == FRAMES - 1


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([(0.2, 0.7), (0.5, 0.5)], "all points lie between 0 and 1"),
        ([(5, 5), (WIDTH, 7)], f"lies outside of the frame, which is {WIDTH}x{HEIGHT}"),
        ([(5, 5), (-3, 7)], "lies outside of the frame"),
    ],
)
def test_points_that_are_no_pixels_are_refused(
    work: Path, points: list[tuple[float, float]], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [{"x": x, "y": y} for x, y in points]
    content = {"kind": "points", "size": [HEIGHT, WIDTH], "points": entries}
    Path("points.json").write_text(json.dumps(content))
    assert propagate("frames", "--labels", "points.json", "--out", "out") == 2
    assert why in capsys.readouterr().err
    assert not (work / "out").exists()


def test_a_point_in_the_corner_is_one(work: Path) -> None:
    entries = [{"x": 0, "y": 0}, {"x": WIDTH - 0.5, "y": HEIGHT - 0.5}, None]
    content = {"kind": "points", "size": [HEIGHT, WIDTH], "points": entries}
    Path("points.json").write_text(json.dumps(content))
    assert propagate("frames", "--labels", "points.json", "--out", "out") == 0


def test_what_labels_which_frame_is_said(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert propagate("frames", "--labels", "mask.png", "3=mask.png", "--out", "out") == 0
    shown = capsys.readouterr().out
    assert "labels: mask.png for frame 0 (00000), the first: no number in the name" in shown
    assert "labels: mask.png for frame 3 (00003)\n" in shown
    assert "frame 4 (00004): look there first" in shown
    assert propagate("frames", "--labels", "out/masks/00003.png", "--out", "own") == 0
    assert "labels: out/masks/00003.png for frame 3" in capsys.readouterr().out


@pytest.mark.parametrize("video", ["video.mp4", "frames"])
def test_a_command_opens_its_video_once(
    work: Path, video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    for module, name in ((container, "VideoFile"), (reader, "find_images")):
        real = getattr(module, name)

        def counted(*given: object, real: Callable[..., object] = real, **how: object) -> object:
            opened.append(given)
            return real(*given, **how)

        monkeypatch.setattr(module, name, counted)
    assert propagate(video, "--labels", "mask.png", "--out", "out", "--overlay") == 0
    assert len(opened) == 1


def test_a_new_shot_is_named_and_stays_free_of_labels(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = [SyntheticScene(seed, size=(128, 208), frames=6, objects=2) for seed in (1, 6)]
    for t in range(6):
        write_image(work / f"shots/{t:03d}.png", scenes[t >= 3][t].image)
    Image.fromarray(scenes[0][0].ids.astype(np.uint8)).save("first.png")
    assert propagate("shots", "--labels", "first.png", "--out", "ended") == 0
    said = capsys.readouterr().out
    assert "a new shot begins at frame 3 (003): nothing is carried over" in said
    assert (
        "lowest confidence 0.00 (calibrated for the default weights, not for these) in frame 3"
        in said
    )
    assert propagate("shots", "--labels", "first.png", "--out", "over", "--over-cuts") == 0
    assert "a new shot begins at frame 3 (003): labels were carried over" in capsys.readouterr().out
    for t in range(6):
        ended, over = (read_ids(work / out / f"masks/{t:03d}.png") for out in ("ended", "over"))
        assert over.any() and ended.any() == (t < 3)
        assert t >= 3 or (ended == over).all()
    assert propagate("shots", "--labels", "first.png", "--out", "ended", "--over-cuts") == 2


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        ("mask.png", [], ""),
        ("mask.png", ["--weights", "lab"], " (calibrated for the default weights, not for these)"),
        ("mask.png", ["--protocol", "youtube_vos"], " (share of the votes, not calibrated)"),
        ("mask.png", ["--protocol", "vip"], " (share of the votes, not calibrated)"),
        ("points.json", [], " (share of the heat map, not calibrated)"),
    ],
)
def test_what_confidence_is_is_said_where_it_is_not_calibrated(
    work: Path, capsys: pytest.CaptureFixture[str], labels: str, options: list[str], words: str
) -> None:
    assert main(["propagate", "frames", "--labels", labels, "--out", "out", *options]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"lowest confidence 0\.\d\d{re.escape(words)} in frame ", said), said
    last = json.loads(Path("out/frames/00005.json").read_text())["objects"][0]
    assert ("votes" in last) == ("not calibrated" not in words)
