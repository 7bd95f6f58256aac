"""Losses that are told are losses, and a file without its video says how long that is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import (
    load_annotations,
    probe_video,
    recognise,
    save_annotations,
)
from pixelkin.types import Annotations, Labels, PointLabels, VideoInfo

VIDEO = VideoInfo("frames", 9, 7, 4, names=("f0", "f1", "f2", "f3"))


def masks(*empty: int) -> Annotations:
    """A mask in each of four frames, but for those that are empty."""
    ids = np.zeros((7, 9), np.int32)
    ids[2:5, 3:6] = 1
    first = Labels.from_mask(ids)
    none = replace(Labels.from_mask(np.zeros_like(ids)), objects=first.objects)
    return Annotations.of({t: none if t in empty else first for t in range(4)})


@pytest.mark.parametrize("format", ["cvat", "ytvis"])
@pytest.mark.parametrize("empty", [(), (2,), (1, 2, 3)])
def test_empty_frames_are_told_where_there_are_any(
    tmp_path: Path, format: str, empty: tuple[int, ...]
) -> None:
    told = save_annotations(tmp_path / "out", masks(*empty), format, video=VIDEO)
    found = [line for line in told if "empty frames" in line]
    assert bool(found) == bool(empty), told


def test_tracks_without_their_video_tell_how_many_frames_it_has(tmp_path: Path) -> None:
    points = Labels.from_points(np.array([[1.5, 2], [3, 4]]), (7, 9), kind="points")
    path = tmp_path / "tracks.npz"
    save_annotations(path, Annotations.of(dict.fromkeys((0, 2), points)), "tapvid", video=VIDEO)
    found = probe_video(path, recognise(path))
    assert (found.height, found.width, found.frames) == (7, 9, 3)


KEYPOINTS = [
    one for one in FORMATS if one.save and "points" not in one.loses and one.name != "nwb"
]  # which takes no points that are missing


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("one", KEYPOINTS, ids=lambda one: one.name)
def test_keypoints_that_no_frame_shows_are_kept_or_said(
    tmp_path: Path, one: Format, beside: bool, shown: bool
) -> None:
    """A point of a body, or a whole body, beside masks and without."""
    pytest.importorskip("tables" if one.name == "dlc_h5" else "numpy")
    pytest.importorskip("sleap_io" if one.name in ("slp", "sleap_h5") else "numpy")
    frames = (0,) if one.one_frame else (0, 3)
    second = (5.0, 6.0) if shown else cases.NAN
    places = [(1.0, 2.0), (3.0, 4.0), second, cases.NAN]
    given = cases.of_points(dict.fromkeys(frames, places), cases.TWO)
    if one.one_frame:
        given = cases.of_points({0: [(1, 2), cases.NAN, (3, 4)]}, cases.ONE)
    if beside and "masks" not in one.loses and one.name != "yolo":  # which has either
        given = cases.MASKS["a hole"].joined(given)
    path = tmp_path / f"a{one.suffix}"
    told = save_annotations(path, given, one.name, video=cases.FILE)
    said = [line for line in told if "keypoints that no frame shows" in line]
    found = load_annotations(path, cases.FILE)
    missing, back = (sum(not o.is_map for o in x.objects) for x in (given, found))
    counted = int(said[0].split(": ")[1].split()[0]) if said else 0
    assert missing - back == counted, (told, found.objects)


def test_a_keypoint_outside_of_a_skeleton_is_not_lost_beside_masks(tmp_path: Path) -> None:
    """CVAT's images have it in the skeleton, as CVAT itself writes it."""
    given = cases.MASKS["a hole"].joined(
        cases.of_points({0: [(1, 2), cases.NAN, (3, 4)]}, cases.ONE)
    )
    path = tmp_path / "a.xml"
    told = save_annotations(path, given, "cvat", video=cases.FILE)
    assert not any("no frame shows" in line for line in told)
    parts = ET.parse(path).getroot().findall("image/skeleton/points")
    outside = [(part.get("label"), part.get("outside")) for part in parts]
    assert outside == [("nose", "0"), ("tail", "1"), ("ear", "0")]
    found = load_annotations(path, cases.FILE)
    assert [o.name for o in found.objects if not o.is_map] == ["nose", "tail", "ear"]
    there = next(x for x in found.frames[0] if isinstance(x, PointLabels))
    np.testing.assert_array_equal(there.points, [[1, 2], [np.nan, np.nan], [3, 4]])
