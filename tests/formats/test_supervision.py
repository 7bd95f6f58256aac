"""What supervision is given; `tests/interop` asks supervision itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import pytest
from numpy.typing import NDArray

import pixelkin
from pixelkin.types import InputError, Labels, Objects, Prediction


@dataclass
class Detections:
    """The fields of the class of this name."""

    xyxy: NDArray[Any]
    mask: NDArray[Any]
    confidence: NDArray[Any]
    class_id: NDArray[Any]
    tracker_id: NDArray[Any]
    data: dict[str, NDArray[Any]]

    def __post_init__(self) -> None:
        count = len(self.xyxy)
        assert self.xyxy.shape == (count, 4)
        assert self.mask.shape == (count, *cases.SIZE) and self.mask.dtype == bool
        for values in (self.confidence, self.class_id, self.tracker_id, *self.data.values()):
            assert values.shape == (count,)


def corners(masks: NDArray[Any]) -> NDArray[Any]:
    found = [[x.min(), y.min(), x.max(), y.max()] for y, x in map(np.nonzero, masks)]
    return np.array(found).reshape(-1, 4)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(Detections=Detections, mask_to_xyxy=corners)
    monkeypatch.setitem(sys.modules, "supervision", stand_in)


@pytest.mark.usefixtures("installed")
def test_the_objects_that_a_frame_shows() -> None:
    """Of three that are followed, which keep their numbers and classes."""
    ids = cases.squares((7, 2, 3, 4, 5), (3, 8, 0, 1, 2))
    labels = Labels.from_mask(ids, names=["cat", "dog"])
    table = Objects((cases.DOG, *labels.objects))
    shown = pixelkin.MaskLabels("mask", table, labels.ids)
    found = pixelkin.to_supervision(Prediction(4, shown, np.array([0, 0.25, 0.5], np.float32)))
    assert found.tracker_id.tolist() == [3, 7] and found.confidence.tolist() == [0.25, 0.5]
    assert found.data["class_name"].tolist() == ["cat", "dog"]
    assert found.class_id.tolist() == [1, 0]  # both dogs are of class 0
    assert found.xyxy.tolist() == [[0, 8, 1, 8], [3, 2, 7, 5]]
    np.testing.assert_array_equal(found.mask, [ids == 3, ids == 7])
    alone = pixelkin.to_supervision(labels)
    assert alone.class_id.tolist() == [0, 1] and alone.confidence.tolist() == [1, 1]
    again = pixelkin.to_supervision(labels, objects=table)
    assert again.class_id.tolist() == [1, 0]


@pytest.mark.usefixtures("installed")
def test_an_empty_frame_and_points() -> None:
    empty = Labels.from_mask(np.zeros(cases.SIZE, int))
    assert pixelkin.to_supervision(empty).mask.shape == (0, *cases.SIZE)
    with pytest.raises(InputError, match="these labels are keypoints"):
        pixelkin.to_supervision(Labels.from_points(np.zeros((1, 2)), cases.SIZE))


def test_without_supervision_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match="needs supervision: pip install supervision"):
        pixelkin.to_supervision(Labels.from_mask(np.ones((2, 2), int)))
