"""Files as other tools write them, and with what only others write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from numpy.typing import NDArray

from pixelkin.formats.registry import load_annotations, recognise
from pixelkin.ops import brush, rle
from pixelkin.types import InputError, VideoInfo

SQUARE = cases.squares((1, 1, 2, 3, 3)) > 0
RING = [[2, 1], [5, 1], [5, 4], [2, 4]]


def shown(path: Path, number: int = 0, video: VideoInfo = cases.FILE) -> NDArray[np.int32]:
    """The map of a frame, as a file has it."""
    return load_annotations(path, video).frames[number][0].as_map().ids


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {
        "images": [
            {"id": 8 + n, "file_name": f"x/frame_{n:06d}.PNG", "width": 16, "height": 12}
            for n in range(3)
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": 8, "category_id": 3, "iscrowd": 0, **a}
            for n, a in enumerate(annotations)
        ],
    }


def test_coco_polygons_lists_and_boxes(tmp_path: Path) -> None:
    flat = np.ravel(RING).tolist()
    for name, entry in {
        "a polygon": {"segmentation": [flat]},
        "two that overlap": {"segmentation": [flat, flat]},  # a union, not a hole
        "a list": {"segmentation": rle.encode(SQUARE)},
        "a box": {"segmentation": [], "bbox": [2, 1, 3, 3]},
    }.items():
        path = write(tmp_path / "a.json", coco(entry))
        np.testing.assert_array_equal(shown(path), SQUARE, name)
    assert "boxes without a mask" in " ".join(load_annotations(path, cases.FILE).notes)


def test_who_is_who_in_coco(tmp_path: Path) -> None:
    mask = {"segmentation": rle.encode(SQUARE)}
    tracks = [  # CVAT counts tracks from 0
        {**mask, "attributes": {"track_id": 0, "occluded": True}},
        {**mask, "image_id": 9, "attributes": {"track_id": 0, "occluded": False}},
        {**mask, "image_id": 9, "category_id": 4, "attributes": {"track_id": 1}},
    ]
    found = load_annotations(write(tmp_path / "a.json", coco(*tracks)), cases.FILE)
    assert [(o.id, o.category) for o in found.objects] == [(2, "dog"), (1, "cat")]
    assert found.detail(0, 2).state == "occluded" and found.detail(1, 2).state == "present"
    assert sorted(found.frames) == [0, 1]  # an image without annotations is not labelled
    plain = load_annotations(write(tmp_path / "b.json", coco(mask, mask)), cases.FILE)
    assert len(plain.objects) == 1 and "one object a category (2)" in plain.notes[0]
    scored = load_annotations(write(tmp_path / "c.json", coco({**mask, "score": 0.5})), cases.FILE)
    assert scored.detail(0, 1).origin == "propagated" and scored.detail(0, 1).confidence == 0.5
    twice = coco({**mask, "track_id": 5}, {**mask, "track_id": 5})
    with pytest.raises(
        InputError, match="annotations\\[1\\] is a second mask of object 5 in frame 0"
    ):
        load_annotations(write(tmp_path / "d.json", twice), cases.FILE)


def test_frames_of_a_folder_are_found_by_name(tmp_path: Path) -> None:
    content = coco({"segmentation": rle.encode(SQUARE), "track_id": 1})
    content["images"] = [{**content["images"][0], "file_name": "somewhere\\ç.jpg"}]
    path = write(tmp_path / "a.json", content)
    assert list(load_annotations(path, cases.FOLDER).frames) == [2]
    with pytest.raises(InputError, match="labels the frame ç, whose name does not end in a number"):
        load_annotations(path, cases.FILE)
    content["images"][0]["file_name"] = "other.jpg"
    with pytest.raises(InputError, match="labels the frame other, which is not in the video"):
        load_annotations(write(tmp_path / "a.json", content), cases.FOLDER)


def test_results_of_youtube_vis(tmp_path: Path) -> None:
    runs = rle.encode(SQUARE)
    entry = {"video_id": 4, "category_id": 2, "score": 0.25, "segmentations": [None, runs]}
    found = load_annotations(write(tmp_path / "a.json", [entry, entry]), cases.FILE)
    assert list(found.frames) == [1] and found.objects.ids == (1, 2)
    assert found.detail(1, 1).confidence == 0.25 and found.detail(1, 1).origin == "propagated"


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><size>6</size></task></meta>
  {}
</annotations>
"""


def test_cvat_tracks(tmp_path: Path) -> None:
    box = (
        '<box frame="{}" keyframe="{}" outside="{}" occluded="{}" xtl="2" ytl="1" xbr="5" ybr="4"/>'
    )
    shapes = [(0, 1, 0, 0), (1, 0, 0, 1), (2, 1, 1, 0), (3, 1, 0, 0), (4, 1, 1, 0)]
    track = '<track id="0" label="dog">' + "".join(box.format(*s) for s in shapes) + "</track>"
    found = load_annotations(write(tmp_path / "a.xml", CVAT.format(track)), cases.FILE)
    assert sorted(found.frames) == [0, 1, 2, 3]
    assert [found.detail(n, 1).origin for n in (0, 1)] == ["given", "propagated"]
    assert [found.detail(n, 1).state for n in range(4)] == [
        "present", "occluded", "absent", "present",
    ]  # fmt: skip
    np.testing.assert_array_equal(found.frames[3][0].as_map().ids, SQUARE)
    assert not found.frames[2][0].as_map().ids.any()


def test_cvat_images(tmp_path: Path) -> None:
    ring = ";".join(f"{x}.00,{y}.00" for x, y in RING)
    shapes = f'<polygon label="dog" points="{ring}" occluded="1" z_order="1"/>'
    shapes += '<box label="cat" xtl="0" ytl="0" xbr="16" ybr="12" z_order="0"/>'
    shapes += '<points label="tip" points="7.5,5.5"/><polyline label="x" points="1,1;2,2"/>'
    image = f'<image id="0" name="a/frame_000003.jpg" width="16" height="12">{shapes}</image>'
    found = load_annotations(write(tmp_path / "a.xml", CVAT.format(image)), cases.FILE)
    maps, points = found.frames[3]
    assert found.objects.names == ("cat", "dog", "tip")  # in the order they are drawn in
    np.testing.assert_array_equal(maps.as_map().ids == 2, SQUARE)
    assert (maps.as_map().ids == 1).sum() == 12 * 16 - 9
    assert found.detail(3, 2).state == "occluded"
    np.testing.assert_allclose(points.as_points().points, [[7, 5]])
    assert found.notes == (
        "CVAT: shapes without a group_id are one object a label (2)",
        "CVAT: shapes of type polyline are left out (1)",
    )


def test_label_studio_regions(tmp_path: Path) -> None:
    whole = {"original_width": 16, "original_height": 12}
    percent = [[100 * x / 16, 100 * y / 12] for x, y in RING]
    corner = {"x": 12.5, "y": 100 / 12, "width": 18.75, "height": 25, "rotation": 0}
    for value, kind in (
        ({"points": percent, "polygonlabels": ["dog"]}, "polygonlabels"),
        ({**corner, "rectanglelabels": ["dog"]}, "rectanglelabels"),
        ({"format": "rle", "rle": brush.encode(SQUARE), "brushlabels": ["dog"]}, "brushlabels"),
    ):
        region = {"id": "xYz", "type": kind, "value": value, **whole}
        task = {
            "id": 1,
            "data": {"image": "/data/upload/1/ab12-frame_000002.jpg"},
            "annotations": [{"result": [region]}],
        }
        path = write(tmp_path / "a.json", [task])
        np.testing.assert_array_equal(shown(path, 2), SQUARE)
        assert load_annotations(path, None).objects.names == ("dog",)
    sequence = [
        {"frame": 1, "enabled": True, "time": 0.04, **corner},
        {"frame": 5, "enabled": False, "time": 0.2, **corner},
    ]
    region = {
        "id": "q",
        "type": "videorectangle",
        "value": {"labels": ["dog"], "sequence": sequence},
    }
    task = {"data": {"video": "/data/upload/x-dog.mp4"}, "annotations": [{"result": [region]}]}
    found = load_annotations(write(tmp_path / "a.json", [task]), cases.FILE)
    assert sorted(found.frames) == [0, 4] and "between keyframes" in found.notes[0]
    np.testing.assert_array_equal(found.frames[4][0].as_map().ids, SQUARE)


def test_labelme_shapes(tmp_path: Path) -> None:
    def of(*shapes: dict[str, Any]) -> Path:
        content = {
            "shapes": list(shapes),
            "imagePath": "3.png",
            "imageHeight": 12,
            "imageWidth": 16,
        }
        write(tmp_path / "lm/3.json", content)
        return tmp_path / "lm"

    polygon = {
        "label": "dog",
        "points": RING,
        "shape_type": "polygon",
        "group_id": None,
        "flags": {},
    }
    box = {**polygon, "points": [[5, 4], [2, 1]], "shape_type": "rectangle"}
    for shape in (polygon, box):
        np.testing.assert_array_equal(shown(of(shape), 3), SQUARE)
    circle = {**polygon, "points": [[7.5, 5.5], [7.5, 6.5]], "shape_type": "circle"}
    assert (shown(of(circle), 3) > 0).sum() == 5
    line = {**polygon, "shape_type": "linestrip"}
    assert load_annotations(of(polygon, line), cases.FILE).notes == (
        "LabelMe: shapes of type linestrip are left out (1)",
    )


def test_labelmes_own_masks(tmp_path: Path, golden: Path) -> None:
    recorded = json.loads((golden / "formats/labelme.json").read_text())
    masks = json.loads((golden / "formats/masks.json").read_text())
    for name, shape in recorded.items():
        mask = np.array([[c == "1" for c in row] for row in masks[name]])
        height, width = mask.shape
        shape |= {"label": "dog", "shape_type": "mask", "group_id": 4, "flags": {}}
        content = {
            "shapes": [shape],
            "imagePath": "3.png",
            "imageHeight": height,
            "imageWidth": width,
        }
        write(tmp_path / name / "3.json", content)
        found = shown(tmp_path / name, 3, VideoInfo("a.mp4", width, height))
        np.testing.assert_array_equal(found == 4, mask)


def test_yolo_boxes_and_scores(tmp_path: Path) -> None:
    write(tmp_path / "y/data.yaml", "names: [dog, cat]\n")
    box = " ".join(map(str, (3.5 / 16, 2.5 / 12, 3 / 16, 3 / 12)))
    ring = " ".join(f"{x / 16} {y / 12}" for x, y in RING)
    write(tmp_path / "y/labels/3.txt", f"1 {box}\n")
    write(tmp_path / "y/labels/4.txt", f"0 {ring} 0.5\n")
    found = load_annotations(tmp_path / "y", cases.FILE)
    for number in (3, 4):
        np.testing.assert_array_equal(found.frames[number][0].as_map().ids > 0, SQUARE)
    assert found.objects.names == ("cat", "dog")
    assert found.detail(4, 2).confidence == 0.5 and found.detail(4, 2).origin == "propagated"


DLC = """scorer,me,me,me,me
bodyparts,tail,tail,nose,nose
coords,x,y,x,y
labeled-data/dog/img0002.png,1.5,2,,
labeled-data/dog/img0004.png,3,4,5,6
"""
PREDICTED = """scorer,net,net,net
bodyparts,nose,nose,nose
coords,x,y,likelihood
0,1,2,0.9
1,3,4,0.1
"""
SEVERAL = """scorer,,,me,me,me,me
individuals,,,a,a,b,b
bodyparts,,,nose,nose,nose,nose
coords,,,x,y,x,y
labeled-data,dog,img0005.png,1,2,3,4
"""


def test_deeplabcut_tables(tmp_path: Path) -> None:
    found = load_annotations(write(tmp_path / "a.csv", DLC), cases.FILE)
    assert sorted(found.frames) == [2, 4] and found.objects.names == ("tail", "nose")
    expected = [[1.5, 2], [np.nan, np.nan]]
    np.testing.assert_allclose(found.frames[2][0].as_points().points, expected)
    assert sorted(load_annotations(tmp_path / "a.csv", cases.FOLDER).frames) == [2, 4]
    found = load_annotations(write(tmp_path / "a.csv", PREDICTED), cases.FILE)
    assert [found.detail(n, 0).confidence for n in (0, 1)] == [0.9, 0.1]
    found = load_annotations(write(tmp_path / "a.csv", SEVERAL), cases.FILE)
    assert [(o.parent, o.name) for o in found.objects] == [("a", "nose"), ("b", "nose")]


def test_tapvids_own_arrays(tmp_path: Path) -> None:
    points = np.zeros((2, 6, 2), np.float32)
    points[1] = [0.5, 0.25]
    occluded = np.zeros((2, 6), bool)
    occluded[0, 3] = True
    np.savez(tmp_path / "a.npz", points=points, occluded=occluded)
    found = load_annotations(tmp_path / "a.npz", cases.FILE)
    assert [o.kind for o in found.objects] == ["points", "points"]
    expected = [[np.nan, np.nan], [7.5, 2.5]]
    np.testing.assert_allclose(found.frames[3][0].as_points().points, expected)


def test_sequences_of_a_tree_are_chosen_by_the_videos_name(tmp_path: Path) -> None:
    from pixelkin import Labels, write_mask

    for name in ("dog", "cat"):
        write_mask(
            tmp_path / f"YT/Annotations/{name}/00003.png", Labels.from_mask(SQUARE.astype(int))
        )
    np.testing.assert_array_equal(shown(tmp_path / "YT", 3), SQUARE)
    with pytest.raises(InputError, match=r"holds 2 videos \(cat, dog\)"):
        load_annotations(tmp_path / "YT", VideoInfo("bird.mp4", 16, 12))


def test_what_may_be_two_formats_is_an_error_that_names_both(tmp_path: Path) -> None:
    content = coco({"segmentation": rle.encode(SQUARE)}) | {"sequences": []}
    path = write(tmp_path / "a.json", content)
    with pytest.raises(InputError, match=r"may be coco \(COCO\) and burst \(BURST\)"):
        recognise(path)
    np.testing.assert_array_equal(
        load_annotations(path, None, "coco").frames[0][0].as_map().ids, SQUARE
    )


def test_sizes_are_those_of_the_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", coco({"segmentation": rle.encode(SQUARE)}))
    with pytest.raises(InputError, match="16x12, the video is 20x12"):
        load_annotations(path, VideoInfo("a.mp4", 20, 12))
