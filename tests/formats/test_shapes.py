"""Masks as polygons and boxes, and a keypoint on a one-pixel mask, which stay together."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.writing import Shapes
from pixelkin.types import (
    Annotations,
    InputError,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
)

SHAPED = [one for one in FORMATS if "boxes" in one.shapes]


@pytest.mark.parametrize("shapes", ["polygons", "boxes"])
@pytest.mark.parametrize("one", SHAPED, ids=lambda one: one.name)
def test_whole_rectangles_survive_as_any_shape(tmp_path: Path, one: Format, shapes: Shapes) -> None:
    first = cases.squares((1, 2, 2, 3, 3), (2, 6, 6, 4, 9))
    given = cases.of_maps(
        {0: first, 1: cases.squares((2, 0, 0, 1, 1)), 4: first}, (cases.DOG, cases.CAT)
    )
    path = tmp_path / f"a{one.suffix}"
    save_annotations(path, given, one.name, video=cases.FILE, shapes=shapes)
    found = load_annotations(path, cases.FILE)
    assert not cases.differences(given, found, one.loses)


@pytest.mark.parametrize("one", SHAPED, ids=lambda one: one.name)
def test_what_polygons_and_boxes_lose_is_said(tmp_path: Path, one: Format) -> None:
    path = tmp_path / f"a{one.suffix}"
    for ids, shapes, words in (
        (cases.HOLE, "polygons", "keep holes: 1"),
        (cases.PIECES, "polygons", "keep pieces beside the largest one: 1"),
        (cases.HOLE, "boxes", "keep more of a mask than its box: 1"),
    ):
        given = cases.of_maps({0: ids}, (cases.DOG, cases.CAT))
        lost = save_annotations(path, given, one.name, video=cases.FILE, shapes=shapes)
        assert any(words in line for line in lost), lost
        found = load_annotations(path, cases.FILE).frames[0][0].as_map().ids
        largest = {"keep holes: 1": 30, "keep more of a mask than its box: 1": 30}.get(words, 16)
        assert (found == 1).sum() == largest


def test_shapes_that_a_format_has_not_are_an_error(tmp_path: Path) -> None:
    given = cases.MASKS["a hole"]
    with pytest.raises(InputError, match="coco has no boxes: it writes masks or polygons"):
        save_annotations(tmp_path / "a.json", given, "coco", shapes="boxes")
    with pytest.raises(InputError, match="yolo has no boxes: it writes polygons"):
        save_annotations(tmp_path / "a", given, "yolo", shapes="boxes")


BOTH = [
    one
    for one in FORMATS
    if one.save and not one.one_frame and not {"masks", "points"} & {*one.loses}
]
SPOTS = [(0, 0), (15, 11), (7, 5)]


def spot(x: int, y: int) -> Annotations:
    """A mask of one pixel, and a keypoint in its centre."""
    ids = np.zeros(cases.SIZE, np.int32)
    ids[y, x] = 1
    maps = MaskLabels("mask", Objects((Object(1, name="spot"),)), ids)
    tip = Objects((Object(2, "keypoints", name="tip"),))
    points = PointLabels("keypoints", tip, np.array([[x, y]], np.float32), cases.SIZE)
    return Annotations(maps.objects.joined(tip), {3: (maps, points)})


WAYS = [  # YOLO holds one of both at a time: below
    pytest.param(one, shapes, id=f"{one.name}, {shapes}")
    for one in BOTH
    if one.name != "yolo"
    for shapes in one.shapes
]


@pytest.mark.parametrize(("x", "y"), SPOTS)
@pytest.mark.parametrize(("one", "shapes"), WAYS)
def test_a_keypoint_stays_on_its_pixel(
    tmp_path: Path, one: Format, shapes: Shapes, x: int, y: int
) -> None:
    path = tmp_path / f"a{one.suffix}"
    save_annotations(path, spot(x, y), one.name, video=cases.FILE, shapes=shapes)
    found = load_annotations(path, cases.FILE)
    maps, points = found.frames[3]
    assert np.argwhere(maps.as_map().ids).tolist() == [[y, x]]
    np.testing.assert_allclose(points.as_points().points, [[x, y]], atol=1e-4)
    assert found.objects.of_maps(True).names == ("spot",)
    assert found.objects.of_maps(False).names == ("tip",)


@pytest.mark.parametrize(("x", "y"), SPOTS)
def test_yolo_keeps_the_corner_of_pixels(tmp_path: Path, x: int, y: int) -> None:
    both = spot(x, y)
    with pytest.raises(InputError, match="either masks or keypoints"):
        save_annotations(tmp_path / "both", both, "yolo")
    maps, points = both.frames[3]
    for labels in (maps, points):
        one = replace(both, frames={3: (labels,)}, objects=both.objects.described(labels.objects))
        save_annotations(tmp_path / labels.kind, one, "yolo", video=cases.FILE)
    text = (tmp_path / "keypoints/labels/frame_000003.txt").read_text().split()
    assert [float(v) for v in text[5:7]] == pytest.approx([(x + 0.5) / 16, (y + 0.5) / 12])
    found = load_annotations(tmp_path / "mask", cases.FILE).frames[3][0]
    assert np.argwhere(found.as_map().ids).tolist() == [[y, x]]


def test_places_in_files_are_those_of_the_tools(tmp_path: Path) -> None:
    """Where a format counts from the corner of the first pixel, and where from its centre."""
    given = spot(7, 5)
    paths = {name: tmp_path / f"a.{name}" for name in ("coco", "cvat", "label_studio")}
    for name, path in paths.items():
        save_annotations(path, given, name, video=cases.FILE)
    assert '"keypoints": [7.0, 5.0, 2]' in paths["coco"].read_text()
    assert 'points="7.5,5.5"' in paths["cvat"].read_text()
    assert 'left="7" top="5" width="1" height="1"' in paths["cvat"].read_text()
    assert '"x": 46.875, "y": 45.8333333' in paths["label_studio"].read_text()
    save_annotations(tmp_path / "lm", given, "labelme", video=cases.FILE)
    text = (tmp_path / "lm/00003.json").read_text()
    assert '"points": [[7, 5], [7, 5]]' in text and '"points": [[7.5, 5.5]]' in text


def test_where_tracks_pause_and_end(tmp_path: Path) -> None:
    """A square in frames 0, 2 and 4, said to be absent from 3; the cat is there all the time."""
    cat = cases.squares((2, 6, 6, 4, 9))
    both = cases.squares((1, 2, 2, 3, 3), (2, 6, 6, 4, 9))
    objects = Objects((cases.DOG, cases.CAT))
    frames: dict[int, tuple[Labels, ...]] = {
        t: (MaskLabels("mask", objects, ids.astype(np.int32)),)
        for t, ids in ((0, both), (2, both), (3, cat), (4, both))
    }
    given = Annotations(objects, frames)
    save_annotations(tmp_path / "a.json", given, "label_studio", video=cases.FILE, shapes="boxes")
    task = json.loads((tmp_path / "a.json").read_text())[0]
    dog, other = (r["value"]["sequence"] for r in task["annotations"][0]["result"])
    assert [(k["frame"], k["enabled"]) for k in dog] == [(1, True), (3, False), (5, False)]
    assert [(k["frame"], k["enabled"]) for k in other] == [
        (1, True), (3, True), (4, True), (5, False),
    ]  # fmt: skip
    assert dog[1]["time"] == pytest.approx(3 / 25)
    save_annotations(tmp_path / "a.xml", given, video=cases.FILE, shapes="polygons")
    tracks = ET.parse(tmp_path / "a.xml").getroot().findall("track")
    shown = [[(s.attrib["frame"], s.attrib["outside"]) for s in track] for track in tracks]
    assert shown == [
        [("0", "0"), ("2", "0"), ("3", "1"), ("4", "0"), ("5", "1")],
        [("0", "0"), ("2", "0"), ("3", "0"), ("4", "0"), ("5", "1")],
    ]
    for name in ("a.json", "a.xml"):
        assert sorted(load_annotations(tmp_path / name, cases.FILE).frames) == [0, 2, 3, 4]
