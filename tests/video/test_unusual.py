"""Videos as cameras and old programs write them: read as players read them, or one line."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pixelkin.types import InputError
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter

QUARTERS = np.zeros((48, 64, 3), np.uint8)
QUARTERS[:24, :32], QUARTERS[:24, 32:] = (220, 20, 20), (20, 220, 20)
QUARTERS[24:, :32], QUARTERS[24:, 32:] = (20, 20, 220), (230, 230, 230)


def camera(path: Path, orientation: int) -> NDArray[np.uint8]:
    """MJPEG whose frames carry EXIF; gives the picture as it is to be shown."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    file = io.BytesIO()
    Image.fromarray(QUARTERS).save(file, "JPEG", exif=exif, quality=95)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for t in range(3):
            packet = av.Packet(file.getvalue())
            packet.pts = packet.dts = t
            packet.time_base, packet.stream = Fraction(1, 10), stream
            container.mux(packet)
    return np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["avi", "mkv"])
def test_exif_in_the_frames_of_a_video(tmp_path: Path, orientation: int, suffix: str) -> None:
    expected = camera(tmp_path / f"a.{suffix}", orientation)
    frames = list(open_video(tmp_path / f"a.{suffix}"))
    assert len(frames) == 3
    for frame in frames:
        assert frame.shape == expected.shape
        assert np.abs(frame[::7, ::7].astype(int) - expected[::7, ::7]).max() < 12


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_titles_that_are_not_utf8(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a title qqqq"
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(QUARTERS, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert b"qqqq" in content
    path.write_bytes(content.replace(b"qqqq", "é€ü".encode("cp1252") + b" "))
    assert len(list(open_video(path))) == 4


def test_a_video_that_nothing_decodes_is_named(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 10, (48, 64)) as writer:
        writer.write(QUARTERS)
    content = (tmp_path / "a.mp4").read_bytes()
    assert b"avc1" in content
    (tmp_path / "b.mp4").write_bytes(content.replace(b"avc1", b"qqq1"))
    with pytest.raises(InputError, match=r"b\.mp4: FFmpeg has no decoder for its video; convert"):
        open_video(tmp_path / "b.mp4")
