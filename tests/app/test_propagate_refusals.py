"""pixelkin propagate: what it refuses, and whose files it leaves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pixelkin.app.cli import main

HEIGHT, WIDTH, FRAMES = 48, 80, 6


def propagate(*arguments: str) -> int:
    return main(["propagate", *arguments, "--weights", "lab"])


BAD = [
    (("missing.mp4", "--labels", "mask.png"), "no such file or folder: missing.mp4"),
    (("", "--labels", "mask.png"), "an argument is empty"),
    (("frames", "--labels", "mask.png", "--labels", "3=mask.png"), "--labels is given twice"),
    (("frames", "--labels", "1.5=mask.png"), "no frame is named 1.5 (00000 to 00005)"),
    (("nothing", "--labels", "mask.png"), "nothing"),
    (("broken.mp4", "--labels", "mask.png"), "broken.mp4"),
    (("mask.jpg/*.png", "--labels", "mask.png"), "mask.jpg"),
    (("text.json", "--labels", "mask.png"), "text.json"),
    (("video.mp4", "--labels", "missing.png"), "no such labels file: missing.png"),
    (("video.mp4", "--labels", "small.png"), "small.png: 40x24, the video is 80x48"),
    (("video.mp4", "--labels", "empty.png"), "empty.png holds no object"),
    (("video.mp4", "--labels", "mask.jpg"), "mask.jpg is a JPEG"),
    (("video.mp4", "--labels", "smooth.png"), "nearest"),
    (("video.mp4", "--labels", "photo.png"), "photo.png"),
    (("video.mp4", "--labels", "text.json"), "text.json"),
    (("video.mp4", "--labels", "99=mask.png"), "frame 99, but the video has frames 0 to 5"),
    (("video.mp4", "--labels", "mask.png", "0=mask.png"), "a mask of its object already"),
    (("frames", "--labels", "0=missing.png"), "0=missing.png; labels of a frame are FRAME=FILE"),
    (("frames", "--labels", "99=mask.png"), "no frame is named 99 (00000 to 00005)"),
    (("frames", "--labels", "#99=mask.png"), "frame 99, but the video has frames 0 to 5"),
    (("frames", "--labels", "frame_9.png"), "frame_9.png fits no frame of the video"),
    (("frames", "--labels", "2_or_3.png"), "2_or_3.png fits 2 frames"),
    (("video.mp4", "--labels", "frame_9.png"), "frame_9.png fits no frame of the video"),
    (("video.mp4", "--labels", "mask.png", "2=points.json"), "give one kind"),
    (("video.mp4", "--labels", "mask.png", "--protocol", "best"), "no protocol 'best'"),
    (("video.mp4", "--labels", "mask.png", "--threads", "0"), "--threads 0"),
    (("video.mp4", "--labels", "mask.png", "--threads", "9999999999"), "--threads 9999999999"),
    (("v" * 5000, "--labels", "mask.png"), "File name too long"),
    (("video.mp4", "--labels", "mask.png", "--short-side", "3"), "short_side"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    work: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(work.rglob("*"))
    assert propagate(*arguments, "--out", "out") == 2
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("pixelkin: error: ")]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in shown.err
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dance"], "no command 'dance'"),
        (["evaluate", "coco"], "no benchmark 'coco'"),
        (["evaluate", "davis", "--root", "nothing"], "looked for ImageSets/2017/val.txt"),
        (["evaluate", "vip", "--root", "nothing"], "looked for lists/val_videos.txt"),
        (["evaluate", "jhmdb", "--root", "nowhere"], "nowhere: no such folder; looked for splits"),
        (["evaluate", "youtube_vos", "--root", "nothing", "--out", "out"], "valid/meta.json"),
        (["evaluate", "davis", "--root", "nothing", "--sequences", "a,b"], "looked for"),
        (["demo", "--frames", "1", "--weights", "lab"], "at least 2 frames"),
        (["demo", "--weights", "nowhere"], "no encoder 'nowhere'"),
    ],
)
def test_bad_commands(
    work: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("pixelkin: error: ") and error.count("\n") == 1
    assert not (work / "out").exists()


def test_an_existing_run_is_replaced_only_when_asked(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("frames", "--labels", "mask.png", "--out", "out")
    assert propagate(*command) == 0
    stamp = (work / "out/masks/00003.png").stat().st_mtime_ns
    assert propagate(*command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (work / "out/masks/00003.png").stat().st_mtime_ns == stamp
    assert propagate(*command, "--overwrite") == 0


@pytest.mark.parametrize(
    "mark", ["", "{ 'not': json }", '{"kind": "propagation", "complete": true}']
)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_the_users_own_files_are_never_removed(
    work: Path,
    davis: Path,
    mark: str,
    overwrite: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run.json of somebody's lies beside folders of the names that results have."""
    for name in ("frames", "masks", "predictions", "records", "videos"):
        (work / "mine" / name).mkdir(parents=True)
        (work / "mine" / name / "00000.json").write_text("precious")
    (work / "mine/run.json").write_text(mark)
    before = {p: p.read_bytes() for p in (work / "mine").rglob("*") if p.is_file()}
    assert propagate("frames", "--labels", "mask.png", "--out", "mine", *overwrite) == 2
    command = ["evaluate", "davis", "--root", str(davis), "--year", "2016", "--weights", "lab"]
    assert main([*command, "--out", "mine", *overwrite]) == 2
    assert {p: p.read_bytes() for p in (work / "mine").rglob("*") if p.is_file()} == before
    errors = capsys.readouterr().err.splitlines()
    assert len([x for x in errors if x.startswith("pixelkin: error: ")]) == 2


def test_overwriting_does_not_follow_a_link_out_of_the_folder(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("frames", "--labels", "mask.png", "--out", "out")
    assert propagate(*command) == 0
    shutil.move("out/masks", "elsewhere")
    Path("out/masks").symlink_to(work / "elsewhere")
    before = {p.name: p.read_bytes() for p in Path("elsewhere").iterdir()}
    assert propagate(*command, "--overwrite") == 2
    assert "leads out of out" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in Path("elsewhere").iterdir()} == before


def test_a_folder_with_what_desktops_leave_counts_as_empty(work: Path) -> None:
    Path("out").mkdir()
    for name in (".DS_Store", "Thumbs.db"):
        Path("out", name).touch()
    assert propagate("frames", "--labels", "mask.png", "--out", "out") == 0
