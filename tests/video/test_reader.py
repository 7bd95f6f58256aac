"""Folders of images, patterns, single images; what `open_video` refuses."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.types import InputError
from pixelkin.video.images import natural_key, read_image
from pixelkin.video.reader import open_video


def save(path: Path, value: int, size: tuple[int, int] = (6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)
    return path


def refusal(source: str | Path) -> str:
    with pytest.raises(InputError) as error:
        list(open_video(source).frames())
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (10, 2, 1, 0, 11):
        save(tmp_path / "frames" / f"frame{number}.png", number)
    return tmp_path / "frames"


def test_natural_order() -> None:
    names = ["f10.png", "f2.png", "F1.png", "f1b.png", "f01.png", "10/f1.png", "9/f3.png", "f.png"]
    ordered = sorted(map(Path, names), key=natural_key)
    expected = ["9/f3.png", "10/f1.png", "F1.png", "f01.png", "f1b.png", "f2.png", "f10.png"]
    assert [str(p) for p in ordered] == [*expected, "f.png"]


@pytest.mark.parametrize("pattern", ["", "*.png", "frame?*.png", "frame[0-9]*.png"])
def test_folder_and_patterns_in_natural_order(folder: Path, pattern: str) -> None:
    video = open_video(folder / pattern)
    assert video.names == ("frame0", "frame1", "frame2", "frame10", "frame11")
    assert [int(frame[0, 0, 0]) for frame in video] == [0, 1, 2, 10, 11]
    assert [int(frame[0, 0, 0]) for frame in video.frames(step=-1)] == [11, 10, 2, 1, 0]
    assert [int(frame[0, 0, 0]) for frame in video.frames(3, 0, -2)] == [10, 1]
    assert int(video[-1][0, 0, 0]) == 11
    assert (video.info.height, video.info.width, video.info.frames) == (6, 8, 5)
    assert video.info.fps is None
    with pytest.raises(IndexError):
        video[5]


def test_patterns_may_be_relative_and_recursive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "b" / "2.png", 2)
    save(tmp_path / "a" / "1.jpg", 1)
    monkeypatch.chdir(tmp_path)
    assert open_video("*/*").names == ("1", "2")
    assert open_video("**/2.*").names == ("2",)


def test_names_with_pattern_characters_are_taken_literally(tmp_path: Path) -> None:
    save(tmp_path / "clip [1]" / "0.png", 5)
    assert int(open_video(tmp_path / "clip [1]")[0][0, 0, 0]) == 5


def test_patterns_below_a_folder_with_pattern_characters(tmp_path: Path) -> None:
    save(tmp_path / "clip [1]" / "0.png", 5)
    save(tmp_path / "clip 1" / "0.png", 9)
    assert int(open_video(tmp_path / "clip [1]" / "*.png")[0][0, 0, 0]) == 5
    assert int(open_video(tmp_path / "clip [[]1]" / "*.png")[0][0, 0, 0]) == 5
    assert int(open_video(tmp_path / "clip [0-9]" / "*.png")[0][0, 0, 0]) == 9


def test_what_is_no_file_among_the_frames_is_named(folder: Path) -> None:
    (folder / "frame3.png").symlink_to("gone.png")
    os.mkfifo(folder / "frame4.png")
    video = open_video(folder)
    assert len(video) == 5 and "frame3.png and 1 more are left out" in str(video.note)
    with pytest.raises(InputError, match="a pipe or a device"):
        open_video(folder / "frame4.png")


def test_one_image_is_a_video_of_one_frame(folder: Path) -> None:
    video = open_video(folder / "frame10.png")
    assert (len(video), video.names) == (1, ("frame10",))


def test_other_files_in_the_folder_do_not_matter(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    (folder / "._frame3.png").write_text("x")
    (folder / "sub.png").mkdir()
    assert len(open_video(folder)) == 5


def test_frames_are_read_lazily(folder: Path) -> None:
    broken = folder / "frame10.png"
    broken.write_bytes(broken.read_bytes()[:40])
    assert len(list(islice(open_video(folder).frames(), 3))) == 3
    assert str(broken) in refusal(folder)


GREY16 = np.array([[0, 255, 256, 65535]], np.uint16)
PIXELS = {
    "grey": (Image.fromarray(np.array([[7, 200]], np.uint8)), [[7] * 3, [200] * 3]),
    "bits": (Image.fromarray(np.array([[False, True]])), [[0] * 3, [255] * 3]),
    "grey16": (Image.fromarray(GREY16), [[0] * 3, [0] * 3, [1] * 3, [255] * 3]),
    "rgba": (Image.fromarray(np.array([[[1, 2, 3, 0], [4, 5, 6, 99]]], np.uint8)), None),
    "grey_alpha": (Image.fromarray(np.array([[[9, 0], [8, 255]]], np.uint8)), [[9] * 3, [8] * 3]),
}


@pytest.mark.parametrize("mode", PIXELS)
def test_images_become_rgb(mode: str, tmp_path: Path) -> None:
    image, expected = PIXELS[mode]
    image.save(tmp_path / "0.png")
    frame = open_video(tmp_path)[0]
    assert frame.dtype == np.uint8
    assert frame[0].tolist() == (expected or [[1, 2, 3], [4, 5, 6]])


def test_palette_images_become_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.save(tmp_path / "0.png")
    assert read_image(tmp_path / "0.png")[0].tolist() == [[1, 2, 3], [40, 50, 60]]


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    Image.fromarray(pixels).save(tmp_path / "0.png", exif=exif)
    np.testing.assert_array_equal(open_video(tmp_path)[0], np.rot90(pixels, -1))


def test_frames_of_other_sizes(folder: Path) -> None:
    save(folder / "frame12.png", 12, size=(6, 9))
    message = refusal(folder)
    assert all(part in message for part in ("frame12", "9x6", "8x6", str(folder)))


def test_frames_of_the_same_name(folder: Path) -> None:
    save(folder / "frame2.jpg", 2)
    message = refusal(folder)
    assert "frame2.png" in message and "frame2.jpg" in message and "*.png" in message


def test_what_is_no_video(tmp_path: Path) -> None:
    assert str(tmp_path / "gone.mp4") in refusal(tmp_path / "gone.mp4")
    assert str(tmp_path / "*.png") in refusal(tmp_path / "*.png")
    (tmp_path / "empty").mkdir()
    assert "no images" in refusal(tmp_path / "empty") and "empty" in refusal(tmp_path / "empty")
    (tmp_path / "a.txt").write_text("x")
    assert "a.txt" in refusal(tmp_path / "a.*")
    (tmp_path / "0.png").write_text("not an image")
    assert "0.png is not an image" in refusal(tmp_path / "0.png")


def test_davis_folders(shared: Path) -> None:
    video = open_video(shared / "data/davis2016/JPEGImages/480p/dog")
    assert (len(video), video.info.width, video.info.height) == (60, 854, 480)
    assert video.names is not None
    assert video.names[:2] == ("00000", "00001") and video.names[-1] == "00059"
