"""Labels whose images lie where the tools of others look for them."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import yaml
from PIL import Image

import pixelkin
from pixelkin.app.cli import main
from pixelkin.formats.frame_json import save_prediction
from pixelkin.types import Annotations, InputError, Labels, Prediction
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter

SIZE = HEIGHT, WIDTH = 24, 32
FRAMES, LABELLED = 40, (0, 3, 4, 37)
STEMS = {"coco": "frame_{:06d}", "cvat": "frame_{:06d}", "yolo": "frame_{:06d}",
         "labelme": "{:05d}", "label_studio": "{:05d}", "dlc_csv": "img{:04d}"}  # fmt: skip


def picture(t: int) -> np.ndarray:
    """A grey that tells its frame."""
    return np.full((*SIZE, 3), 6 * t, np.uint8)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the same video as a file and as a folder of JPEGs."""
    monkeypatch.chdir(tmp_path)
    with VideoWriter("clip.mp4", 8, SIZE, crf=0) as writer:
        for t in range(FRAMES):
            writer.write(picture(t))
    Path("frames").mkdir()
    for t in range(FRAMES):
        suffix = "JPG" if t == 3 else "jpg"
        Image.fromarray(picture(t)).save(f"frames/shot {t}.{suffix}", "JPEG")
    return tmp_path


def labels(kind: str) -> Annotations:
    """A square, or two points, in some frames far apart."""
    if kind == "keypoints":
        xy = np.array([[3, 4], [8.5, 9]])
        return Annotations.of(
            {t: Labels.from_points(xy + t % 5, SIZE, names=["a", "b"]) for t in LABELLED}
        )
    ids = np.zeros(SIZE, int)
    ids[4:9, 5:11] = 1
    return Annotations.of({t: Labels.from_mask(ids, names=["dog"]) for t in LABELLED})


def of_coco(path: Path) -> list[Path]:
    return [Path("pictures") / i["file_name"] for i in json.loads(path.read_text())["images"]]


def of_cvat(path: Path) -> list[Path]:
    return [Path("pictures") / i.attrib["name"] for i in ET.parse(path).getroot().iter("image")]


def of_label_studio(path: Path) -> list[Path]:
    """Below the folder that Label Studio serves, which is the current one here."""
    tasks = json.loads(path.read_text())
    return [Path(parse_qs(urlsplit(task["data"]["image"]).query)["d"][0]) for task in tasks]


def of_labelme(path: Path) -> list[Path]:
    files = sorted(path.glob("*.json"), key=lambda f: int("".join(filter(str.isdigit, f.name))))
    return [path / json.loads(f.read_text())["imagePath"] for f in files]


def of_yolo(path: Path) -> list[Path]:
    """Ultralytics goes from images to labels: the last /images/ becomes /labels/, .txt."""
    data: dict[str, Any] = yaml.safe_load((path / "data.yaml").read_text())
    assert "path" not in data  # which would be taken from the current folder
    images = sorted((path / data["train"]).iterdir(), key=lambda f: int(
        "".join(filter(str.isdigit, f.name))))  # fmt: skip
    for image in images:
        assert (path / "labels" / f"{image.stem}.txt").read_text().startswith("0 ")
    assert len(list((path / "labels").iterdir())) == len(images)
    return images


def of_dlc(path: Path) -> list[Path]:
    """Paths are below the project."""
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[0] == "labeled-data"]
    return [path.parents[2] / Path(*row[:3]) for row in rows]


CASES: dict[str, tuple[str, str, str, Callable[[Path], list[Path]]]] = {
    "coco": ("masks", "a.json", "pictures", of_coco),
    "cvat": ("masks", "a.xml", "pictures", of_cvat),
    "label_studio": ("masks", "a.json", "pictures", of_label_studio),
    "labelme": ("masks", "lm", "lm", of_labelme),
    "yolo": ("masks", "y", "y/images", of_yolo),
    "dlc_csv": (
        "keypoints", "project/labeled-data/dog/CollectedData_me.csv", "project/labeled-data/dog",
        of_dlc,
    ),
}  # fmt: skip


@pytest.mark.parametrize("video", ["clip.mp4", "frames"])
@pytest.mark.parametrize("name", CASES)
def test_tools_find_the_images(place: Path, name: str, video: str) -> None:
    kind, target, folder, found = CASES[name]
    reader = open_video(video)
    pixelkin.save_annotations(
        target, labels(kind), name, video=reader, images=folder, scorer="me"
    )  # fmt: skip
    paths = found(Path(target))
    assert len(paths) == len(LABELLED) == len(
        [f for f in Path(folder).iterdir() if f.suffix in (".png", ".jpg", ".JPG")]
    )  # fmt: skip
    for t, path in zip(LABELLED, paths, strict=True):
        if reader.names is None:
            assert path.name == f"{STEMS[name].format(t)}.png"
            np.testing.assert_array_equal(np.asarray(Image.open(path)), reader[t])
        elif name == "dlc_csv":
            assert path.name == f"shot {t}.png"
            np.testing.assert_array_equal(np.asarray(Image.open(path)), reader[t])
        else:
            assert path.name == reader.paths[t].name
            assert path.read_bytes() == reader.paths[t].read_bytes()
    again = pixelkin.load_annotations(target, reader.info, name)
    assert sorted(again.frames) == list(LABELLED)


@pytest.mark.parametrize("name", ["yolo", "dlc_csv"])
def test_images_that_are_there_say_how_large_the_video_is(place: Path, name: str) -> None:
    kind, target, folder, _ = CASES[name]
    reader, given = open_video("clip.mp4"), labels(kind)
    asked: dict[str, Any] = {"video": reader, "images": folder, "scorer": "me"}
    pixelkin.save_annotations(target, given, name, **asked)
    found = pixelkin.load_annotations(target, None)
    assert sorted(found.frames) == list(LABELLED)
    assert found.frames[37][0].size == SIZE
    if kind == "masks":
        np.testing.assert_array_equal(found.frames[37][0].ids, given.frames[37][0].ids)
    for image in Path(folder).glob("*.png"):
        image.unlink()
    with pytest.raises(InputError, match=f"{name} does not tell what the video is"):
        pixelkin.load_annotations(target, None)


@pytest.mark.parametrize("name", ["coco", "cvat", "label_studio", "labelme"])
def test_frames_that_are_there_are_named_and_left_alone(place: Path, name: str) -> None:
    """Also without being asked for, labels of a folder name its files."""
    before = {f: f.stat().st_mtime_ns for f in Path("frames").iterdir()}
    kind, target, _, found = CASES[name]
    reader = open_video("frames")
    for images in (None, "frames"):
        pixelkin.save_annotations(target, labels(kind), name, video=reader, images=images)
        shown = found(Path(target))
        assert [p.name for p in shown] == [reader.paths[t].name for t in LABELLED]
        if name == "labelme":
            assert all(p.is_file() for p in shown)
    assert {f: f.stat().st_mtime_ns for f in Path("frames").iterdir()} == before


def test_labelme_beside_its_frames_names_them_alone(place: Path) -> None:
    reader = open_video("frames")
    pixelkin.save_annotations("frames", labels("masks"), "labelme", video=reader)
    content = json.loads(Path("frames/shot 3.json").read_text())
    assert content["imagePath"] == "shot 3.JPG"


def test_files_that_are_there_stay(place: Path) -> None:
    kept = Path("y/images/frame_000004.png")
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    before = sorted(place.rglob("*"))
    asked: dict[str, Any] = {"video": open_video("clip.mp4"), "images": "y/images"}
    with pytest.raises(InputError, match=r"frame_000004\.png exists: --overwrite replaces it"):
        pixelkin.save_annotations("y", labels("masks"), "yolo", **asked, overwrite=False)
    assert kept.read_text() == "mine" and sorted(place.rglob("*")) == before
    pixelkin.save_annotations("y", labels("masks"), "yolo", **asked)
    assert kept.read_bytes() != b"mine"


@pytest.mark.parametrize(("name", "folder"), [("coco", "out/pictures"), ("yolo", "out/y/images")])
def test_all_is_written_or_nothing(place: Path, name: str, folder: str) -> None:
    """The fourth frame has another size, which is found when it is read."""
    Image.new("RGB", (9, 9)).save("frames/shot 37.jpg")
    Path("out").mkdir()
    target = "out/y" if name == "yolo" else "out/a.json"
    before = sorted(place.rglob("*"))
    video = open_video("frames")
    with pytest.raises(InputError, match="9x9"):
        pixelkin.save_annotations(target, labels("masks"), name, video=video, images=folder)
    assert sorted(place.rglob("*")) == before


def convert(*arguments: str) -> int:
    return main(["convert", *arguments])


def test_a_runs_video_is_known(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for t in range(3):
        one = labels("masks").frames[0][0]
        result = Prediction(t, one, np.ones(1, np.float32), "propagated" if t else "given")
        save_prediction("out", f"{t:05d}", result)
    run = {"video": {"path": "clip.mp4", "frames": FRAMES}}
    Path("out/run.json").write_text(json.dumps(run))
    arguments = ["out", "y", "--to", "yolo"]
    assert convert(*arguments, "--images", "y/images") == 0
    assert "y/images: images of 3 frames" in capsys.readouterr().out
    for t, image in enumerate(of_yolo(Path("y"))):
        np.testing.assert_array_equal(np.asarray(Image.open(image)), open_video("clip.mp4")[t])
    assert convert("y", "a.json", "--to", "coco", "--video", "y/images") == 0
    Path("clip.mp4").rename("moved.mp4")
    capsys.readouterr()
    again = [*arguments, "--images", "y/images", "--overwrite"]
    assert convert(*again) == 2
    said = capsys.readouterr().err
    assert "clip.mp4, of which out is, is not here: --images needs --video" in said
    assert convert(*again, "--video", "moved.mp4") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.json", "y", "--to", "yolo", "--images", "pictures", "--video", "clip.mp4"],
         "yolo has its images in y/images: --images y/images"),
        (["m.json", "y", "--to", "yolo", "--images", "y/images"],
         "m.json does not tell where frames are: --images needs --video"),
        (["m.json", "b", "--to", "png", "--images", "b", "--video", "clip.mp4"],
         "png refers to no images (--images): coco, cvat, label_studio, labelme, yolo, dlc_csv"),
        (["m.json", "b.xml", "--shapes", "polygons", "--images", "b", "--video", "clip.mp4"],
         "cvat has tracks for a task of the video itself"),
        (["m.json", "b.json", "--to", "label_studio", "--shapes", "boxes", "--images", "b",
          "--video", "clip.mp4"], "label_studio has boxes on the video, not on images"),
        (["m.json", "b.json", "--to", "coco", "--images", "m.json", "--video", "clip.mp4"],
         "m.json is a file, images go into a folder"),
        (["m.json", "b.json", "--to", "coco", "--images", "b", "--video", "short"],
         "m.json: images[0].file_name labels the frame frame_000000, which is not in the video"),
        (["k.json", "CollectedData_me.csv", "--images", ".", "--video", "clip.mp4"],
         "DeepLabCut calls the labels of pixelkin CollectedData_pixelkin.csv, not"),
        (["k.json", "CollectedData_me.csv", "--images", ".", "--video", "clip.mp4", "--scorer",
          "me"], "in PROJECT/labeled-data/VIDEO, not in .: write PROJECT/labeled-data/clip/Coll"),
        (["k.json", "labeled-data/clip/CollectedData_me.csv", "--images", "b", "--video",
          "clip.mp4"], "dlc_csv has its images in labeled-data/clip: --images labeled-data/clip"),
        (["k.json", "labeled-data/clip/CollectedData_me.csv", "--images", "labeled-data/clip",
          "--video", "clip.mp4", "--scorer", "me", "--as", "predictions"],
         "DeepLabCut's predictions name no images (--images): labels do (--as labels)"),
    ],
)  # fmt: skip
def test_refusals(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    info = open_video("clip.mp4").info
    pixelkin.save_annotations("m.json", labels("masks"), "coco", video=info)
    pixelkin.save_annotations("k.json", labels("keypoints"), "coco", video=info)
    Path("short").mkdir()
    for t in range(5):
        Image.fromarray(picture(t)).save(f"short/{t}.png")
    assert convert(*arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) <= 2 and words in said[-1], said  # after progress
    assert not Path(arguments[1]).exists() and not Path("b").exists()


def test_the_video_is_needed(place: Path) -> None:
    info = open_video("clip.mp4").info
    with pytest.raises(InputError, match=r"save_annotations needs video=open_video\(\)"):
        pixelkin.save_annotations("a.json", labels("masks"), "coco", video=info, images="b")
    with pytest.raises(InputError, match="frame 37 is labelled, and short has 5 frames"):
        Path("short").mkdir()
        for t in range(5):
            Image.fromarray(picture(t)).save(f"short/{t}.png")
        asked: dict[str, Any] = {"video": open_video("short"), "images": "b"}
        pixelkin.save_annotations("a.json", labels("masks"), "coco", **asked)


@pytest.mark.parametrize("pattern", ["mix/*.png", "mix"])
def test_the_image_of_a_frame_is_the_file_that_was_read(pattern: str, place: Path) -> None:
    Path("mix").mkdir()
    for t in range(3):
        Image.fromarray(picture(t)).save(f"mix/{t}.png")
        if "*" in pattern:  # other pictures, of the same stems
            Image.fromarray(picture(30 + t)).save(f"mix/{t}.jpg")
    before = {p: p.read_bytes() for p in Path("mix").iterdir()}
    ids = np.ones(SIZE, int)
    found = Annotations.of({t: Labels.from_mask(ids, names=["dog"]) for t in range(3)})
    for images in (None, "mix"):
        video = open_video(pattern)
        pixelkin.save_annotations(
            "o.json", found, "coco", video=video if images else video.info, images=images
        )
        names = [image["file_name"] for image in json.loads(Path("o.json").read_text())["images"]]
        assert names == ["0.png", "1.png", "2.png"]
    assert {p: p.read_bytes() for p in Path("mix").iterdir()} == before


@pytest.mark.parametrize("folder", ["odd", "odd [1]"])
def test_suffixes_of_any_case_and_folders_with_brackets(folder: str, place: Path) -> None:
    Path(folder).mkdir()
    for t in range(3):
        Image.fromarray(picture(t)).save(f"{folder}/{t}.Jpg", "JPEG")
    found = Annotations.of({1: Labels.from_mask(np.ones(SIZE, int), names=["dog"])})
    pixelkin.save_annotations("o.json", found, "coco", video=open_video(folder).info)
    (image,) = json.loads(Path("o.json").read_text())["images"]
    assert image["file_name"] == "1.Jpg"


def test_the_own_folder_of_a_video_takes_no_other_images(place: Path) -> None:
    own = Path("labeled-data/vid")
    own.mkdir(parents=True)
    for t in range(3):
        Image.fromarray(picture(t)).save(own / f"{t}.jpg", "JPEG")
    xy = np.array([[3, 4], [8.5, 9]])
    points = Labels.from_points(xy, SIZE, names=["a", "b"])
    table = own / "CollectedData_me.csv"
    with pytest.raises(InputError, match="the video's own folder"):
        pixelkin.save_annotations(
            table, Annotations.of({1: points}), video=open_video(own), images=own, scorer="me"
        )
    assert {p.name for p in own.iterdir()} == {"0.jpg", "1.jpg", "2.jpg"}
