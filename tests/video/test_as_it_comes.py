"""What FFmpeg plays is what is read: number and pixels of the frames, however they are reached."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from matrix import HURT, WHOLE, Case, make
from numpy.typing import NDArray

from pixelkin.video.pixels import ACCURATE
from pixelkin.video.reader import open_video

FFMPEG = shutil.which("ffmpeg")
CASES = (*WHOLE, *HURT)
NO_ENCODER = "this FFmpeg has no encoder"


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """All frames that a plain loop over the packets gives, one thread, no seeking."""
    frames: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                found = packet.decode()
            except av.FFmpegError:
                continue
            frames += [f.to_ndarray(format="rgb24", interpolation=ACCURATE) for f in found]
    return frames


def played(path: Path, size: tuple[int, int], chroma: str) -> NDArray[np.uint8]:
    """All frames that FFmpeg's own program writes, by the conversion to RGB that PyAV has.

    Unasked, the program takes chroma for centred, where PyAV goes by what the frames state.
    """
    assert FFMPEG is not None
    flags = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    convert = f"scale=flags={flags}:in_chroma_loc={chroma},format=rgb24"
    command = [FFMPEG, "-v", "quiet", "-threads", "1", "-i", path, "-fps_mode", "passthrough",
               "-vf", convert, "-f", "rawvideo", "-"]  # fmt: skip
    raw = subprocess.run(command, capture_output=True, check=False).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


def ids(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


@pytest.fixture(params=CASES, ids=ids(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    one: Case = request.param
    if not one.has_encoder:
        pytest.skip(f"{NO_ENCODER} {one.codec}")
    return one


def test_every_frame_is_the_one_that_ffmpeg_plays(case: Case, tmp_path: Path) -> None:
    path = make(case, tmp_path)
    expected = decoded(path)
    video = open_video(path, held_bytes=60_000)  # so that reading backwards takes many parts
    assert len(video) == video.info.frames == len(expected) > 0
    if case.damage is None:
        assert len(video) == 40
        assert video.note is None
    np.testing.assert_array_equal(list(video.frames()), expected)
    np.testing.assert_array_equal(list(video.frames(step=-1)), expected[::-1])
    count = len(expected)
    for number in (count - 1, 0, count // 2, count // 3, count // 2 + 1):
        np.testing.assert_array_equal(video[number], expected[number])
    np.testing.assert_array_equal(list(video.frames(1, None, 19)), expected[1::19])


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg on the PATH")
def test_frames_are_those_of_the_program_itself(case: Case, tmp_path: Path) -> None:
    path = make(case, tmp_path)
    video = open_video(path)
    frames = np.array(list(video)).astype(int)
    apart = []
    for chroma in ("auto", "left"):
        expected = played(path, video.info.size, chroma)
        assert len(video) == len(expected)
        apart.append(np.abs(frames - expected).max())
    assert min(apart) <= 3  # versions of FFmpeg round differently


def test_most_of_the_matrix_can_be_made() -> None:
    assert sum(one.has_encoder for one in CASES) >= 45
