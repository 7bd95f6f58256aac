"""Losses that are told are losses, and a file without its video says how long that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixelkin.formats.registry import probe_video, recognise, save_annotations
from pixelkin.types import Annotations, Labels, VideoInfo

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
