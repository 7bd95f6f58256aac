"""Labels and predictions: what they accept, and what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
)


def test_ids_of_any_integer_type_are_kept() -> None:
    for kind in (np.uint8, np.uint16, np.int64, np.uint64):
        labels = Labels.from_mask(np.array([[0, 7], [200, 7]], kind))
        assert labels.ids.dtype == np.int32
        assert labels.ids.tolist() == [[0, 7], [200, 7]]
        assert labels.present == labels.objects.ids == (7, 200) and labels.size == (2, 2)
    assert Labels.from_mask(np.eye(2, dtype=bool)).present == (1,)
    assert repr(labels) == "Labels(mask, size=2x2 (HxW), ids=[7, 200])"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((2, 2)), "integers"),
        (np.zeros((2, 2, 3), int), "H x W"),
        (np.full((2, 2), -1), "negative"),
        (np.full((2, 2), 2**31), "at most 2147483647, found 2147483648"),
        (np.full((2, 2), 2**40), "at most"),
    ],
)
def test_what_is_no_mask_is_named(ids: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Labels.from_mask(ids)


def test_what_are_no_points_is_named() -> None:
    for points, message in (
        ([[1, 2, 3]], "P x 2"),
        ([1, 2], "P x 2"),
        ([[np.inf, 2]], "finite"),
    ):
        with pytest.raises(InputError, match=message):
            Labels.from_points(np.array(points), (4, 4))
    with pytest.raises(InputError, match="1 names for 2 objects"):
        Labels.from_points(np.zeros((2, 2)), (4, 4), names=("nose",))


def test_the_lowest_object_speaks_for_the_frame() -> None:
    labels = Labels.from_points(np.array([[1, 2], [np.nan, np.nan]]), (4, 4))
    confidence = np.array([0.75, 0.25], np.float32)
    assert Prediction(3, labels, confidence).frame_confidence == 0.25
    with pytest.raises(ValueError, match="for 2 objects"):
        Prediction(3, labels, confidence[:1])


def test_objects_keep_their_ids_and_join() -> None:
    dog, cat = Object(1, name="dog"), Object(7, colour=(1, 2, 3))
    objects = Objects((cat, dog))
    assert objects.ids == (7, 1) and objects[1] is dog and 7 in objects and 2 not in objects
    more = Objects((Object(1, name="wolf", category="animal"), Object(2)))
    joined = objects.joined(more)
    assert joined.ids == (7, 1, 2)
    assert joined[1] == Object(1, name="dog", category="animal")  # the first word counts
    for table, message in (((dog, dog), "two objects have the id 1"), ((), "skeleton")):
        with pytest.raises(InputError, match=message):
            Objects(table, skeleton=((1, 2),))
    with pytest.raises(InputError, match="kinds mask and keypoints"):
        objects.joined(Objects((Object(1, "keypoints"),)))
    with pytest.raises(InputError, match="from 1 to"):
        Object(0)
    assert Object(0, "points").id == 0


def test_labels_are_of_one_of_two_forms() -> None:
    mask = Labels.from_mask(np.eye(2, dtype=int))
    points = Labels.from_points(np.zeros((2, 2)), (4, 4))
    assert isinstance(mask, MaskLabels) and isinstance(points, PointLabels)
    assert mask.as_map() is mask and points.as_points() is points
    with pytest.raises(ValueError, match="no map"):
        points.as_map()
    with pytest.raises(ValueError, match="not points"):
        mask.as_points()


def test_masks_and_keypoints_live_side_by_side() -> None:
    """The ids of points, which count from 0 in every file, make way for those of masks."""
    mask = Labels.from_mask(np.array([[0, 1], [0, 3]]))
    points = Labels.from_points(np.array([[0, 1], [1, 1]]), (2, 2), names=("nose", "tail"))
    both = Annotations.of({0: mask}).joined(Annotations.of({0: points, 4: points}))
    assert both.objects.ids == (1, 3, 4, 5)
    assert [o.name for o in both.objects] == [None, None, "nose", "tail"]
    assert [type(one) for one in both.frames[0]] == [MaskLabels, PointLabels]
    assert both.frames[4][0].objects.ids == (4, 5)
    assert np.array_equal(both.frames[0][0].as_map().ids, mask.ids)
    assert [(t, type(one)) for t, one in both] == [
        (0, MaskLabels),
        (0, PointLabels),
        (4, PointLabels),
    ]
    with pytest.raises(InputError, match="frame 0 has labels already"):
        both.joined(Annotations.of({0: mask}))
    assert Annotations.of({2: mask}).only() is mask
    with pytest.raises(InputError, match="labelled: 0, 4"):
        both.only()


def test_the_order_in_which_files_are_joined_does_not_matter() -> None:
    mask = Annotations.of({0: Labels.from_mask(np.array([[0, 1], [0, 2]]))})
    nose = [Annotations.of({t: Labels.from_points(np.zeros((2, 2)), (2, 2))}) for t in (0, 1)]
    for order in ((mask, *nose), (nose[0], mask, nose[1]), (*nose, mask)):
        joined = order[0].joined(order[1]).joined(order[2])
        assert joined.objects.ids == (1, 2, 3, 4)
        points = [one for labels in joined.frames.values() for one in labels if one.kind != "mask"]
        assert [one.objects.ids for one in points] == [(3, 4), (3, 4)]
    assert nose[0].joined(nose[1]).objects.ids == (0, 1)  # alone they keep their numbers


def test_what_the_table_says_of_an_object_counts_for_every_frame() -> None:
    mask = Labels.from_mask(np.array([[0, 1], [0, 2]]))
    table = Objects((Object(2, name="cat"), Object(1, name="dog", colour=(1, 2, 3)), Object(9)))
    annotations = Annotations(table, {0: (mask,), 5: (mask,)})
    for _, labels in annotations:
        assert labels.objects.ids == (1, 2)
        assert labels.objects[1] == table[1] and labels.objects[2] == table[2]
    with pytest.raises(InputError, match="frame 0 has the object 1, which is not listed"):
        Annotations(Objects((Object(2),)), {0: (mask,)})
    with pytest.raises(InputError, match="frame 3 is listed without labels"):
        Annotations(Objects(), {3: ()})


def test_details_follow_their_objects_when_annotations_are_joined() -> None:
    masks = Annotations.of({0: Labels.from_mask(np.array([[1, 2]]))})
    points = Annotations.of({0: Labels.from_points(np.zeros((2, 2)), (1, 2))})
    hidden, gone = Detail("occluded"), Detail("absent", 0.25, "propagated")
    masks, points = (replace(a, details={(0, 1): d}) for a, d in ((masks, hidden), (points, gone)))
    for joined in (masks.joined(points), points.joined(masks)):
        maps, points_ids = (joined.objects.of_maps(m).ids for m in (True, False))
        assert (maps, points_ids) == ((1, 2), (3, 4))
        assert joined.detail(0, 1) == hidden and joined.detail(0, 4) == gone
        assert joined.detail(0, 3) == joined.detail(7, 1) == Detail("present", None, "given")


def test_points_are_the_callers_no_more() -> None:
    """Nor are maps: what happens to an array later changes no labels."""
    given = np.array([[1, 2], [3, 4]], np.float32)
    labels = Labels.from_points(given, (8, 8))
    ids = np.eye(4, dtype=np.int32)
    mask = Labels.from_mask(ids)
    given[:], ids[:] = 7, 0
    assert labels.points.tolist() == [[1, 2], [3, 4]]
    assert mask.ids.tolist() == np.eye(4).tolist()


def test_ids_of_objects_are_plain_whole_numbers() -> None:
    for kind in (np.int64, np.uint8):
        found = Object(kind(7))
        assert type(found.id) is int and found == Object(7)
    for wrong in (True, 7.0, "7"):
        with pytest.raises(InputError, match="the id of an object is a whole number, not"):
            Object(wrong)  # type: ignore[arg-type]
