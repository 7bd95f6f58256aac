"""pixelkin convert: what goes in, what comes out, and what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.formats.frame_json import save_prediction
from pixelkin.formats.mask_png import read_mask
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import Annotations, Labels, Prediction, VideoInfo

SIZE = 12, 16
VIDEO = VideoInfo("clips/dog.mp4", SIZE[1], SIZE[0], 9)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run's folder: a square that moves, given in frame 0, found in 1 to 4; with a hole in 3."""
    folder = tmp_path / "out/dog"
    for t in range(5):
        ids = np.zeros(SIZE, int)
        ids[2:6, 3 + t : 8 + t] = 1
        ids[4, 5 + t] = 0 if t == 3 else 1
        labels = Labels.from_mask(ids, names=["dog"])
        confidence = np.array([1 - t / 10], np.float32)
        origin = "propagated" if t else "given"
        save_prediction(folder, f"{t:05d}", Prediction(t, labels, confidence, origin))
    (folder / "run.json").write_text(json.dumps({"video": {"path": "clips/dog.mp4", "frames": 9}}))
    return folder


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    """A run's folder of two keypoints, of which one is lost in frame 1."""
    folder = tmp_path / "out/mouse"
    for t in range(2):
        xy = np.array([[1.5 + t, 2], [3, 4] if t == 0 else [np.nan] * 2])
        labels = Labels.from_points(xy, SIZE, names=["nose", "tail"])
        confidence = np.array([0.5, 0.25], np.float32)
        origin = "propagated" if t else "given"
        save_prediction(folder, f"{t:05d}", Prediction(t, labels, confidence, origin))
    return folder


def convert(*arguments: object) -> int:
    return main(["convert", *map(str, arguments)])


def test_a_runs_folder_becomes_coco(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.json"
    assert convert(results, path, "--to", "coco") == 0
    assert capsys.readouterr().out == f"{path}: 5 frames, 1 object\n"
    content = json.loads(path.read_text())
    assert content["videos"] == [{"id": 1, "name": "dog", "width": 16, "height": 12, "length": 9}]
    assert [a["area"] for a in content["annotations"]] == [20, 20, 20, 19, 20]
    assert [a.get("score") for a in content["annotations"]] == [
        None, *(pytest.approx(1 - t / 10) for t in range(1, 5)),
    ]  # fmt: skip
    found = load_annotations(path, None)
    truth = load_annotations(results, None)
    for t in range(5):
        np.testing.assert_array_equal(
            found.frames[t][0].as_map().ids, truth.frames[t][0].as_map().ids
        )
        assert found.detail(t, 1).origin == ("propagated" if t else "given")


def test_what_is_lost_is_said(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(results, tmp_path / "y", "--to", "yolo", "--frames", "2:9") == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"{tmp_path / 'y'}: 3 frames, 1 object"]
    assert told.err.splitlines()[-4:] == [
        "convert: yolo does not keep which object is which from frame to frame: 1 object",
        "convert: yolo does not keep which labels are results: 3 labels",
        "convert: yolo does not keep confidence: 3 labels",
        "convert: yolo does not keep holes: 1 label",
    ]
    names = sorted(p.name for p in (tmp_path / "y/labels").iterdir())
    assert names == [f"frame_{t:06d}.txt" for t in (2, 3, 4)]


def test_labels_alone_or_all_as_predictions(results: Path, tmp_path: Path) -> None:
    assert convert(results, tmp_path / "a.json", "--to", "coco", "--as", "labels") == 0
    assert list(load_annotations(tmp_path / "a.json", None).frames) == [0]
    assert convert(results, tmp_path / "b.json", "--to", "label_studio", "--as", "predictions") == 0
    tasks = json.loads((tmp_path / "b.json").read_text())
    assert [sorted(task) for task in tasks] == [["data", "predictions"]] * 5
    assert tasks[0]["predictions"][0]["score"] == 1
    assert convert(results, tmp_path / "c.json", "--to", "label_studio") == 0
    tasks = json.loads((tmp_path / "c.json").read_text())
    assert [sorted(t)[0] for t in tasks] == ["annotations", *["data"] * 4]


def test_keypoints_become_deeplabcuts_table(keypoints: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert convert(keypoints, path, "--scorer", "net") == 0
    assert path.read_text().splitlines() == [
        "scorer,net,net,net,net,net,net",
        "bodyparts,nose,nose,nose,tail,tail,tail",
        "coords,x,y,likelihood,x,y,likelihood",
        "0,1.5,2.0,,3.0,4.0,",
        "1,2.5,2.0,0.5,,,0.25",
    ]
    path = tmp_path / "CollectedData_me.csv"
    assert convert(keypoints, path, "--as", "labels", "--scorer", "me") == 0
    assert path.read_text().splitlines() == [
        "scorer,,,me,me,me,me",
        "bodyparts,,,nose,nose,tail,tail",
        "coords,,,x,y,x,y",
        "labeled-data,mouse,img0000.png,1.5,2.0,3.0,4.0",
    ]


def test_objects_are_named(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    assert convert(results, path, "--to", "coco", "--names", "1=the neighbours' dog") == 0
    names = [c["name"] for c in json.loads(path.read_text())["categories"]]
    assert names == ["the neighbours' dog"]
    assert load_annotations(path, None).frames[2][0].objects.names == ("the neighbours' dog",)


def test_a_point_that_somebody_left_out_is_not_likely(tmp_path: Path) -> None:
    labels = Labels.from_points(np.array([[1.5, 2], [np.nan] * 2]), SIZE, names=["nose", "tail"])
    path, given = tmp_path / "a.csv", Prediction(0, labels, np.ones(2, np.float32), "given")
    save_prediction(tmp_path / "out", "00000", given)
    assert convert(tmp_path / "out", path, "--as", "predictions") == 0
    assert path.read_text().splitlines()[-1] == "0,1.5,2.0,1.0,,,0.0"


def test_nothing_is_overwritten_unless_asked(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, target, kept in (
        ("coco", "a.json", "a.json"),
        ("labelme", "lm", "lm/00004.json"),
        ("davis", "dv", "dv/Annotations/480p/dog/00002.png"),
        ("yolo", "y", "y/data.yaml"),
        ("png", "png", "png/00003.png"),
    ):
        file = tmp_path / kept
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
        before = sorted(tmp_path.rglob("*"))
        assert convert(results, tmp_path / target, "--to", name) == 2
        assert "exists: --overwrite replaces it" in capsys.readouterr().err
        assert file.read_text() == "mine" and sorted(tmp_path.rglob("*")) == before
        assert convert(results, tmp_path / target, "--to", name, "--overwrite") == 0
        assert file.read_bytes() != b"mine"
    assert convert(results, results, "--to", "png", "--overwrite") == 2
    assert "is what is read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["png", "davis", "youtube_vos", "labelme", "yolo"])
def test_a_folder_is_written_whole_or_not_at_all(
    results: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The labels of frame 3 cannot be read; what others keep in the folder stays."""
    picture = results / "masks/00003.png"
    good = picture.read_bytes()
    picture.write_bytes(b"")
    (tmp_path / "to").mkdir()
    (tmp_path / "to/mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for target in ("to", "new"):
        assert convert(results, tmp_path / target, "--to", name) == 2
        assert "00003.png is not an image" in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before
    picture.write_bytes(good)
    for target in ("to", "new"):
        assert convert(results, tmp_path / target, "--to", name) == 0
        assert len(load_annotations(tmp_path / target, VIDEO, name).frames) == 5
    assert (tmp_path / "to/mine.txt").read_text() == "mine"
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["a.json"],
            "may be written as coco, ytvis, burst, label_studio: name the format (--to)",
        ),
        (["a.h5"], "may be written as dlc_h5, sleap_h5"),
        (["a"], "may be written as png, davis, youtube_vos, labelme, yolo"),
        (["a.gif"], "cannot write"),
        (["a.csv"], "dlc_csv holds keypoints alone, of which there are none"),
        (["a.json", "--to", "nothing"], "no format 'nothing'"),
        (["a.json", "--to", "badja"], "cannot write"),
        (["a.json", "--to", "coco", "--frames", "3"], "--frames 3: must be FIRST:END"),
        (["a.json", "--to", "coco", "--frames", "4:2"], "there is no frame in it"),
        (["a.json", "--to", "coco", "--frames", "7:9"], "has no such labels"),
        (["a.json", "--to", "coco", "--shapes", "boxes"], "coco has no boxes"),
        (["a.json", "--to", "coco", "--names", "dog"], "--names dog: must be ID=NAME"),
        (["a.json", "--to", "coco", "--names", "1="], "--names 1=: must be ID=NAME"),
        (["a.json", "--to", "coco", "--names", "1=a", "1=b"], "--names 1=b: must be ID=NAME, each"),
        (
            ["a.json", "--to", "coco", "--names", "2=cat"],
            "no object 2 to be called so: there are 1",
        ),
        (["a.json", "--to", "coco", "--from", "ytvis"], "is a folder, ytvis is a file"),
    ],
)
def test_refusals(
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    assert convert(results, tmp_path / arguments[0], *arguments[1:]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and words in said[0]
    assert not (tmp_path / arguments[0]).exists()


def test_the_video_says_what_labels_do_not(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(keypoints, tmp_path / "a.csv") == 0
    assert convert(tmp_path / "a.csv", tmp_path / "b.json", "--to", "coco") == 2
    assert "dlc_csv does not tell what the video is: give it (--video)" in capsys.readouterr().err
    for t in range(4):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(tmp_path / f"frames/f{t}.png")
    with_video = ("--to", "coco", "--video", tmp_path / "frames")
    assert convert(tmp_path / "a.csv", tmp_path / "b.json", *with_video) == 0
    content = json.loads((tmp_path / "b.json").read_text())
    assert [i["file_name"] for i in content["images"]] == ["f0.png", "f1.png"]


def test_who_paints_in_a_result_corrects_what_is_written(results: Path, tmp_path: Path) -> None:
    ids = np.zeros(SIZE, np.uint8)
    ids[0, 0] = 1
    Image.fromarray(ids).save(results / "masks/00002.png")
    assert convert(results, tmp_path / "a.json", "--to", "coco") == 0
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["annotations"][2]["bbox"] == [0, 0, 1, 1]


def test_one_frame(results: Path, tmp_path: Path) -> None:
    """A single mask goes in, and comes out."""
    assert convert(results / "masks/00003.png", tmp_path / "a.npz") == 0
    found = load_annotations(tmp_path / "a.npz", None)
    assert list(found.frames) == [3]
    assert convert(tmp_path / "a.npz", tmp_path / "b.png") == 0
    labels = replace(found.only(), kind="mask")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), labels.as_map().ids)


def test_masks_with_smoothed_edges_are_snapped_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a painting tool leaves them; a file, and a folder of files."""
    large = np.zeros((4 * SIZE[0], 4 * SIZE[1], 3), np.uint8)
    large[4:21, 6:30] = 255, 0, 0
    painted = Image.fromarray(large).resize(SIZE[::-1], Image.Resampling.BICUBIC)
    (tmp_path / "masks").mkdir()
    painted.save(tmp_path / "a.png")
    painted.save(tmp_path / "masks/00000.png")
    for name in ("a.png", "masks"):
        for to in ("coco.json", "cvat.xml"):
            options = ["--to", to.partition(".")[0]]
            assert convert(tmp_path / name, tmp_path / to, *options) == 2
            assert "smoothed (anti-aliased) edges" in capsys.readouterr().err
            assert convert(tmp_path / name, tmp_path / to, *options, "--snap") == 0
            (found,) = load_annotations(tmp_path / to, None).frames[0]
            assert found.present == (1,)
            assert (found.as_map().ids == read_mask(tmp_path / "a.png", snap=True).ids).all()
            (tmp_path / to).unlink()


def test_an_older_table_that_deeplabcut_goes_by_is_named(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.h5").touch()
    assert convert(keypoints, tmp_path / "a.csv") == 0
    assert "convert: DeepLabCut goes by a.h5, which is there already" in capsys.readouterr().err
    assert convert(keypoints, tmp_path / "b.csv") == 0
    assert "DeepLabCut" not in capsys.readouterr().err


def test_frames_are_chosen_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    names = tuple(f"{n:05d}" for n in range(5, 11))
    ids = np.zeros(SIZE, int)
    ids[2:6, 3:8] = 1
    labels = Annotations.of({t: Labels.from_mask(ids) for t in range(6)})
    save_annotations(tmp_path / "a.json", labels, "coco", video=replace(VIDEO, names=names))
    assert convert(tmp_path / "a.json", tmp_path / "b.xml", "--frames", "7:9") == 0
    assert convert(tmp_path / "b.xml", tmp_path / "c.json", "--to", "coco") == 0
    images = json.loads((tmp_path / "c.json").read_text())["images"]
    there = [(image["file_name"], image["frame_index"]) for image in images]
    assert there == [("00007.png", 2), ("00008.png", 3)]
    assert convert(tmp_path / "a.json", tmp_path / "d", "--to", "png", "--frames", "#1:2") == 0
    assert [f.name for f in (tmp_path / "d").iterdir()] == ["00006.png"]
    assert convert(tmp_path / "a.json", tmp_path / "masks", "--to", "png", "--frames", ":7") == 0
    assert sorted(f.name for f in (tmp_path / "masks").iterdir()) == ["00005.png", "00006.png"]
