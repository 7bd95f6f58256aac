from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import pixelkin.data.store as store_module
from pixelkin.data.index import Source, index_videos
from pixelkin.data.store import FrameStore, Segment, resize, small_size, split
from pixelkin.video.reader import open_video

SHORT = 48


@pytest.fixture
def sources(videos: Path, tmp_path: Path) -> list[Source]:
    return index_videos([videos], tmp_path / "index.json")


def make(folder: Path | None, sources: list[Source], budget: int = 10**9) -> FrameStore:
    return FrameStore(folder, sources, split(sources, 30), short_side=SHORT, budget=budget)


def test_segments_cover_every_frame_once(sources: list[Source]) -> None:
    segments = split(sources, 15)
    assert max(map(len, segments)) <= 15
    for video, source in enumerate(sources):
        own = [t for s in segments if s.video == video for t in range(s.start, s.stop)]
        assert own == list(range(source.frames))
        lengths = [len(s) for s in segments if s.video == video]
        assert max(lengths) - min(lengths) <= 1


def test_frames_are_the_videos_frames(sources: list[Source], tmp_path: Path) -> None:
    """From the video, from the video through the store, and from the store: the same."""
    kept, direct = make(tmp_path / "store", sources), make(None, sources)
    for segment in split(sources, 30):
        source = sources[segment.video]
        times = [segment.stop - 1, segment.start, segment.start + 5]
        reader = open_video(source.path)
        truth = [resize(reader[t], small_size(source.height, source.width, SHORT)) for t in times]
        for frames in (kept.read(segment, times), kept.read(segment, times)):
            assert all(np.array_equal(a, b) for a, b in zip(frames, truth, strict=True))
        assert all(
            np.array_equal(a, b) for a, b in zip(direct.read(segment, times), truth, strict=True)
        )
        assert min(truth[0].shape[:2]) == SHORT


def test_a_kept_segment_is_decoded_once(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(tmp_path, sources)
    segment = split(sources, 30)[0]
    store.read(segment, [3])
    opened: list[str] = []
    original = store_module.open_source
    monkeypatch.setattr(
        store_module, "open_source", lambda source: opened.append(source.path) or original(source)
    )
    store.read(segment, [7, 4])
    assert opened == []
    (file,) = tmp_path.glob("[0-9a-f]*.npy")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    frames = store.read(segment, [7])
    assert len(opened) == 1
    assert file.read_bytes() == whole
    assert np.array_equal(frames[0], np.load(file)[7 - segment.start])


def test_budget_bounds_the_folder(sources: list[Source], tmp_path: Path) -> None:
    budget = 600_000
    store = make(tmp_path, sources, budget)
    segments = split(sources, 30)
    assert 0 < store.kept < len(segments)
    for segment in segments:
        assert len(store.read(segment, [segment.start])) == 1
    files = list(tmp_path.glob("*.npy"))
    assert len(files) == store.kept
    assert sum(f.stat().st_size for f in files) <= budget
    # Another choice of frames takes the room that it needs from what earlier runs left.
    other = FrameStore(tmp_path, sources, split(sources, 10), short_side=SHORT, budget=budget)
    for segment in split(sources, 10):
        other.read(segment, [segment.start])
    assert sum(f.stat().st_size for f in tmp_path.glob("*.npy")) <= budget


def test_leftovers_of_killed_writers_go(sources: list[Source], tmp_path: Path) -> None:
    for name, age in ((".old.npy", 10**5), (".new.npy", 0)):
        (tmp_path / name).write_bytes(b"half")
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    make(tmp_path, sources)
    assert [p.name for p in tmp_path.glob(".*.npy")] == [".new.npy"]


def test_unwritable_store_costs_speed_only(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    store = make(tmp_path, sources)
    monkeypatch.setattr(np, "save", full)
    segment = Segment(0, 0, 25)
    assert split(sources, 30)[0] == segment
    expected = make(None, sources).read(segment, [2])
    assert np.array_equal(store.read(segment, [2])[0], expected[0])
    assert list(tmp_path.glob("*.npy")) == []
