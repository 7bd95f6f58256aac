from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pixelkin.files import write_json
from pixelkin.types import InputError
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter, write_image


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def moving_square(number: int, size: tuple[int, int]) -> np.ndarray:
    frame = np.full((*size, 3), (200, 120, 40), np.uint8)
    frame[4:12, 2 + number : 10 + number] = (20, 90, 220)
    return frame


@pytest.mark.parametrize("size", [(32, 48), (33, 48), (32, 49), (33, 49)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_round_trip(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"out{suffix}"
    frames = [moving_square(number, size) for number in range(20)]
    with VideoWriter(path, 30000 / 1001, size) as writer:
        for frame in frames:
            writer.write(frame)
        assert not path.exists()
    assert names(tmp_path) == [path.name]
    video = open_video(path)
    assert len(video) == 20
    assert video.info.fps == pytest.approx(30000 / 1001)
    assert (video.info.height, video.info.width) == (32 + 2 * (size[0] % 2), 48 + 2 * (size[1] % 2))
    for frame, read in zip(frames, video, strict=True):
        error = read[: size[0], : size[1]].astype(int) - frame
        assert np.abs(error).mean() < 4
        assert np.abs(error[20:, 20:]).max() <= 3  # flat colours survive: the matrix is agreed on


def test_the_last_row_and_column_are_repeated(tmp_path: Path) -> None:
    frame = moving_square(0, (33, 49))
    frame[-1], frame[:, -1] = (10, 200, 10), (10, 200, 10)
    with VideoWriter(tmp_path / "a.mp4", 25, (33, 49), crf=1) as writer:
        writer.write(frame)
    read = open_video(tmp_path / "a.mp4")[0].astype(int)
    assert np.abs(read[33, :40] - (10, 200, 10)).mean() < 30
    assert np.abs(read[:30, 49] - (10, 200, 10)).mean() < 30


def test_what_browsers_need(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25, (32, 48)) as writer:
        writer.write(moving_square(0, (32, 48)))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert context.name == ("h264" if "libx264" in av.codecs_available else "mpeg4")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    data = path.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")


def test_without_libx264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    frames = [moving_square(number, (32, 48)) for number in range(5)]
    with VideoWriter(tmp_path / "a.mp4", 25, (32, 48)) as writer:
        for frame in frames:
            writer.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    read = list(open_video(tmp_path / "a.mp4"))
    assert np.abs(np.subtract(read, frames, dtype=int)).mean() < 5


@pytest.mark.parametrize("written", [0, 1, 30])
def test_an_exception_leaves_nothing(tmp_path: Path, written: int) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    with (
        pytest.raises(KeyError, match="mine"),
        VideoWriter(path, 25, (32, 48)) as writer,
    ):
        for number in range(written):
            writer.write(moving_square(number, (32, 48)))
        raise KeyError("mine")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.mp4"]


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 25, (4, 4)):
        pass
    for frame in (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8)):
        with (
            pytest.raises(ValueError, match="4x4x3 uint8"),
            VideoWriter(tmp_path / "a.mp4", 25, (4, 4)) as writer,
        ):
            writer.write(frame)
    assert not names(tmp_path)
    with pytest.raises(InputError, match=r"\.mp4"):
        VideoWriter(tmp_path / "a.wmv", 25, (4, 4))
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="fps"):
            VideoWriter(tmp_path / "a.mp4", fps, (4, 4))


def test_images(tmp_path: Path) -> None:
    frame = moving_square(0, (32, 48))
    write_image(tmp_path / "a.png", frame)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), frame)
    write_image(tmp_path / "a.jpg", frame)
    assert np.abs(np.asarray(Image.open(tmp_path / "a.jpg")).astype(int) - frame).mean() < 3
    write_image(tmp_path / "g.png", frame[..., 0])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "g.png")), frame[..., 0])
    with pytest.raises(InputError, match=r"\.png"):
        write_image(tmp_path / "a.mp4", frame)
    with pytest.raises(TypeError):
        write_image(tmp_path / "b.png", np.zeros((4, 4, 7), np.uint8))
    assert names(tmp_path) == ["a.jpg", "a.png", "g.png"]


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"n": np.int64(3), "x": np.float32(0.5), "a": np.arange(3), "s": "ü"})
    assert json.loads(path.read_text("utf-8")) == {"n": 3, "x": 0.5, "a": [0, 1, 2], "s": "ü"}
    for bad in (float("nan"), np.float64("inf")):
        with pytest.raises(ValueError):
            write_json(path, [bad])
    assert json.loads(path.read_text("utf-8"))["n"] == 3
    write_json(path, [1, 2], indent=None)
    assert path.read_text() == "[1, 2]\n"
