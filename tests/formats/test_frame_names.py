"""Which frame a file of labels belongs to: never a guess."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from pixelkin.formats.frame_names import (
    first_apart,
    frame_called,
    frame_of,
    frames_called,
    object_name,
    spoken,
)
from pixelkin.types import InputError, VideoInfo


def folder(*names: str) -> VideoInfo:
    return VideoInfo("frames", 9, 7, len(names), names=names)


PLAIN = folder("frame_0", "frame_1", "frame_2", "frame_3", "frame_10")
PADDED = folder(*(f"{t:05d}" for t in range(0, 60, 5)))
CAMERA = folder("cam1_0007_left", "cam1_0008_left", "cam1_0009_left")
FILE = VideoInfo("v.mp4", 9, 7, 20)


@pytest.mark.parametrize(
    ("video", "name", "frame"),
    [
        (PLAIN, "frame_3", 3),
        (PLAIN, "frame_3_mask", 3),
        (PLAIN, "mask of frame_10", 4),
        (PLAIN, "Frame_0003", 3),
        (PLAIN, "3", 3),
        (PLAIN, "0010", 4),
        (PLAIN, "FRAME_1", 1),
        (PLAIN, "mask", None),
        (PADDED, "00010", 2),
        (PADDED, "10", 2),
        (PADDED, "v2_00010", 2),
        (CAMERA, "cam1_0008_left_mask", 1),
        (CAMERA, "mask8", 1),
        (FILE, "frame_3_mask", 3),
        (FILE, "00012", 12),
        (FILE, "first", None),
        (FILE, "mask_64x96", None),
        (FILE, "mask_v2", None),
        (FILE, "12_v3_480p", 12),
        (folder("v1", "v2"), "v2_mask", 1),
        (folder("a", "b"), "b", 1),
        (folder("a", "b"), "b_mask", 1),
        (folder("a", "b"), "about", None),
        (folder("shot", "shot_2"), "shot_2_mask", 1),
    ],
)
def test_names_are_found(video: VideoInfo, name: str, frame: int | None) -> None:
    assert frame_of(Path("masks", f"{name}.png"), video) == frame


def test_names_are_the_same_in_every_unicode_form() -> None:
    composed, decomposed = (unicodedata.normalize(f, "Prüfung") for f in ("NFC", "NFD"))
    assert composed != decomposed
    for one, other in ((composed, decomposed), (decomposed, composed)):
        video = folder(f"{one}a", f"{one}b")
        assert frame_of(Path(f"{other}b.png"), video) == 1
        assert frame_called(f"{other}b", video) == 1


@pytest.mark.parametrize(
    ("video", "name", "says"),
    [
        (PLAIN, "frame_4", "fits no frame of the video (frame_0 to frame_10)"),
        (PLAIN, "mask_2_of_3", "fits 2 frames, frame 2 (frame_2) and frame 3 (frame_3):"),
        (PLAIN, "0_1_2", "fits 3 frames, frame 0 (frame_0) and frame 1 (frame_1) among them"),
        (PADDED, "12", "fits no frame"),
        (FILE, "frame_20", "fits no frame of the video (frames 0 to 19)"),
        (FILE, "2_3", "fits 2 frames, frame 2 and frame 3"),
        (folder("a", "b"), "a b", "fits 2 frames"),
        (folder("a", "b"), "3", "fits no frame"),
    ],
)
def test_names_that_fit_none_or_several_are_refused(video: VideoInfo, name: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        frame_of(Path(f"{name}.png"), video)
    message = str(error.value)
    assert says in message and f"={name}.png" in message and "\n" not in message


@pytest.mark.parametrize(
    ("video", "word", "frame"),
    [
        (PADDED, "10", 2),
        (PADDED, "#10", 10),
        (PADDED, "00010", 2),
        (PLAIN, "10", 4),
        (PLAIN, " #1 ", 1),
        (PLAIN, "Frame_10", 4),
        (CAMERA, "8", 1),
        (FILE, "10", 10),
        (FILE, "#10", 10),
        (folder("a", "b"), "1", 1),
        (folder("a", "b"), "b", 1),
    ],
)
def test_words_of_the_command(video: VideoInfo, word: str, frame: int) -> None:
    assert frame_called(word, video) == frame


@pytest.mark.parametrize(
    ("video", "word", "says"),
    [
        (PADDED, "12", "no frame is named 12 (00000 to 00055); a position, counted from 0, is '#1"),
        (PADDED, "#12", "labels for frame 12, but the video has frames 0 to 11"),
        (FILE, "20", "frames 0 to 19"),
        (FILE, "-1", "labels for frame -1"),
        (FILE, "1.5", "no frame is named 1.5"),
        (folder("a", "A"), "a", "2 frames are named a"),
    ],
)
def test_words_that_mean_no_frame_are_refused(video: VideoInfo, word: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        frame_called(word, video)
    assert says in str(error.value)


def test_number_and_position_are_told_apart_in_words() -> None:
    assert spoken(2, PADDED) == "00010 (position 2, counted from 0)"
    assert spoken(3, PLAIN) == "frame 3 (frame_3)"
    assert spoken(4, PLAIN) == "frame_10 (position 4, counted from 0)"
    assert spoken(7, FILE) == "frame 7"
    assert spoken(1, folder("a", "b")) == "frame 1 (b)"


@pytest.mark.parametrize(
    ("video", "path", "stated", "name"),
    [
        (PLAIN, "frame_3_dog.png", False, "dog"),
        (PLAIN, "dog.frame_3.png", True, "dog"),
        (PADDED, "dog_15.png", False, "dog"),
        (PADDED, "dog_15.png", True, "dog_15"),
        (FILE, "3.dog.png", False, "dog"),
        (FILE, "dog/3.png", False, "dog"),
        (FILE, "left hand.png", True, "left_hand"),
        (FILE, "3.png", True, "3"),
    ],
)
def test_masks_of_one_object_name_it(video: VideoInfo, path: str, stated: bool, name: str) -> None:
    assert object_name(Path(path), video, 3, stated=stated) == name


@pytest.mark.parametrize(
    ("video", "frame"),
    [
        (PLAIN, 4),
        (PADDED, 1),
        (CAMERA, 0),
        (FILE, None),
        (folder("position_0", "position_1"), None),
        (folder("a", "b"), None),
    ],
)
def test_where_names_and_positions_part(video: VideoInfo, frame: int | None) -> None:
    assert first_apart(video) == frame


@pytest.mark.parametrize(
    ("video", "words", "frames"),
    [
        (FILE, "3", range(3, 4)),
        (FILE, " 0:20 ", range(20)),
        (FILE, "#3:5", range(3, 5)),
        (PADDED, "5:16", range(1, 4)),
        (PADDED, "#5:#7", range(5, 7)),
        (PADDED, "00055", range(11, 12)),
        (CAMERA, "cam1_0008_left", range(1, 2)),
        (CAMERA, "8:10", range(1, 3)),
        (CAMERA, "0:8", range(1)),  # what there is of them
        (folder("a", "b", "c"), "1:3", range(1, 3)),
        (folder("a", "b", "c"), "b", range(1, 2)),
        (folder("a2", "b1", "c3"), "1:3", range(2)),
    ],
)
def test_words_of_commands_mean_frames(video: VideoInfo, words: str, frames: range) -> None:
    assert frames_called(words, video) == frames


@pytest.mark.parametrize(
    ("video", "words", "message"),
    [
        (FILE, "first", "first: give a frame number, or FIRST:LAST, as in 0:20"),
        (FILE, "-1", "-1: give a frame number"),
        (FILE, "5:5", "no frame is named in 5:5"),
        (FILE, "18:23", "no frame 20: the video has frames 0 to 19"),
        (FILE, "30:40", "no frame 30: the video has frames 0 to 19"),
        (PADDED, "7", "no frame 7: the video has frames 0 to 55, not all of them"),
        (PADDED, "#12", "no frame #12: the video has positions 0 to 11"),
        (PADDED, "5:#7", "5:#7: give a frame number"),
        (folder("a1", "b3", "c2"), "1:3", "do not follow each other: give positions"),
    ],
)
def test_words_that_mean_no_frames(video: VideoInfo, words: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        frames_called(words, video)
