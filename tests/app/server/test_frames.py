"""Frames by their exact number, however they are asked for, in a bounded folder."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from asking import NUMBERED, Page, number_of, numbered_video
from numpy.typing import NDArray
from PIL import Image

from pixelkin.app.server.cache import FileCache
from pixelkin.app.server.frames import LONG_SIDE, Frames
from pixelkin.types import InputError
from pixelkin.video.reader import open_video


def decoded(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


@contextmanager
def frames(path: Path, folder: Path, limit: int = 10**8, *, walk: bool = False) -> Iterator[Frames]:
    made = Frames(open_video(path), folder, limit, walk=walk)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "codec", "variable"),
    [("a.mp4", "libx264", False), ("a.mp4", "libx264", True), ("a.webm", "libvpx-vp9", False)],
)
def test_every_frame_bears_its_number(
    tmp_path: Path, name: str, codec: str, variable: bool
) -> None:
    path = numbered_video(tmp_path / name, codec, variable=variable)
    check_numbers(path, tmp_path / "cache")


def test_every_image_of_a_folder_bears_its_number(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for k, image in enumerate(open_video(numbered_video(tmp_path / "a.mp4")).frames()):
        Image.fromarray(image).save(tmp_path / f"images/frame{k}.jpg", quality=95)
    check_numbers(tmp_path / "images", tmp_path / "cache")


def check_numbers(path: Path, folder: Path) -> None:
    order = np.random.default_rng(0).permutation(NUMBERED).tolist()
    with frames(path, folder) as served:
        for number in [*order, *range(NUMBERED), *reversed(range(NUMBERED))]:
            assert number_of(decoded(served.get(number).result(30))) == number


def test_far_from_the_keyframe(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4", group=100)
    for first in (39, 30, 25):
        with frames(path, tmp_path / str(first)) as served:
            for number in (first, 2, 38):
                assert number_of(decoded(served.get(number).result(30))) == number


def test_many_ask_at_once(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4")
    order = np.random.default_rng(1).integers(0, NUMBERED, 100).tolist()
    with frames(path, tmp_path / "cache", walk=True) as served:
        asked = [(number, served.get(number)) for number in order]
        for number, future in asked:
            assert number_of(decoded(future.result(30))) == number


def test_reading_goes_on_to_the_next_keyframe(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4")  # a keyframe every 12
    assert open_video(path).group(15) == range(12, 24)
    with frames(path, tmp_path / "cache") as served:
        served.get(15).result(30)
        kept = {f"{n:07d}.jpg" for n in range(12, 24)}
        until = time.monotonic() + 60
        while {f.name for f in (tmp_path / "cache").iterdir()} != kept:
            assert time.monotonic() < until, sorted((tmp_path / "cache").iterdir())
            time.sleep(0.01)


def test_the_folder_is_bounded_and_known_again(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4")
    with frames(path, tmp_path / "cache") as served:
        size = max(len(served.get(n).result(30)) for n in range(NUMBERED))
    limit = 10 * size
    with frames(path, tmp_path / "small", limit, walk=True) as served:
        for number in range(NUMBERED):
            assert number_of(decoded(served.get(number).result(30))) == number
    total = sum(f.stat().st_size for f in (tmp_path / "small").iterdir())
    assert size < total <= limit
    again = FileCache(tmp_path / "small", limit // 2)
    assert again.bytes <= limit // 2
    assert again.bytes == sum(f.stat().st_size for f in (tmp_path / "small").iterdir())


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "c", 30)
    for name in "abc":
        cache.put(name, b"x" * 10)
    assert cache.get("a") == b"x" * 10
    cache.put("d", b"y" * 10)
    assert "b" not in cache and all(name in cache for name in "acd")
    (tmp_path / "c/a").unlink()
    assert cache.get("a") is None and cache.bytes == 20


def test_large_frames_are_reduced_unless_asked_for_in_full(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, LONG_SIDE * 2, 3), np.uint8)).save(tmp_path / "wide.png")
    with frames(tmp_path / "wide.png", tmp_path / "cache") as served:
        assert decoded(served.get(0).result(30)).shape == (4, LONG_SIDE, 3)
        assert decoded(served.get(0, full=True).result(30)).shape == (8, LONG_SIDE * 2, 3)


def test_a_damaged_frame_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for n in range(4):
        Image.fromarray(np.full((16, 16, 3), 60 * n, np.uint8)).save(tmp_path / f"v/{n}.png")
    reader = open_video(tmp_path / "v")
    (tmp_path / "v/2.png").write_bytes(b"no image")
    served = Frames(reader, tmp_path / "cache", walk=True)
    with pytest.raises(InputError, match=r"2\.png"):
        served.get(2).result(30)
    assert decoded(served.get(3).result(30)).mean() == pytest.approx(180, abs=2)
    served.close()


def test_frames_over_the_web(page: Page) -> None:
    answer = page.client.get("/api/frames/3.jpg")
    assert answer.headers["x-frame"] == "3" and "immutable" in answer.headers["cache-control"]
    assert decoded(answer.content).shape == (64, 96, 3)
    assert page.client.get("/api/frames/8.jpg").status_code == 404
    assert page.client.get("/api/frames/-1.jpg").status_code == 422
