"""Several files of labels: one object in all of them, as people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelkin.formats.label_files import LabelFile, load_label_files
from pixelkin.formats.mask_png import write_mask
from pixelkin.formats.points_json import save_points
from pixelkin.formats.registry import save_annotations
from pixelkin.types import Annotations, InputError, Labels, MaskLabels, VideoInfo

HEIGHT, WIDTH = 40, 60
VIDEO = VideoInfo("v.mp4", WIDTH, HEIGHT, 9)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PLACES = (np.s_[4:16, 4:20], np.s_[20:36, 10:30], np.s_[8:30, 36:54])


def areas(*values: object) -> NDArray[np.uint8]:
    """Values in fixed places, as many as there are; None leaves its place out."""
    shape = np.shape(next(v for v in values if v is not None))
    image = np.zeros((HEIGHT, WIDTH, *shape), np.uint8)
    for place, value in zip(PLACES, values, strict=False):
        if value is not None:
            image[place] = value
    return image


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def read(*files: LabelFile, video: VideoInfo = VIDEO) -> dict[int, MaskLabels]:
    return {t: one.as_map() for t, one in load_label_files(files, video).annotations}


def ids_at(labels: MaskLabels) -> list[int]:
    """The id in the middle of each place."""
    return [int(labels.ids[y.start + 5, x.start + 5]) for y, x in PLACES]


def test_a_colour_is_one_object_in_all_keyframes(tmp_path: Path) -> None:
    first = save(tmp_path / "0.png", areas(RED, GREEN, BLUE))
    later = save(tmp_path / "3.png", areas(RED, GREEN, None))
    more = save(tmp_path / "6.png", areas((9, 9, 9), GREEN, (1, 200, 0)))
    for files in ((first, later, more), (more, later, first)):
        found = read(*(LabelFile(f) for f in files))
        assert ids_at(found[0]) == [3, 2, 1]  # as `read_mask` numbers one file alone
        assert ids_at(found[3]) == [3, 2, 0]
        assert ids_at(found[6]) == [5, 2, 4]
        assert found[3].objects[3].colour == RED


def test_a_grey_level_is_one_object_in_all_keyframes(tmp_path: Path) -> None:
    save(tmp_path / "0.png", areas(85, 170, 255))
    save(tmp_path / "3.png", areas(None, 170, 85))
    save(tmp_path / "5.png", areas(None, None, 255))  # alone it would be object 1
    found = read(LabelFile(tmp_path))
    assert [ids_at(found[t]) for t in (0, 3, 5)] == [[1, 2, 3], [0, 2, 1], [0, 0, 3]]


def test_colours_are_those_of_a_palette_that_states_ids(tmp_path: Path) -> None:
    """A run's own masks, corrected in a program that stores colours."""
    own = areas(1, 7, 2)
    write_mask(tmp_path / "0.png", Labels.from_mask(own))
    with Image.open(tmp_path / "0.png") as image:
        colours = np.asarray(image.convert("RGB")).copy()
    colours[PLACES[0]] = 0
    save(tmp_path / "4.png", colours)
    save(tmp_path / "5.png", areas((10, 20, 30), None, None))
    found = read(LabelFile(tmp_path))
    assert ids_at(found[0]) == [1, 7, 2] and ids_at(found[4]) == [0, 7, 2]
    assert ids_at(found[5]) == [3, 0, 0]


@pytest.mark.parametrize("level", [255, 1, 128])
@pytest.mark.parametrize("together", ["files", "folder"])
def test_masks_of_one_object_each_become_one_map(tmp_path: Path, level: int, together: str) -> None:
    names = ("cat", "dog", "owl")
    paths = [
        save(
            tmp_path / f"objects/{name}.png", areas(*(level if n == k else None for n in range(3)))
        )
        for k, name in enumerate(names)
    ]
    files = [LabelFile(p, 2) for p in paths]
    labelled = load_label_files(
        files if together == "files" else [LabelFile(tmp_path / "objects", 2)], VIDEO
    )
    (t, labels), *rest = labelled.annotations
    assert (t, rest) == (2, []) and ids_at(labels.as_map()) == [1, 2, 3]
    assert labels.objects.names == names
    (said,) = labelled.said
    assert "cat.png, " in said and said.endswith("for frame 2 (1 is cat, 2 is dog, 3 is owl)")


def test_a_name_is_one_object_in_all_keyframes(tmp_path: Path) -> None:
    save(tmp_path / "frame_0_cat.png", areas(255, None, None))
    save(tmp_path / "frame_0_dog.png", areas(None, 255, None))
    save(tmp_path / "frame_4_dog.png", areas(None, None, 255))
    found = read(LabelFile(tmp_path))
    assert ids_at(found[0]) == [1, 2, 0] and ids_at(found[4]) == [0, 0, 2]
    save(tmp_path / "frame_6_mask.png", areas(255, None, None))
    with pytest.raises(
        InputError, match=r"frame_6_mask.png is of one object, but its name says no"
    ):
        read(LabelFile(tmp_path))


def test_names_that_are_numbers_are_ids_and_so_are_stated_ids(tmp_path: Path) -> None:
    for k, n in enumerate((3, 12)):
        save(tmp_path / f"a/{n}.png", areas(*(255 if k == i else None for i in range(3))))
        save(tmp_path / f"b/x{n}.png", areas(*(n if k == i else None for i in range(3))))
    assert ids_at(read(LabelFile(tmp_path / "a", 0))[0]) == [3, 12, 0]
    assert ids_at(read(LabelFile(tmp_path / "b", 0))[0]) == [3, 12, 0]


def test_colours_tell_masks_of_one_object_apart(tmp_path: Path) -> None:
    save(tmp_path / "a.png", areas(RED, None, None))
    save(tmp_path / "b.png", areas(None, BLUE, None))
    (labels,) = read(LabelFile(tmp_path)).values()
    assert ids_at(labels) == [1, 2, 0]
    assert [o.colour for o in labels.objects] == [RED, BLUE]


def test_the_smaller_of_overlapping_objects_is_in_front(tmp_path: Path) -> None:
    body, hand = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    body[5:35, 5:50], hand[10:20, 10:20] = 255, 255
    save(tmp_path / "a_hand.png", hand)
    save(tmp_path / "body.png", body)
    labelled = load_label_files([LabelFile(tmp_path)], VIDEO)
    labels = labelled.annotations.only().as_map()
    np.testing.assert_array_equal(labels.ids, np.where(hand, 1, np.where(body, 2, 0)))
    assert "100 pixels are in several: the smaller object has them" in labelled.said[0]
    save(tmp_path / "copy.png", hand)
    with pytest.raises(InputError, match="a_hand is hidden by the masks of other objects"):
        read(LabelFile(tmp_path))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    whole, one = areas(1, 2, None), areas(None, None, 255)
    save(tmp_path / "a.png", whole)
    save(tmp_path / "b.png", one)
    with pytest.raises(InputError, match="are both of frame 0: give one map"):
        read(LabelFile(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no file of labels"):
        read(LabelFile(tmp_path / "empty"))
    with pytest.raises(InputError, match="no such labels file"):
        read(LabelFile(tmp_path / "gone.png"))
    save(tmp_path / "small.png", whole[:20])
    with pytest.raises(InputError, match="60x20, the video is 60x40"):
        read(LabelFile(tmp_path / "small.png"))


def test_which_file_labels_which_frame_is_said(tmp_path: Path) -> None:
    save(tmp_path / "mask.png", areas(1, 2, None))
    save(tmp_path / "frame_3.png", areas(1, 2, None))
    points = Labels.from_points(np.array([[3.0, 4]]), (HEIGHT, WIDTH))
    save_points(tmp_path / "points.json", points)
    files = [LabelFile(tmp_path / n) for n in ("frame_3.png", "mask.png", "points.json")]
    said = load_label_files(files, VIDEO).said
    first = "for frame 0, the first: no number in the name says another"
    assert [s.rpartition("/")[2] for s in said] == [
        f"points.json {first}",
        f"mask.png {first}",
        "frame_3.png for frame 3",
    ]


def test_a_folder_holds_masks_of_many_frames_in_natural_order(tmp_path: Path) -> None:
    for t in (0, 2, 8):
        save(tmp_path / f"m{t}.png", areas(1, 2, None))
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no labels")
    assert list(read(LabelFile(tmp_path))) == [0, 2, 8]


def test_which_object_a_mask_of_two_levels_corrects_is_not_guessed(tmp_path: Path) -> None:
    first = save(tmp_path / "first.png", areas(1, 2, None))
    fix = save(tmp_path / "fix.png", areas(None, None, 255))
    with pytest.raises(InputError, match=r"says not which one of 1, 2: give it that name, or the"):
        read(LabelFile(first, 0), LabelFile(fix, 3))
    found = read(LabelFile(first, 0), LabelFile(fix.rename(tmp_path / "2.png"), 3))
    assert ids_at(found[3]) == [0, 0, 2]
    alone = save(tmp_path / "alone.png", areas(1, None, None))
    found = read(LabelFile(alone, 0), LabelFile(tmp_path / "2.png", 3))
    assert ids_at(found[3]) == [0, 0, 1]


@pytest.mark.parametrize("name", ["yolo", "labelme", "davis", "youtube_vos"])
def test_a_folder_that_is_a_format_is_read_as_one(tmp_path: Path, name: str) -> None:
    labels = Labels.from_mask(areas(1, 2, None), names=["dog", "cat"])
    save_annotations(tmp_path / "a", Annotations.of({3: labels}), name, video=VIDEO)
    found = load_label_files([LabelFile(tmp_path / "a")], VIDEO)
    assert found.said[0].startswith(f"{tmp_path / 'a'} for frame 3")
    for i, label in ((1, "dog"), (2, "cat")):
        maps = found.annotations.frames[3][0].as_map()
        np.testing.assert_array_equal(
            maps.ids == next(o.id for o in found.annotations.objects if o.name == label),
            labels.ids == i,
        )
