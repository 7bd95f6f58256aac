"""pixelkin session, from a new session to one that is reviewed."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.app.cli import main


@pytest.fixture
def video(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    (tmp_path / "frames").mkdir()
    for t in range(6):
        image = ground.copy()
        image[16:40, 10 + 4 * t : 34 + 4 * t] = (220, 30, 40)
        Image.fromarray(image).save(tmp_path / "frames" / f"f{t}.png")
        mask = np.zeros((64, 96), np.uint8)
        mask[16:40, 10 + 4 * t : 34 + 4 * t] = 1
        Image.fromarray(mask).save(tmp_path / f"mask{t}.png")
    return tmp_path / "frames"


def session(*words: object) -> int:
    return main(["session", *map(str, words)])


def test_from_a_first_mask_to_a_reviewed_video(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, first = tmp_path / "s", tmp_path / "mask0.png"
    assert session("new", folder, video, "--labels", f"0={first}", "--weights", "lab") == 0
    assert "6 frames of 96x64" in (told := capsys.readouterr().out)
    assert "mask0.png for frame 0" in told and "frames to compute" in told
    assert session("run", folder) == 0
    assert "all is computed" in (told := capsys.readouterr().out) and "look first" in told
    with Session.open(folder) as found:
        before = [found[t].labels[0].as_map().ids for t in range(6)]
    assert session("add", folder, f"3={tmp_path / 'mask3.png'}") == 0
    assert "mask3.png for frame 3" in capsys.readouterr().out
    assert session("status", folder) == 0
    told = capsys.readouterr().out
    assert "0, 3" in told and " 5 " in told.split("labelled frames")[1]  # 1 to 5
    assert session("run", folder, "--near", "5") == 0
    assert session("accept", folder, "1:3") == 0
    assert session("status", folder) == 0
    assert "reviewed: 1-2; contested: none" in capsys.readouterr().out
    assert session("undo", folder) == session("undo", folder) == session("redo", folder) == 0
    told = capsys.readouterr().out
    assert "undone: reviewed frames 1 to 2" in told and "done again: import labels" in told
    assert session("undo", folder) == 0 and session("run", folder) == 0
    with Session.open(folder) as found:
        for t in range(6):
            np.testing.assert_array_equal(found[t].labels[0].as_map().ids, before[t])
    assert session("check", folder, "--vacuum") == 0
    assert "is sound" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paint"], "no command 'session paint': there are new, add"),
        (["run", "nothing"], "nothing holds no session"),
        (["accept", "s", "first"], "first: give a frame number, or FIRST:LAST"),
        (["accept", "s", "4:9"], "no frame 6"),
        (["add", "s", "9=mask0.png"], "no frame is named 9"),
        (["add", "s"], "no labels are named: pixelkin session add s FILE, or FRAME=FILE"),
        (["new", "s", "frames"], "holds a session already"),
        (["relocate", "s", "other"], "is another video"),
        (["run", "s", "--threads", "0"], "must be from 1"),
        (["accept", "s", "3:3"], "no frame is named"),
        (["suggest", "s", "-k", "0"], "ask for one at least"),
    ],
)
def test_mistakes_are_one_line(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes((video / "f0.png").read_bytes())
    assert session("new", "s", "frames", "--labels", "0=mask0.png", "--weights", "lab") == 0
    capsys.readouterr()
    assert session(*words) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_a_session_whose_labels_are_wrong_is_not_begun(video: Path, tmp_path: Path) -> None:
    folder, bad = tmp_path / "s", tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    words = ["new", folder, video, "--weights", "lab", "--labels"]
    assert session(*words, f"0={bad}") == 2
    assert not folder.exists()
    assert session(*words, f"0={tmp_path / 'mask0.png'}") == 0


def test_export_says_what_is_not_computed(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "s", tmp_path / "out.npz"
    first = f"0={tmp_path / 'mask0.png'}"
    assert session("new", folder, video, "--weights", "lab", "--labels", first) == 0
    capsys.readouterr()
    assert session("export", folder, out) == 0
    assert "not computed yet: frames 0-5: pixelkin session run" in capsys.readouterr().err
    assert session("run", folder) == 0
    capsys.readouterr()
    assert session("export", folder, out, "--overwrite") == 0
    assert capsys.readouterr() == (f"{out}\n", "")  # no bar, as it takes no time
    assert session("add", folder, f"3={tmp_path / 'mask3.png'}") == 0
    assert session("cut", folder, "5") == 0
    capsys.readouterr()
    for command in (("status", folder), ("export", folder, out, "--overwrite")):
        assert session(*command) == 0
        told = "".join(capsys.readouterr())
        assert "stale, of labels that were changed since: frames 1-5: pixelkin session" in told
        assert "1 is reached by no label: frames 5" in told and "not computed yet" not in told


def test_export_brings_the_images_along(video: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "s", tmp_path / "set"
    first = f"0={tmp_path / 'mask0.png'}"
    assert session("new", folder, video, "--weights", "lab", "--labels", first) == 0
    assert session("run", folder) == 0
    to = ("--to", "yolo", "--images", out / "images", "--simplify", "1")
    assert session("export", folder, out, *to) == 0
    images = {p.name: p.read_bytes() for p in (out / "images").iterdir()}
    assert images == {p.name: p.read_bytes() for p in video.iterdir()}
    assert {p.stem for p in (out / "labels").iterdir()} == {p.stem for p in video.iterdir()}


def test_status_tells_what_people_said_of_frames(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    with Session.create(folder, video, encoder="lab") as made:
        made.label(0, np.ones((64, 96), int))
        made.flag(2, "the ear?")
        made.accept(0)
    assert session("status", folder) == 0
    told = capsys.readouterr().out
    assert "flagged: 2 (the ear?)" in told and "reviewed: 0; contested: none" in told
    assert "not computed yet: frames 0-5" in told


def test_a_new_part_is_added_by_a_picture(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    parts = np.zeros((64, 96), np.uint8)
    parts[16:28, 10:34], parts[28:40, 10:34] = 1, 2
    with Session.create(folder, video, encoder="lab") as made:
        for name in ("head", "body"):
            made.add_object(name, kind="part")
        made.label(0, parts)
    parts[30:40, 10:20] = 3
    Image.fromarray(parts).save(tmp_path / "three.png")
    assert session("add", folder, f"1={tmp_path / 'three.png'}") == 0
    with Session.open(folder) as found:
        assert [(o.id, o.kind) for o in found.objects] == [(i, "parts") for i in (1, 2, 3)]
        assert found.labels(3) == [1] and found.labels("head") == [0, 1]
        assert found[1].labels[0].kind == "parts"


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert session("--help") == 0
    assert "pixelkin session new dog.pixelkin" in capsys.readouterr().out
    for command in ("new", "add", "run", "status", "suggest", "accept", "export", "check"):
        with pytest.raises(SystemExit):
            session(command, "--help")
        assert f"pixelkin session {command} dog.pixelkin" in capsys.readouterr().out


def test_what_is_said_of_frames_and_objects_and_taken_back(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, first = tmp_path / "s", tmp_path / "mask0.png"
    assert session("new", folder, video, "--labels", f"0={first}", "--weights", "lab") == 0
    with Session.open(folder) as found:
        found.change_object(1, name="box")
    assert session("run", folder) == 0
    capsys.readouterr()
    assert session("absent", folder, 4, "box") == session("occluded", folder, "2:4", "1") == 0
    told = capsys.readouterr().out
    assert "2 frames to compute" in told and "4 frames to compute" in told
    assert session("run", folder) == 0

    def states() -> list[str]:
        with Session.open(folder, edit=False) as found:
            return [found[t].objects[1].state for t in range(6)]

    gone = ["present", "present", "occluded", "occluded", "absent", "absent"]
    assert states() == gone
    assert session("unlabel", folder, "3:5", "box") == session("run", folder) == 0
    assert states() == ["present", "present", "occluded", "present", "present", "present"]
    assert session("undo", folder) == session("run", folder) == 0
    assert states() == gone
    assert session("flag", folder, "3:5", "--note", "there?") == 0
    assert session("accept", folder, "0:5") == session("flag", folder, 4, "--no-flag") == 0
    capsys.readouterr()
    assert session("status", folder) == 0
    told = capsys.readouterr().out
    assert "flagged: 3 (there?)" in told and "flagged: 4" not in told and "reviewed: 0-4" in told
    assert session("reopen", folder, "1:5") == session("status", folder) == 0
    told = capsys.readouterr().out
    assert "flagged" not in told and "reviewed: 0;" in told
    assert session("undo", folder) == session("undo", folder) == session("status", folder) == 0
    assert "flagged: 4 (there?)" in capsys.readouterr().out
    for words, message in (
        (("absent", folder, 4, "dog"), "no object 'dog' (there are: box)"),
        (("occluded", folder, "4-5", "box"), "4-5: give a frame number, or FIRST:LAST"),
        (("flag", folder, "9"), "no frame 9: the video has frames 0 to 5"),
        (("unlabel", folder, "5", "box"), "box has no label there: it has some in 0, 2-4"),
    ):
        assert session(*words) == 2
        assert message in capsys.readouterr().err
    assert session("unlabel", folder, "2:4", "box") == session("occluded", folder, 0, "1") == 0
    with Session.open(folder) as found:  # a label that is there keeps its place
        assert found[0].objects[1].state == "occluded" and found[0].labels[0].present == (1,)


def test_notes_stay_and_frames_without_a_label_are_said(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    first = f"0={tmp_path / 'mask0.png'}"
    assert session("new", folder, video, "--weights", "lab", "--labels", first) == 0
    assert session("flag", folder, 3, "--note", "the ear?") == 0
    assert session("flag", folder, "2:5") == 0
    with Session.open(folder) as found:
        assert found.flagged() == {2: "", 3: "the ear?", 4: ""}
    assert session("flag", folder, 3, "--no-flag", "--note", "x") == 2
    capsys.readouterr()
    for frames, told in (
        ("5:3", "no frame is named"),
        ("20:30", "20"),
        ("1:3", "has no label there"),
    ):
        assert session("unlabel", folder, frames, 1) == 2
        assert told in capsys.readouterr().err
    assert session("absent", folder, 4, 1) == 0
    capsys.readouterr()
    assert session("undo", folder) == 0
    assert "absent from frame 4 on" in capsys.readouterr().out
    with Session.open(folder) as found:
        assert found.labels(1) == [0]


def test_a_painted_mask_is_snapped_where_asked(video: Path, tmp_path: Path) -> None:
    large = np.zeros((256, 384, 3), np.uint8)
    large[64:160, 40:136] = 255, 0, 0
    painted = Image.fromarray(large).resize((96, 64), Image.Resampling.BICUBIC)
    painted.save(tmp_path / "painted.png")
    words = ["new", tmp_path / "s", video, "--weights", "lab", "--labels"]
    assert session(*words, tmp_path / "painted.png") == 2
    assert session(*words, tmp_path / "painted.png", "--snap") == 0
    assert session("add", tmp_path / "s", f"3={tmp_path / 'painted.png'}") == 2
    assert session("add", tmp_path / "s", f"3={tmp_path / 'painted.png'}", "--snap") == 0
    with Session.open(tmp_path / "s") as found:
        ids = found[3].labels[0].as_map().ids
        assert found.labels(1) == [0, 3] and 500 < (ids == 1).sum() < 620


def test_what_is_said_to_go_on_with_is_a_command(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a session"
    assert session("new", folder, video, "--weights", "lab") == 0
    capsys.readouterr()
    assert session("run", folder) == session("suggest", folder) == 0
    told = capsys.readouterr().out
    assert told.count("nothing is labelled yet") == 2 and "all is computed" not in told
    assert shlex.quote(str(folder)) in told
    assert session("add", folder, f"0={tmp_path / 'mask0.png'}") == 0
    command = capsys.readouterr().out.split("frames to compute: ")[1].strip()
    assert main(shlex.split(command)[1:]) == 0
    assert "all is computed" in capsys.readouterr().out
    assert session("cut", folder, 3) == 0
    assert "3 frames to compute: pixelkin session run " in capsys.readouterr().out


def test_frames_whose_names_are_not_their_positions(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (video / "f0.png").rename(video / "f6.png")  # f1 to f6
    folder = tmp_path / "s"
    labels = f"1={tmp_path / 'mask1.png'}"
    assert session("new", folder, video, "--labels", labels, "--weights", "lab") == 0
    assert session("run", folder) == 0
    told = capsys.readouterr().out.split("look first at ")[1]
    assert "(position " in told.splitlines()[0]
    for name in ("suggest", "status"):
        assert session(name, folder) == 0
        told = capsys.readouterr().out
        assert "numbers of their names: f1 (position 0, counted from 0), is also '#0'" in told
    assert session("accept", folder, "2:4") == session("accept", folder, "#3:5") == 0
    assert session("absent", folder, "f6", "1") == session("flag", folder, 1) == 0
    assert session("cut", folder, 3) == session("undo", folder) == 0
    assert "undone: a cut at f3" in capsys.readouterr().out
    with Session.open(folder) as made:
        assert made.reviewed() == [1, 2, 3, 4]
        assert list(made.flagged()) == [0] and made.labels(1) == [0, 5]
    assert session("status", folder) == 0
    told = capsys.readouterr().out
    assert "1, 6" in told and "reviewed: 2-5;" in told and "flagged: 1" in told
    for words, why in (
        (("accept", "0"), "no frame 0: the video has frames 1 to 6"),
        (("accept", "5:8"), "no frame 7: the video has frames 1 to 6"),
        (("absent", "1:3", "1"), "1:3: give one frame"),
        (("run", "--near", "7"), "no frame 7"),
        (("cut", "1"), "no cut at f1: one lies between f2 and f6 (positions 1 to 5"),
        (("accept", "#6"), "no frame #6: the video has positions 0 to 5"),
        (("accept", "1:#3"), "1:#3: give a frame number"),
    ):
        assert session(words[0], folder, *words[1:]) == 2
        assert why in capsys.readouterr().err
