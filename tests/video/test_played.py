"""Tracks, sizes that change, deep pixels, still pictures: as players show them."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from matrix import GOP, Case, make, picture
from numpy.typing import NDArray
from PIL import Image

from pixelkin.video.pixels import ACCURATE
from pixelkin.video.reader import open_video


def tracks(path: Path, tones: dict[int, tuple[int, int]], default: int | None) -> Path:
    """A track of 10 frames of each grey tone, of (height, width)."""
    with av.open(str(path), "w") as container:
        streams = []
        for size in tones.values():
            stream = container.add_stream("mpeg4", rate=10)
            stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
            streams.append(stream)
        for number, stream in enumerate(streams):
            shown = number == default
            stream.disposition = av.stream.Disposition.default.value if shown else 0
        for _ in range(10):
            for (tone, size), stream in zip(tones.items(), streams, strict=True):
                plain = np.full((*size, 3), tone, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(plain, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("default", [0, 1, 2])
def test_the_default_track_is_taken_whichever_it_is(tmp_path: Path, default: int) -> None:
    tones = {40: (64, 96), 120: (32, 48), 200: (48, 64)}
    video = open_video(tracks(tmp_path / "a.mkv", tones, default))
    tone, size = list(tones.items())[default]
    assert video.info.size == size
    assert all(abs(int(frame.mean()) - tone) < 3 for frame in video.frames(step=-1))
    assert f"of 3 tracks, number {default + 1} is taken" in str(video.note)


def test_of_tracks_alike_the_largest_is_taken(tmp_path: Path) -> None:
    tones = {40: (32, 48), 120: (64, 96), 200: (48, 64)}
    assert open_video(tracks(tmp_path / "a.ts", tones, None)).info.size == (64, 96)


def chained(path: Path, sizes: tuple[tuple[int, int], ...]) -> Path:
    """Streams of H.264, one behind the other, each of a size of its own."""
    content = b""
    for size in sizes:
        part = make(Case(f"part{path.suffix}", options=GOP, size=size), path.parent)
        content += part.read_bytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", ["h264", "ts"])
def test_sizes_that_change_are_scaled_to_the_first(tmp_path: Path, suffix: str) -> None:
    path = chained(tmp_path / f"a.{suffix}", ((48, 64), (96, 128), (64, 48)))
    video = open_video(path, held_bytes=50_000)
    assert (len(video), video.info.size) == (120, (48, 64))
    assert "from frame 40 on 128x96, from frame 80 on 48x64 (WxH)" in str(video.note)
    expected = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            shown = frame.reformat(64, 48, "rgb24", interpolation=ACCURATE)
            expected.append(shown.to_ndarray())
    np.testing.assert_array_equal(list(video), expected)
    np.testing.assert_array_equal(list(video.frames(step=-1)), expected[::-1])


def motion_jpeg(path: Path, pictures: list[bytes], size: tuple[int, int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = *size, "yuvj420p"
        for t, content in enumerate(pictures):
            packet = av.Packet(content)
            packet.pts = packet.dts = t
            packet.time_base, packet.stream = Fraction(1, 10), stream
            container.mux(packet)
    return path


def test_a_camera_that_is_turned_while_it_records(tmp_path: Path) -> None:
    """EXIF of another orientation in later frames: they are scaled to the first one's size."""
    pictures = []
    for orientation in (1, 1, 6, 3):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(picture(0)).save(tmp_path / "a.jpg", exif=exif, quality=95)
        pictures.append((tmp_path / "a.jpg").read_bytes())
    video = open_video(motion_jpeg(tmp_path / "a.avi", pictures, (48, 64)))
    frames = list(video)
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert np.abs(frames[3].astype(int) - np.rot90(frames[0], 2)).max() < 30


def deep(path: Path, values: NDArray[np.uint16], pixels: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = *values.shape[1:3], pixels
        for frame in values:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=pixels)))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("pixels", ["gray16le", "rgb48le"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_values_that_leave_most_of_16_bits_unused(tmp_path: Path, pixels: str, bits: int) -> None:
    channels = (3,) if pixels == "rgb48le" else ()
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**bits, (5, 24, 32, *channels)).astype(np.uint16)
    values[0] //= 3  # a dark frame stays dark
    values[3, 0, 0] = 2**bits - 1
    video = open_video(deep(tmp_path / "a.mkv", values, pixels))
    expected = values >> (bits - 8)
    expected = expected if channels else np.repeat(expected[..., None], 3, axis=3)
    apart = np.abs(np.array(list(video)).astype(int) - expected)
    assert apart.max() <= (1 if bits == 16 else 0)  # of 16 bits FFmpeg's own conversion
    assert (video.note is None) == (bits == 16)
    assert bits == 16 or f"values below {2**bits}," in str(video.note)
    unchecked = open_video(tmp_path / "a.mkv", check=False)
    np.testing.assert_array_equal(list(unchecked), list(video))


@pytest.mark.parametrize("pixels", ["gray16le", "rgb48le"])
def test_a_hot_pixel_does_not_make_the_rest_black(tmp_path: Path, pixels: str) -> None:
    channels = (3,) if pixels == "rgb48le" else ()
    values = np.random.default_rng(0).integers(0, 4000, (3, 24, 32, *channels)).astype(np.uint16)
    values[:, 5, 6] = 65535
    video = open_video(deep(tmp_path / "a.mkv", values, pixels))
    for frame in video:
        assert (frame[5, 6] == 255).all() and 100 < np.median(frame) < 150
    assert "values below 4096," in str(video.note) and "have up to 65535" in str(video.note)


def box(kind: bytes, *parts: bytes, version: int | None = None) -> bytes:
    head = b"" if version is None else struct.pack(">I", version << 24)
    content = head + b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def heic(path: Path, turns: int) -> Path:
    """One HEVC picture, to be turned counterclockwise so many times by 90 degrees."""
    case = Case("one.mp4", "libx265", {"x265-params": "keyint=1:log-level=none"}, size=(64, 128))
    if not case.has_encoder:
        pytest.skip("this FFmpeg has no encoder libx265")
    source = make(case, path.parent)
    with av.open(str(source)) as container:
        data = bytes(next(p for p in container.demux(video=0) if p.size))
    film = source.read_bytes()
    at = film.index(b"hvcC") - 4
    settings = film[at : at + struct.unpack(">I", film[at : at + 4])[0]]
    properties = box(
        b"iprp",
        box(b"ipco", settings, box(b"ispe", struct.pack(">II", 128, 64), version=0),
            box(b"irot", bytes([turns]))),
        box(b"ipma", struct.pack(">IHB", 1, 1, 3), bytes([0x81, 2, 0x83]), version=0),
    )  # fmt: skip
    entry = box(b"infe", struct.pack(">HH4sB", 1, 0, b"hvc1", 0), version=2)

    def index(offset: int) -> bytes:
        place = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(data))
        handler = box(b"hdlr", bytes(4), b"pict", bytes(13), version=0)
        primary = box(b"pitm", struct.pack(">H", 1), version=0)
        names = box(b"iinf", struct.pack(">H", 1), entry, version=0)
        return box(
            b"meta", handler, primary, names, properties, box(b"iloc", place, version=0), version=0
        )

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(head) + len(index(0)) + 8
    path.write_bytes(head + index(start) + box(b"mdat", data))
    return path


@pytest.mark.parametrize("turns", range(4))
def test_heic_that_is_turned(tmp_path: Path, turns: int) -> None:
    video = open_video(heic(tmp_path / "a.heic", turns))
    upright = open_video(heic(tmp_path / "b.heic", 0))
    assert len(video) == 1
    np.testing.assert_array_equal(video[0], np.rot90(upright[0], turns))


def test_gif_and_apng_keep_what_a_frame_leaves_as_it_was(tmp_path: Path) -> None:
    frames = []
    for t in range(5):
        one = Image.new("RGBA", (32, 24), (0, 90, 0, 255))
        one.paste((250, 10, 10, 255), (3 * t, 4, 3 * t + 8, 12))
        frames.append(one)
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name.endswith("webp") else {}
        frames[0].save(
            tmp_path / name, save_all=True, append_images=frames[1:], duration=100, **options
        )
        video = open_video(tmp_path / name)
        assert len(video) == 5
        for frame, expected in zip(video, frames, strict=True):
            apart = np.abs(frame.astype(int) - np.asarray(expected.convert("RGB")))
            assert apart.max() < 3


def test_the_picture_that_stands_in_for_an_animation_is_no_frame(tmp_path: Path) -> None:
    first, *rest = [Image.new("RGB", (16, 12), (tone, 0, 0)) for tone in (250, 40, 80, 120)]
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, default_image=True)
    assert [int(frame[0, 0, 0]) for frame in open_video(tmp_path / "a.png")] == [40, 80, 120]
