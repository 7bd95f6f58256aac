"""Runs that go on after their inputs were touched, moved or changed: content decides."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from moving_square import FRAMES, results, square
from PIL import Image

from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError
from pixelkin.video.writer import VideoWriter


class Killed(Exception):
    pass


def run(video: Path, out: Path, *, stop: int | None = None, **how: object) -> int:
    """How many frames were there, of a run that may be stopped."""

    def progress(done: int, total: int) -> None:
        if done == stop:
            raise Killed

    how = {"labels": square(0), "encoder": "lab"} | how
    return propagate_to_folder(video, out=out, progress=progress, **how).resumed  # type: ignore[arg-type]


@pytest.fixture
def frames(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "frames"))


@pytest.fixture
def movie(folder: Path, tmp_path: Path) -> Path:
    pictures = [np.asarray(Image.open(p).convert("RGB")) for p in sorted(folder.iterdir())]
    with VideoWriter(tmp_path / "movie.mp4", 10, pictures[0].shape[:2]) as writer:
        for picture in pictures:
            writer.write(picture)
    return tmp_path / "movie.mp4"


@pytest.mark.parametrize("kind", ["frames", "movie"])
def test_a_video_that_was_moved_and_touched_is_the_same(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    video: Path = request.getfixturevalue(kind)
    with pytest.raises(Killed):
        run(video, tmp_path / "o", stop=17)
    moved = video.rename(tmp_path / f"elsewhere{video.suffix}")
    for path in [moved, *moved.rglob("*")]:
        os.utime(path, (1, 1))
    assert run(moved, tmp_path / "o") == 10
    run(moved, tmp_path / "whole")
    assert results(tmp_path / "o") == results(tmp_path / "whole")
    assert run(moved, tmp_path / "o", reuse=True) == FRAMES


def test_a_frame_of_the_same_size_and_time_is_another_one(frames: Path, tmp_path: Path) -> None:
    path = frames / "00020.png"
    picture = Image.open(path).convert("RGB")
    picture.save(path, compress_level=0)
    before = path.stat()
    run(frames, tmp_path / "o", labels={0: square(0), 6: square(6)})
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, compress_level=0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    labels = {0: square(0), 6: square(6)}
    with pytest.raises(InputError, match=r"of other frames \(00020\): --overwrite replaces what"):
        run(frames, tmp_path / "o", labels=labels)
    # The pass before the second keyframe has nothing of it.
    assert run(frames, tmp_path / "o", labels=labels, overwrite=True) == 6
    run(frames, tmp_path / "whole", labels=labels)
    assert results(tmp_path / "o") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoder": "random"}, "another encoder"),
        ({"protocol": "vip"}, "another protocol"),
        ({"labels": square(3)}, "with other labels"),
        ({"over_cuts": True}, "another over_cuts"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_was_changed_is_named(
    frames: Path, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    with pytest.raises(Killed):
        run(frames, tmp_path / "o", stop=12)
    with pytest.raises(InputError, match=named):
        run(frames, tmp_path / "o", **change)
    assert run(frames, tmp_path / "o") == 10  # that was no harm to what is there


def test_another_movie_of_the_same_size_is_named(movie: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(movie, tmp_path / "o", stop=12)
    content, before = bytearray(movie.read_bytes()), movie.stat()
    content[-1] ^= 1  # in the index at its end, or its padding
    movie.write_bytes(content)
    os.utime(movie, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match="another video"):
        run(movie, tmp_path / "o")
