from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

import pixelkin.data.index as index
from pixelkin.data.index import digest, index_videos
from pixelkin.types import InputError


def test_finds_files_and_folders_and_reports_broken_ones(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = index_videos([videos], tmp_path / "index.json")
    assert [(s.name, s.frames, s.height, s.width) for s in found] == [
        ("a.mp4", 50, 64, 96),
        ("JPEGImages/c", 20, 80, 120),
        ("deep/b.mp4", 12, 96, 64),
    ]
    left_out = [r.getMessage() for r in caplog.records]
    assert len(left_out) == 2
    assert "broken.mp4" in left_out[0]
    assert "cut.mp4" in left_out[1]


def test_opens_a_video_again_only_when_it_changed(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(videos, root)
    cache = tmp_path / "cache" / "index.json"
    first = index_videos([root], cache)
    opened: list[str] = []
    original = index.open_video
    monkeypatch.setattr(
        index, "open_video", lambda path: opened.append(Path(path).name) or original(path)
    )
    assert index_videos([root], cache) == first
    assert opened == []
    shutil.copy(videos / "deep" / "b.mp4", root / "a.mp4")
    os.utime(root / "JPEGImages" / "c" / "00003.png", ns=(0, 2**62))
    second = index_videos([root], cache)
    assert opened == ["a.mp4", "c"]
    assert second[0].frames == 12
    assert digest(second) != digest(first)
    cache.write_text("{ half a fi")
    assert index_videos([root], cache) == second
    assert len(opened) == 2 + 5


def test_an_interrupted_search_keeps_what_it_has_seen(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_videos([videos], tmp_path / "index.json", progress=stop)
    assert seen == [(1, 5), (2, 5), (3, 5)]
    opened: list[str] = []
    original = index.open_video
    monkeypatch.setattr(index, "open_video", lambda path: opened.append(path) or original(path))
    index_videos([videos], tmp_path / "index.json")
    assert len(opened) == 2


def test_same_content_elsewhere_has_the_same_digest(videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos, tmp_path / "copy")
    one = index_videos([videos], tmp_path / "1.json")
    two = index_videos([tmp_path / "copy"], tmp_path / "2.json")
    assert [s.path for s in one] != [s.path for s in two]
    assert digest(one) == digest(two)


def test_roots_may_overlap_and_link_in_circles(videos: Path, tmp_path: Path) -> None:
    root = tmp_path / "videos"
    shutil.copytree(videos, root)
    (root / "deep" / "again").symlink_to(root)
    found = index_videos([root, root / "deep", root / "a.mp4"], tmp_path / "index.json")
    assert len(found) == 3


def test_exclude_leaves_out_by_name(videos: Path, tmp_path: Path) -> None:
    found = index_videos([videos], tmp_path / "index.json", exclude=("deep/*", "a*"))
    assert [s.name for s in found] == ["JPEGImages/c"]


def test_nothing_to_read_is_an_input_error(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        index_videos([tmp_path / "nowhere"], tmp_path / "index.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no readable video in .*empty"):
        index_videos([tmp_path / "empty"], tmp_path / "index.json")
    with pytest.raises(InputError, match=r"1 could not be read"):
        index_videos([videos / "broken.mp4"], tmp_path / "index.json")
