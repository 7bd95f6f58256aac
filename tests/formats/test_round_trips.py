"""What a format keeps comes back from it, and what it loses is what it says."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.losses import FEATURES
from pixelkin.formats.registry import load_annotations, recognise, save_annotations
from pixelkin.types import Annotations, InputError, Labels, VideoInfo

WRITTEN = [f for f in FORMATS if f.save is not None and not f.one_frame]
NEEDS = {"slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io", "dlc_h5": "tables"}
PARTLY = {"yolo": ("occluded",)}  # of masks alone
TRIPS = [
    pytest.param(one, case, annotations, id=f"{one.name}, {case}")
    for what, table in (("masks", cases.MASKS), ("points", cases.POINTS))
    for one in WRITTEN
    if what not in one.loses
    for case, annotations in table.items()
]


@pytest.mark.parametrize("video", [cases.FILE, cases.FOLDER], ids=["file", "folder"])
@pytest.mark.parametrize(("one", "case", "annotations"), TRIPS)
def test_what_a_format_keeps_comes_back(
    tmp_path: Path, one: Format, case: str, annotations: Annotations, video: VideoInfo
) -> None:
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    if one.name == "nwb":
        pytest.skip("takes whole videos alone")
    path = tmp_path / f"dog{one.suffix}"
    lost = save_annotations(path, annotations, one.name, video=video)
    assert recognise(path) == one
    found = load_annotations(path, video)
    assert not cases.differences(annotations, found, one.loses)
    words = {FEATURES[feature] for feature in (*one.loses, *PARTLY.get(one.name, ()))}
    assert all(any(word in line for word in words) for line in lost)
    again = tmp_path / f"again/dog{one.suffix}"
    more = set(save_annotations(again, found, one.name, video=video)) - set(lost)
    assert all(FEATURES["gone"] in line for line in more)  # where all came back as results


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_what_is_lost_is_among_the_features(one: Format) -> None:
    assert set(one.loses) <= FEATURES.keys()


def unseen(points: bool) -> Annotations:
    """The dog, or the nose, in some frames; the cat, or the tail, in none."""
    if not points:
        return cases.of_maps({0: cases.HOLE, 3: cases.HOLE}, (cases.DOG, cases.CAT))
    xy = np.array([[1.5, 2], [np.nan, np.nan]])
    one = Labels.from_points(xy, cases.SIZE, names=["dog", "cat"])
    return Annotations.of({0: one, 3: one})


@pytest.mark.parametrize("points", [False, True], ids=["masks", "points"])
@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
def test_what_no_frame_shows_is_kept_or_said_to_be_lost(
    tmp_path: Path, one: Format, points: bool
) -> None:
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    if one.name == "nwb" or ("points" if points else "masks") in one.loses:
        pytest.skip("not what it takes")
    path, given = tmp_path / f"dog{one.suffix}", unseen(points)
    lost = save_annotations(path, given, one.name, video=cases.FILE)
    found = load_annotations(path, cases.FILE, one.name)
    said = any("no frame shows" in line for line in lost)
    assert said == (len(found.objects) == 1)
    assert len(found.objects) == 1 or found.objects.ids == given.objects.ids


def many(count: int) -> Annotations:
    """One frame, of 20 x 30, with so many objects of one pixel."""
    ids = np.zeros((20, 30), np.int32)
    ids.flat[:count] = np.arange(1, count + 1)
    labels = Labels.from_mask(ids, names=[f"o{i}" for i in range(count)])
    return Annotations.of({0: labels})


@pytest.mark.parametrize("name", ["coco", "ytvis", "burst", "npz", "png", "cvat", "label_studio"])
def test_three_hundred_objects_in_a_video_of_one_frame(tmp_path: Path, name: str) -> None:
    (one,) = (f for f in FORMATS if f.name == name)
    labels, path = many(300), tmp_path / f"a{one.suffix}"
    save_annotations(path, labels, name)
    video = VideoInfo("a.mp4", 30, 20, 1)
    for found in (load_annotations(path, video), load_annotations(path, None)):
        assert not cases.differences(labels, found, one.loses)


@pytest.mark.parametrize("name", ["davis", "youtube_vos"])
def test_trees_of_palettes_have_room_for_254_objects(tmp_path: Path, name: str) -> None:
    save_annotations(tmp_path / "a", many(254), name)
    assert len(load_annotations(tmp_path / "a", None).objects) == 254
    with pytest.raises(InputError, match=r"the ids 1 to 254, there is 255: write npz or coco"):
        save_annotations(tmp_path / "b", many(300), name)
    assert not (tmp_path / "b").exists()


MASKS = hnp.arrays(np.int32, (7, 9), elements=st.integers(0, 3)).filter(lambda ids: ids.any())


@pytest.mark.parametrize(
    "name", ["coco", "ytvis", "burst", "npz", "cvat", "label_studio", "labelme"]
)
@settings(max_examples=15, deadline=None)
@given(ids=MASKS)
def test_any_map_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, ids: NDArray[np.int32]
) -> None:
    (one,) = (f for f in FORMATS if f.name == name)
    path = tmp_path_factory.mktemp("a") / f"a{one.suffix}"
    save_annotations(path, Annotations.of({2: Labels.from_mask(ids)}), name)
    found = load_annotations(path, VideoInfo("a.mp4", 9, 7, 3))
    np.testing.assert_array_equal(found.frames[2][0].as_map().ids, ids)
