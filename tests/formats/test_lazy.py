"""Labels of long videos are made one frame at a time, in ascending order, when they are read."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.selecting import taken, within
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    Labels,
    LazyFrames,
    MaskLabels,
    Objects,
    PointLabels,
)

NEEDS = {"dlc_h5": "tables", "slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io"}
WRITTEN = [one for one in FORMATS if one.save and not one.one_frame]


class Watched:
    """Labels of frames that count what is asked for, and of which one frame is alive at a time."""

    def __init__(self, given: Annotations) -> None:
        self.asked: list[int] = []
        self._given = given

    def make(self, number: int) -> tuple[Labels, ...]:
        self.asked.append(number)
        return self._given.frames[number]

    def annotations(self) -> Annotations:
        numbers = sorted(self._given.frames, reverse=True)
        frames = LazyFrames(numbers, self.make)
        return Annotations(self._given.objects, frames, {}, self._given.details)


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
def test_writers_go_through_the_frames_once_in_order(tmp_path: Path, one: Format) -> None:
    if one.name == "nwb":
        pytest.skip("takes whole videos alone")
    if module := NEEDS.get(one.name):
        pytest.importorskip(module)
    table = cases.MASKS if "masks" not in one.loses else cases.POINTS
    watched = Watched(table["results"])
    save_annotations(tmp_path / f"a{one.suffix}", watched.annotations(), one.name, video=cases.FILE)
    assert watched.asked == sorted(table["results"].frames)


@pytest.mark.parametrize("name", ["coco", "ytvis", "burst", "npz", "cvat", "label_studio"])
def test_readers_hold_no_maps(tmp_path: Path, name: str) -> None:
    given = cases.MASKS["a hole"]
    path = tmp_path / ("a.xml" if name == "cvat" else "a.npz" if name == "npz" else "a.json")
    save_annotations(path, given, name, video=cases.FILE)
    found = load_annotations(path, cases.FILE)
    first, second = found.frames[0][0], found.frames[0][0]
    assert first is not second and not isinstance(found.frames, dict)
    np.testing.assert_array_equal(first.as_map().ids, second.as_map().ids)


def test_lazy_labels_join_others_and_stay_lazy() -> None:
    watched = Watched(cases.MASKS["a hole"])
    points = cases.POINTS["absent"]
    joined = watched.annotations().joined(points)
    assert watched.asked == [] and sorted(joined.frames) == [0, 4]
    maps, placed = joined.frames[4]
    assert isinstance(maps, MaskLabels) and isinstance(placed, PointLabels)
    assert placed.objects.ids == (2, 3, 4)
    assert joined.objects.ids == (1, *placed.objects.ids)


def test_lazy_labels_are_checked_when_they_are_read() -> None:
    given = cases.MASKS["a hole"]
    wrong = Annotations(Objects((cases.CAT,)), LazyFrames([0], lambda n: given.frames[n]))
    with pytest.raises(InputError, match="frame 0 has the object 1, which is not listed"):
        list(wrong)
    with pytest.raises(KeyError):
        wrong.frames[7]


def test_frames_are_chosen() -> None:
    given = cases.MASKS["results"]
    assert list(within(given, range(1, 9)).frames) == [1, 2]
    assert within(given, [2]).frames[2][0] is given.frames[2][0]


def test_labels_are_what_somebody_gave() -> None:
    """Frame 0: both; 1: a result; 2: two results. A map loses the pixels of its results."""
    given = cases.MASKS["results"]
    kept = taken(given, "labels")
    assert list(kept.frames) == [0]
    mixed = Annotations(given.objects, given.frames, {}, {(0, 1): Detail(origin="propagated")})
    kept = taken(mixed, "labels")
    assert list(kept.frames) == [0, 1, 2]
    labels = kept.frames[0][0].as_map()
    assert labels.objects.ids == (2,)
    np.testing.assert_array_equal(labels.ids, np.where(cases.PIECES == 2, 2, 0))
    points = taken(cases.POINTS["results"], "labels")
    assert list(points.frames) == [0]
    some = Annotations(
        cases.ONE, cases.POINTS["one body"].frames, {}, {(0, 1): Detail(origin="propagated")}
    )
    left = taken(some, "labels").frames[0][0].as_points()
    assert left.objects.names == ("nose", "ear")
    np.testing.assert_array_equal(left.points, [[0, 0], [3.25, 4.5]])


def test_all_as_predictions() -> None:
    kept = taken(cases.MASKS["results"], "predictions")
    assert list(kept.frames) == [0, 1, 2]
    assert kept.detail(0, 1) == Detail("present", 1.0, "propagated")
    assert kept.detail(0, 2) == Detail("occluded", 1.0, "propagated")
    assert kept.detail(1, 1) == Detail("present", 0.25, "propagated")
    assert taken(cases.MASKS["results"], "both") is cases.MASKS["results"]
