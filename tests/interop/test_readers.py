"""The tools of others read what we write; each test is skipped where its tool is not installed.

    make setup                      # all but label-studio-sdk
    pip install label-studio-sdk
    python -m venv old && old/bin/pip install 'pandas<3' 'numpy<2' tables
    PANDAS_2=old/bin/python python -m pytest tests/interop tests/formats

PANDAS_2 is the interpreter of an environment as DeepLabCut 3 needs it: pandas 2 cannot read every
file of pandas 3.
"""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from pixelkin.formats.registry import save_annotations
from pixelkin.types import (
    Annotations,
    Detail,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
    VideoInfo,
)
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter

SIZE = 24, 32
VIDEO = VideoInfo("dog.mp4", SIZE[1], SIZE[0], 4, 8.0)


def masks() -> Annotations:
    """A ring and a square, which move."""
    objects = Objects((Object(1, name="ring", category="toy"), Object(2, name="dog")))
    frames: dict[int, tuple[Labels, ...]] = {}
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for t in range(3):
        far = np.hypot(y - 10, x - 9 - t)
        ids = np.where((far < 8) & (far > 3), 1, 0)
        ids[14:23, 20 + t : 30 + t] = 2
        frames[t] = (MaskLabels("mask", objects, ids.astype(np.int32)),)
    return Annotations(objects, frames, {}, {(2, 1): Detail("present", 0.5, "propagated")})


def keypoints(results: bool = False) -> Annotations:
    """Two mice of two points; the second's tail is absent from frame 2."""
    table = tuple(
        Object(2 * m + k, "keypoints", name, parent=mouse)
        for m, mouse in enumerate(("Mickey", "Minnie"))
        for k, name in enumerate(("nose", "tail"))
    )
    objects = Objects(table, ((0, 1), (2, 3)))
    frames: dict[int, tuple[Labels, ...]] = {}
    for t in (0, 2):
        xy = np.array([[1.5, 2], [3, 4], [5, 6], [np.nan] * 2 if t else [7, 8]], np.float32) + t
        frames[t] = (PointLabels("keypoints", Objects(table), xy, SIZE),)
    found = Detail("present", 0.25, "propagated")
    details = {(t, i): found for t in frames for i in range(4)} if results else {}
    return Annotations(objects, frames, {}, details)


def ids(annotations: Annotations, t: int) -> np.ndarray:
    return annotations.frames[t][0].as_map().ids


@pytest.mark.parametrize("uncompressed", [False, True])
def test_pycocotools_reads_masks(tmp_path: Path, uncompressed: bool) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    given, path = masks(), tmp_path / "a.json"
    save_annotations(path, given, "coco", video=VIDEO, uncompressed=uncompressed)
    found = coco.COCO(str(path))
    assert len(found.anns) == 6
    for entry in found.anns.values():
        t, i = found.imgs[entry["image_id"]]["frame_index"], entry["track_id"]
        mask = ids(given, t) == i
        np.testing.assert_array_equal(found.annToMask(entry), mask)
        assert entry["area"] == mask.sum()
    assert [c["name"] for c in found.loadCats(found.getCatIds())] == ["toy", "dog"]


def test_pycocotools_evaluates_keypoints(tmp_path: Path) -> None:
    """Which takes the file as truth, and its own entries as results with an OKS of 1."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    path = tmp_path / "a.json"
    save_annotations(path, keypoints(results=True), "coco", video=VIDEO)
    truth = coco.COCO(str(path))
    keys = ("image_id", "category_id", "keypoints", "score")
    results = truth.loadRes([{k: a[k] for k in keys} for a in truth.anns.values()])
    run = evaluation.COCOeval(truth, results, "keypoints")
    run.params.kpt_oks_sigmas = np.full(2, 0.05)
    run.params.areaRng = [[0, 1e10]]
    run.params.areaRngLbl = ["all"]
    run.evaluate()
    run.accumulate()
    assert (run.eval["precision"] > 0.99).all()


def test_cvat_decodes_our_runs(tmp_path: Path) -> None:
    tool = pytest.importorskip("cvat_sdk.masks")
    given, path = masks(), tmp_path / "a.xml"
    save_annotations(path, given, video=VIDEO)
    shapes = [
        (int(image.attrib["id"]), shape)
        for image in ET.parse(path).getroot().iter("image")
        for shape in image
    ]
    assert len(shapes) == 6
    for t, shape in shapes:
        left, top, width, height = (
            int(shape.attrib[k]) for k in ("left", "top", "width", "height")
        )
        points = [int(n) for n in shape.attrib["rle"].split(",")]
        points += [left, top, left + width - 1, top + height - 1]
        mask = tool.decode_mask(points, image_width=SIZE[1], image_height=SIZE[0])
        np.testing.assert_array_equal(mask, ids(given, t) == int(shape.attrib["group_id"]))


def test_label_studio_decodes_our_brushes(tmp_path: Path) -> None:
    tool = pytest.importorskip("label_studio_sdk.converter.brush")
    given, path = masks(), tmp_path / "a.json"
    save_annotations(path, given, "label_studio", video=VIDEO)
    for t, task in enumerate(json.loads(path.read_text())):
        for one in (*task.get("annotations", []), *task.get("predictions", [])):
            for region in one["result"]:
                flat = tool.decode_rle(region["value"]["rle"])
                alpha = np.reshape(flat, (*SIZE, 4))[..., 3]
                i = int(region["id"].split("-")[1])
                np.testing.assert_array_equal(alpha > 0, ids(given, t) == i)


@pytest.mark.parametrize("results", [False, True])
def test_sleap_io_reads_labels(tmp_path: Path, results: bool) -> None:
    sleap = pytest.importorskip("sleap_io")
    given, path = keypoints(results), tmp_path / "a.slp"
    save_annotations(path, given, video=VIDEO)
    labels = sleap.load_slp(str(path), open_videos=False)
    assert [track.name for track in labels.tracks] == ["Mickey", "Minnie"]
    assert labels.skeletons[0].node_names == ["nose", "tail"]
    assert [(a.name, b.name) for a, b in labels.skeletons[0].edges] == [("nose", "tail")]
    assert [frame.frame_idx for frame in labels] == [0, 2]
    for frame in labels:
        xy = given.frames[frame.frame_idx][0].as_points().points.reshape(2, 2, 2)
        for instance, expected in zip(frame.instances, xy, strict=True):
            np.testing.assert_allclose(instance.numpy(), expected)
            assert isinstance(instance, sleap.PredictedInstance) == results


def test_pynwb_reads_poses(tmp_path: Path) -> None:
    """Which takes a whole video, whose frames are all labelled."""
    pytest.importorskip("sleap_io")
    nwb = pytest.importorskip("pynwb")
    with VideoWriter(tmp_path / "dog.mp4", 8, SIZE) as writer:
        for t in range(4):
            writer.write(np.full((*SIZE, 3), 60 * t, np.uint8))
    video = open_video(tmp_path / "dog.mp4").info
    table = tuple(Object(k, "keypoints", name) for k, name in enumerate(("nose", "tail")))
    xy = np.arange(16, dtype=np.float32).reshape(4, 2, 2)
    frames: dict[int, tuple[Labels, ...]] = {
        t: (PointLabels("keypoints", Objects(table), xy[t], SIZE),) for t in range(4)
    }
    found = Detail("present", 0.25, "propagated")
    details = {(t, i): found for t in range(4) for i in range(2)}
    path = tmp_path / "a.nwb"
    save_annotations(path, Annotations(Objects(table), frames, {}, details), video=video)
    with nwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
        (pose,) = (
            one
            for part in file.read().processing.values()
            for one in part.data_interfaces.values()
            if one.neurodata_type == "PoseEstimation"
        )
        assert list(pose.skeleton.nodes[:]) == ["nose", "tail"]
        series = pose.pose_estimation_series
        for k, name in enumerate(("nose", "tail")):
            (own,) = (series[key] for key in series if name in key)
            np.testing.assert_allclose(own.data[:], xy[:, k])
            np.testing.assert_allclose(own.confidence[:], 0.25)


READ = """
import pandas, sys
frame = pandas.read_hdf(sys.argv[1])
print(list(frame.columns.names), [list(c) for c in frame.columns][-1], frame.index[-1])
print(frame.to_numpy().tolist())
"""


@pytest.mark.parametrize("results", [False, True])
def test_pandas_reads_our_h5(tmp_path: Path, results: bool) -> None:
    pytest.importorskip("tables")
    given, path = keypoints(results), tmp_path / "a.h5"
    save_annotations(path, given, "dlc_h5", video=VIDEO)
    import pandas

    frame = pandas.read_hdf(path)
    assert list(frame.columns.names) == ["scorer", "individuals", "bodyparts", "coords"]
    xy = frame.to_numpy().reshape(2, 4, 3 if results else 2)
    for row, t in zip(xy, (0, 2), strict=True):
        np.testing.assert_allclose(row[:, :2], given.frames[t][0].as_points().points)
    assert not results or (xy[..., 2] == 0.25).all()
    last = 2 if results else ("labeled-data", "dog", "img0002.png")
    assert frame.index[-1] == last
    if old := os.environ.get("PANDAS_2"):
        command = [old, "-c", READ, str(path)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert shown.splitlines()[0] == (
            f"{list(frame.columns.names)} {list(frame.columns[-1])} {frame.index[-1]}"
        )
        theirs = np.array(eval(shown.splitlines()[1], {"nan": np.nan}))
        np.testing.assert_array_equal(theirs, frame.to_numpy())


def test_tables_of_pandas_are_read(tmp_path: Path) -> None:
    """DeepLabCut writes its predictions so."""
    pytest.importorskip("tables")
    import pandas

    from pixelkin.formats.registry import load_annotations

    save_annotations(tmp_path / "a.h5", keypoints(True), "dlc_h5", video=VIDEO)
    frame = pandas.read_hdf(tmp_path / "a.h5")
    frame.to_hdf(tmp_path / "b.h5", key="df_with_missing", format="table", mode="w")
    fixed, table = (load_annotations(tmp_path / f"{n}.h5", VIDEO) for n in "ab")
    assert fixed.objects == table.objects and sorted(table.frames) == [0, 2]
    for t in (0, 2):
        a, b = (x.frames[t][0].as_points().points for x in (fixed, table))
        np.testing.assert_array_equal(a, b)


def test_supervision_takes_masks() -> None:
    """Its own tools then find the objects: their areas, crops and a filter."""
    pytest.importorskip("supervision")
    from pixelkin.formats.supervision import to_supervision

    given = masks()
    labels = given.frames[2][0]
    confidence = np.array([0.5, 0.25], np.float32)
    found = to_supervision(Prediction(2, labels, confidence))
    assert len(found) == 2 and found.area.tolist() == [(ids(given, 2) == i).sum() for i in (1, 2)]
    assert found[found.confidence > 0.3].tracker_id.tolist() == [1]
    assert found.xyxy[1].tolist() == [22, 14, 31, 22]
    assert found.class_id.tolist() == [0, 1] and found["class_name"].tolist() == ["toy", "dog"]


@pytest.mark.parametrize("name", ["yolo", "coco"])
def test_supervision_opens_labels_with_their_images(tmp_path: Path, name: str) -> None:
    """Its data sets find each image, and the objects in it where they are."""
    supervision = pytest.importorskip("supervision")
    with VideoWriter(tmp_path / "dog.mp4", 8, SIZE) as writer:
        for t in range(4):
            writer.write(np.full((*SIZE, 3), 60 * t, np.uint8))
    given, video = masks(), open_video(tmp_path / "dog.mp4")
    target = tmp_path / ("y" if name == "yolo" else "a.json")
    images = target / "images" if name == "yolo" else tmp_path / "images"
    save_annotations(target, given, name, video=video, images=images)
    if name == "yolo":
        found = supervision.DetectionDataset.from_yolo(
            str(images), str(target / "labels"), str(target / "data.yaml"), force_masks=True
        )
    else:
        found = supervision.DetectionDataset.from_coco(str(images), str(target), force_masks=True)
    assert found.classes == ["toy", "dog"] and len(found) == 3
    for path, image, detections in found:
        t = int(Path(path).stem.split("_")[1])
        assert abs(int(image.mean()) - 60 * t) < 3
        assert sorted(detections.class_id) == [0, 1]
        for mask, kind in zip(detections.mask, detections.class_id, strict=True):
            true = ids(given, t) == kind + 1
            assert (mask & true).sum() / true.sum() > 0.9  # its polygons have no holes


def test_numpy_reads_our_arrays(tmp_path: Path) -> None:
    given, path = masks(), tmp_path / "a.npz"
    save_annotations(path, given, "npz", video=VIDEO)
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["ids"], [ids(given, t) for t in range(3)])
        assert arrays["ids"].dtype == np.uint8
        assert (
            arrays["confidence"][2].tolist()[0] == 0.5 and np.isnan(arrays["confidence"][0]).all()
        )
    save_annotations(path, keypoints(), "tapvid", video=VIDEO)
    with np.load(path) as arrays:
        np.testing.assert_allclose(arrays["points"][0, 0], [2.0 / 32, 2.5 / 24])
        assert arrays["occluded"].tolist() == [[False] * 2] * 3 + [[False, True]]
