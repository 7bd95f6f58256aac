"""Folders of images of which a frame cannot be read: left out, and said so, in whatever way."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from patterns import moving_pattern, write_folder
from PIL import Image

from pixelkin.data.flaws import flaw_in
from pixelkin.data.index import index_videos, source_of
from pixelkin.types import InputError
from pixelkin.video.reader import open_video

FRAMES = moving_pattern(6, 40, 56, seed=5)


def folder_of(root: Path, suffix: str = "png") -> Path:
    root.mkdir(parents=True)
    for i, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(root / f"{i:05d}.{suffix}")
    return root


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "ppm"])
def test_a_frame_that_is_cut_off_is_found(tmp_path: Path, suffix: str) -> None:
    folder = folder_of(tmp_path / "video", suffix)
    assert flaw_in(open_video(folder)) is None
    cut(folder / f"00003.{suffix}")
    flaw = flaw_in(open_video(folder))
    assert flaw is not None and f"video/00003.{suffix}" in flaw


def test_a_frame_of_another_size_is_found(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "video")
    Image.fromarray(FRAMES[0][:20]).save(folder / "00002.png")
    flaw = flaw_in(open_video(folder))
    assert flaw is not None and "frame 00002 is 56x20, the first one 56x40 (WxH)" in flaw


def test_what_can_be_read_is_no_flaw(tmp_path: Path) -> None:
    """Bytes after the end of a picture; another size that is turned into the first one's."""
    folder = folder_of(tmp_path / "video", "jpg")
    with (folder / "00001.jpg").open("ab") as file:
        file.write(b"of some camera")
    turned = Image.fromarray(np.rot90(FRAMES[4]).copy())
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "00004.jpg", exif=exif)
    assert flaw_in(open_video(folder)) is None


def test_a_frame_that_is_turned_to_another_size_is_found(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "video", "jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(FRAMES[4]).save(folder / "00004.jpg", exif=exif)
    flaw = flaw_in(open_video(folder))
    assert flaw is not None and "frame 00004 is 40x56, the first one 56x40 (WxH)" in flaw


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif"])
def test_whole_frames_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    reader = open_video(folder_of(tmp_path / "video", suffix))
    for name in ("load", "tobytes"):
        monkeypatch.setattr(Image.Image, name, lambda self, *_: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert flaw_in(reader) is None


def test_such_folders_are_left_out_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, cache = tmp_path / "videos", tmp_path / "index.json"
    for name in ("cut", "mixed", "whole"):
        write_folder(root / name, FRAMES)
    cut(root / "cut/00003.png")
    Image.fromarray(FRAMES[0][:20]).save(root / "mixed/00002.png")
    for _ in range(2):  # looked at, and remembered
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert [s.name for s in index_videos([root], cache)] == ["whole"]
        first, second = (record.getMessage() for record in caplog.records)
        assert first.startswith(f"left out {root / 'cut'}: ") and "cut/00003.png" in first
        assert second.startswith(f"left out {root / 'mixed'}: frame 00002 is 56x20")
    named: dict[str, str] = {}
    index_videos([root], cache, unreadable=named)
    assert set(named) == {"cut", "mixed"}
    found = index_videos([root], cache, flawed=True)
    assert [s.name for s in found] == ["cut", "mixed", "whole"]
    write_folder(root / "cut", FRAMES)
    assert [s.name for s in index_videos([root], cache)] == ["cut", "whole"]


def test_a_video_that_is_named_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "video")
    assert source_of(folder).frames == 6
    cut(folder / "00003.png")
    with pytest.raises(InputError, match=r"cannot read the image .*00003\.png: .*truncated"):
        source_of(folder)
