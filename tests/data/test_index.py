from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import pixelkin.data.index as index
from pixelkin.data.index import digest, index_videos
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError, Labels


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


def test_what_pixelkin_wrote_is_no_video(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(videos, root)
    before = index_videos([root], tmp_path / "a.json")
    mask = np.zeros((64, 96), np.uint8)
    mask[20:40, 20:40] = 1
    labels = Labels.from_mask(mask)
    run = propagate_to_folder(
        root / "a.mp4", {0: labels}, root / "out", encoder="lab", overlay=True
    )
    assert (run.folder / "overlay.mp4").exists()
    with caplog.at_level(logging.WARNING):
        assert index_videos([root], tmp_path / "b.json") == before
    assert f"left out {root / 'out'}: what pixelkin wrote" in [
        record.getMessage() for record in caplog.records
    ]


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
        index,
        "open_video",
        lambda path, **how: opened.append(Path(path).name) or original(path, **how),
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
    monkeypatch.setattr(
        index, "open_video", lambda path, **how: opened.append(path) or original(path, **how)
    )
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


def test_a_pattern_that_leaves_out_nothing_is_said(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = "JPEGImages/c, a.mp4, broken.mp4, ..."
    with caplog.at_level(logging.WARNING):
        index_videos([videos], tmp_path / "index.json", exclude=("b.mp4", "a*", "cut*", "broken*"))
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == f"exclude 'b.mp4' fits no video, so it leaves none out: {names}"


def test_what_the_values_of_frames_are_taken_for_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the index comes from its cache."""
    for name in ("a", "b", "c"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for t in range(2):
            values = np.full((20, 30), 3000, np.uint16)
            Image.fromarray(values).save(tmp_path / "videos" / name / f"{t}.png")
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert len(index_videos([tmp_path / "videos"], tmp_path / "index.json")) == 3
        (said,) = (record.getMessage() for record in caplog.records)
        assert said.startswith(f"{tmp_path / 'videos' / 'a'} (and 2 more of which that is so): ")
        assert "values below 4096," in said


def test_broken_links_are_named_and_left_out(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As git-annex, DataLad and disks that are not mounted leave them."""
    root = tmp_path / "videos"
    shutil.copytree(videos, root)
    (root / "not_fetched.mp4").symlink_to("nowhere.mp4")
    (root / "JPEGImages/c/99999.png").symlink_to(".git/annex/objects/1.png")
    (root / "old").mkdir()
    (root / "old/0.png").symlink_to("gone.png")
    with caplog.at_level(logging.WARNING):
        found = index_videos([root], tmp_path / "index.json")
    names = ["a.mp4", "JPEGImages/c", "deep/b.mp4"]
    assert [s.name for s in found] == names
    said = [r.getMessage() for r in caplog.records]
    for name, target in (("not_fetched.mp4", "nowhere.mp4"), ("99999.png", "annex/objects/1.png")):
        (line,) = [x for x in said if name in x]
        assert line.startswith("left out ") and line.endswith(f"{target}, which is not there")
    assert any("old/0.png" in x for x in said)
    assert [s.name for s in index_videos([root], tmp_path / "index.json")] == names


def test_pipes_are_named_and_left_out(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(videos, root)
    for pipe in (root / "p.mp4", root / "q", root / "JPEGImages/c/99999.png"):
        os.mkfifo(pipe)
    with caplog.at_level(logging.WARNING):
        found = index_videos([root], tmp_path / "index.json")
    assert [s.name for s in found] == ["a.mp4", "JPEGImages/c", "deep/b.mp4"]
    said = [r.getMessage() for r in caplog.records]
    assert sum("a pipe or a device" in x for x in said) == 3


def test_a_folder_of_stacks_holds_a_video_in_each(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        first, *rest = (Image.new("L", (16, 12), level) for level in (10, 90, 200))
        first.save(tmp_path / name, save_all=True, append_images=rest)
    found = index_videos([tmp_path], tmp_path / "index.json")
    assert [(s.name, s.frames) for s in found] == [("a.tif", 3), ("b.tif", 3)]


@pytest.mark.parametrize(
    ("suffix", "codec"), [("MTS", "mpeg2video"), ("wmv", "wmv2"), ("flv", "flv1"), ("gif", "gif")]
)
def test_every_video_that_the_reader_reads_is_found(
    tmp_path: Path, suffix: str, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    codec = {"flv1": "flv"}.get(codec, codec)
    kind = {"MTS": "mpegts", "wmv": "asf"}.get(suffix, suffix)
    with av.open(str(tmp_path / f"a.{suffix}"), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = 48, 64
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for level in range(40, 240, 10):
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    (tmp_path / "clip.xyz").write_bytes((tmp_path / f"a.{suffix}").read_bytes())
    (tmp_path / "notes.txt").write_text("not a video")
    (tmp_path / "notes.xyz").write_text("not a video")
    with caplog.at_level(logging.WARNING):
        found = index_videos([tmp_path], tmp_path / "index.json")
    assert [(s.name, s.frames) for s in found] == [(f"a.{suffix}", 20), ("clip.xyz", 20)]
    (said,) = [r.getMessage() for r in caplog.records]
    assert "left out" in said and "notes.xyz" in said


def test_nothing_to_read_is_an_input_error(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        index_videos([tmp_path / "nowhere"], tmp_path / "index.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no readable video in .*empty"):
        index_videos([tmp_path / "empty"], tmp_path / "index.json")
    with pytest.raises(InputError, match=r"1 could not be read"):
        index_videos([videos / "broken.mp4"], tmp_path / "index.json")
