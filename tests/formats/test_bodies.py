"""Several animals in a video: whose a keypoint is, from labels through a run to other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest

from pixelkin.formats.frame_json import load_prediction, save_prediction
from pixelkin.formats.label_files import LabelFile, load_label_files
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import Annotations, InputError, Object, Objects, PointLabels, Prediction

TWO = cases.POINTS["two bodies"]


def run_of(folder: Path, given: Annotations) -> Path:
    """A run's folder with these labels as its results."""
    for t in sorted(given.frames):
        (labels,) = given.frames[t]
        whole = PointLabels("keypoints", given.objects, labels.as_points().points, labels.size)
        sure = np.full(len(given.objects), 0.5, np.float32)
        save_prediction(folder, f"{t:05d}", Prediction(t, whole, sure))
    return folder


def test_bodies_and_skeletons_survive_a_run(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "out", TWO)
    assert load_prediction(folder, "00000").labels.objects == TWO.objects
    found = load_annotations(folder, None)
    assert found.objects == TWO.objects
    assert {o.parent for o in found.objects} == {"Mickey", "Minnie"}
    path = tmp_path / "a.csv"
    save_annotations(path, found, video=cases.FILE)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert rows[1][1::6] == ["Mickey", "Minnie"] and rows[2][1::3] == ["nose", "tail"] * 2
    assert [float(x) for x in rows[4][1::3]] == [1, 3, 5, 7.75]


def people(*places: tuple[float, float]) -> dict[str, Any]:
    """COCO's own keypoints of several people in one image, whom nothing tells apart."""
    return {
        "images": [{"id": 8, "file_name": "x/frame_000002.png", "width": 16, "height": 12}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["head"], "skeleton": []}],
        "annotations": [
            {"id": n, "image_id": 8, "category_id": 1, "keypoints": [x, y, 2]}
            for n, (x, y) in enumerate(places)
        ],
    }


def test_people_without_names_stay_several(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(people((1, 2), (5, 6), (9, 3))))
    found = load_annotations(tmp_path / "a.json", cases.FILE)
    assert [o.parent for o in found.objects] == ["person 1", "person 2", "person 3"]
    assert "counted as they stand" in " ".join(found.notes)
    save_annotations(tmp_path / "b.json", found, "coco", video=cases.FILE)
    written = json.loads((tmp_path / "b.json").read_text())["annotations"]
    assert [entry["keypoints"][:2] for entry in written] == [[1, 2], [5, 6], [9, 3]]
    (tmp_path / "a.json").write_text(json.dumps(people((1, 2))))
    assert load_annotations(tmp_path / "a.json", cases.FILE).objects.table[0].parent is None


def test_a_correction_of_one_animal_is_of_this_one(tmp_path: Path) -> None:
    """Both have a nose; the file that corrects holds Minnie alone."""
    save_annotations(tmp_path / "0.csv", TWO, "dlc_csv", video=cases.FILE)
    minnie = Objects(cases.keypoints("nose", "tail", parent="Minnie"))
    one = cases.of_points({5: [(9, 9), (10, 10)]}, minnie)
    save_annotations(tmp_path / "5.csv", one, "dlc_csv", video=cases.FILE)
    files = [LabelFile(tmp_path / "0.csv"), LabelFile(tmp_path / "5.csv")]
    found = load_label_files(files, cases.FILE).annotations
    assert [(o.parent, o.name) for o in found.objects] == [
        ("Mickey", "nose"), ("Mickey", "tail"), ("Minnie", "nose"), ("Minnie", "tail"),
    ]  # fmt: skip
    corrected = found.frames[5][0].as_points()
    assert corrected.objects.ids == (2, 3) and corrected.points.tolist() == [[9, 9], [10, 10]]


@pytest.mark.parametrize("name", ["coco", "cvat", "label_studio", "dlc_csv", "yolo", "labelme"])
def test_points_that_nothing_tells_apart_are_refused(tmp_path: Path, name: str) -> None:
    objects = Objects((Object(0, "keypoints", "nose"), Object(1, "keypoints", "nose")))
    given = cases.of_points({0: [(1, 2), (3, 4)]}, objects)
    with pytest.raises(InputError, match=r"two points of a body are called 'nose': .* 1=NAME"):
        save_annotations(tmp_path / "a", given, name, video=cases.FILE)
    assert not list(tmp_path.iterdir())


def test_the_box_of_a_body_in_coco_is_around_the_points_that_it_has(tmp_path: Path) -> None:
    """Points that are absent are written as 0, 0, which is not among them."""
    save_annotations(tmp_path / "a.json", cases.POINTS["absent"], "coco", video=cases.FILE)
    content = json.loads((tmp_path / "a.json").read_text())
    by_image = {one["image_id"]: one for one in content["annotations"]}
    boxes = [
        (one["bbox"], one["area"], one["num_keypoints"]) for _, one in sorted(by_image.items())
    ]
    assert boxes == [([1, 2, 2, 2], 4, 2), ([5.125, 6, 0, 0], 0, 1)]
