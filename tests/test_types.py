"""Labels and predictions: what they accept, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from pixelkin.types import InputError, Labels, Prediction


def test_ids_of_any_integer_type_are_kept() -> None:
    for kind in (np.uint8, np.uint16, np.int64, np.uint64):
        labels = Labels.from_mask(np.array([[0, 7], [200, 7]], kind))
        assert labels.ids is not None and labels.ids.dtype == np.int32
        assert labels.ids.tolist() == [[0, 7], [200, 7]]
        assert labels.objects == (7, 200) and labels.size == (2, 2)
    assert Labels.from_mask(np.eye(2, dtype=bool)).objects == (1,)
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
    assert Prediction(3, labels, (0, 1), confidence).frame_confidence == 0.25
    with pytest.raises(ValueError, match="for 2 objects"):
        Prediction(3, labels, (0, 1), confidence[:1])
