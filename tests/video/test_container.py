"""Video files: every frame carries its own number, drawn as black and white blocks."""

from __future__ import annotations

import os
import pickle
import re
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pixelkin.types import InputError
from pixelkin.video import container as container_module
from pixelkin.video import numbering
from pixelkin.video.container import VideoFile, backward_parts
from pixelkin.video.numbering import index_file
from pixelkin.video.pixels import ACCURATE
from pixelkin.video.reader import VideoReader, open_video

BITS = 6
FRAMES = 40


def number_of(frame: NDArray[np.uint8]) -> int:
    return sum(int(frame[4, 8 * bit + 4, 0] > 128) << bit for bit in range(BITS))


def numbered_frame(number: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3))
    moved = np.roll(coarse, number // 3, axis=1)
    frame = np.kron(moved, np.ones((8, 8, 1))).astype(np.uint8)
    frame[:8] = 0
    for bit in range(BITS):
        frame[:8, 8 * bit : 8 * bit + 8] = 255 * (number >> bit & 1)
    return frame


def make_video(
    path: Path, codec: str = "libx264", *, size: tuple[int, int] = (48, 64), **options: str
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    faststart = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", "bf": "2"} | options)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(numbered_frame(number, *size), format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def frame_bytes(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(plane.buffer_size for plane in next(container.decode(video=0)).planes)


def holding(path: Path, most: int) -> VideoReader:
    """A reader that holds at most so many frames when it reads backwards."""
    return open_video(path, held_bytes=most * frame_bytes(path))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("plain") / "plain.mp4")


KINDS = {
    "mp4": ("a.mp4", "libx264", {}),
    "mov": ("a.mov", "libx264", {}),
    "mkv": ("a.mkv", "libx264", {}),
    "webm": ("a.webm", "libvpx-vp9", {"lag-in-frames": "16", "auto-alt-ref": "1"}),
    "vp8": ("b.webm", "libvpx", {"lag-in-frames": "16", "auto-alt-ref": "1"}),
    "avi": ("a.avi", "mpeg4", {}),
    "avi_without_times": ("b.avi", "libx264", {}),
    "ts": ("a.ts", "libx264", {}),
    "raw": ("a.h264", "libx264", {}),
    "fragments": ("f.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "open_gop": ("o.mp4", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    "short_gop": ("s.mp4", "libx264", {"x264-params": "keyint=3:min-keyint=1:scenecut=0"}),
    "intra_only": ("i.mp4", "libx264", {"x264-params": "keyint=1"}),
    "false_keyframes": ("r.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=12"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_exact_however_they_are_reached(kind: str, tmp_path: Path) -> None:
    name, codec, options = KINDS[kind]
    path = make_video(tmp_path / name, codec, **options)
    with av.open(str(path)) as container:
        accurate = {"format": "rgb24", "interpolation": ACCURATE}
        sequential = [f.to_ndarray(**accurate) for f in container.decode(video=0)]
    assert [number_of(frame) for frame in sequential] == list(range(FRAMES))

    video = open_video(path)
    forward = list(video.frames())
    assert len(video) == video.info.frames == FRAMES
    assert video.info.fps == pytest.approx(25)
    assert [number_of(frame) for frame in forward] == list(range(FRAMES))
    np.testing.assert_array_equal(forward, sequential)
    for number in (39, 0, 11, 12, 13, 25, 2, 38, 24, 23):
        np.testing.assert_array_equal(video[number], forward[number])
    for most in (1, 5, 1000):
        video = holding(path, most)
        np.testing.assert_array_equal(list(video.frames(step=-1)), forward[::-1])
        np.testing.assert_array_equal(list(video.frames(37, 4, -5)), forward[37:4:-5])
    np.testing.assert_array_equal(list(video.frames(1, None, 19)), forward[1::19])


def test_the_video_under_test_has_b_frames(plain: Path) -> None:
    with av.open(str(plain)) as container:
        times = [p.pts for p in container.demux(video=0) if p.size]
    assert times != sorted(times)


@given(
    start=st.none() | st.integers(-45, 45),
    stop=st.none() | st.integers(-45, 45),
    step=st.integers(-30, 30).filter(bool),
    most=st.integers(1, 50),
)
def test_frames_slice_like_a_list(
    plain: Path, start: int | None, stop: int | None, step: int, most: int
) -> None:
    video = holding(plain, most)
    numbers = [number_of(frame) for frame in video.frames(start, stop, step)]
    assert numbers == list(range(FRAMES))[start:stop:step]


@given(
    length=st.integers(0, 60),
    step=st.integers(1, 7),
    most=st.integers(1, 20),
    keys=st.sets(st.integers(1, 400)),
)
def test_backward_parts_are_bounded_and_cover_all(
    length: int, step: int, most: int, keys: set[int]
) -> None:
    wanted = range(3, 3 + length * step, step)
    parts = list(backward_parts(wanted, sorted({0} | keys), most))
    assert all(0 < len(part) <= most for part in parts)
    assert [n for part in reversed(parts) for n in part] == list(wanted)


def test_held_frames_are_bounded_in_bytes(plain: Path) -> None:
    assert VideoFile(plain, 20_000).most_held == 20_000 // frame_bytes(plain) > 1
    assert VideoFile(plain).most_held == container_module.MAX_HELD_BYTES // frame_bytes(plain)
    assert VideoFile(plain, 1).most_held == 1


def _patched(path: Path, out: Path, box: bytes, offset: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    at = data.find(box) + len(box) + offset
    data[at : at + len(content)] = content
    out.write_bytes(data)
    return out


ONE = 1 << 16
TURNS = {
    "clockwise": ((0, ONE, -ONE, 0), lambda a: np.rot90(a, -1)),
    "half": ((-ONE, 0, 0, -ONE), lambda a: np.rot90(a, 2)),
    "counterclockwise": ((0, -ONE, ONE, 0), np.rot90),
    "mirrored": ((-ONE, 0, 0, ONE), lambda a: a[:, ::-1]),
    "upside_down": ((ONE, 0, 0, -ONE), lambda a: a[::-1]),
    "transposed": ((0, ONE, ONE, 0), lambda a: a.swapaxes(0, 1)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_display_matrix_is_honoured(turn: str, plain: Path, tmp_path: Path) -> None:
    (a, b, c, d), expected = TURNS[turn]
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    video = open_video(_patched(plain, tmp_path / "turned.mp4", b"tkhd", 40, matrix))
    frame = expected(open_video(plain)[7])
    assert (video.info.height, video.info.width) == frame.shape[:2]
    np.testing.assert_array_equal(video[7], frame)
    np.testing.assert_array_equal(next(video.frames(7, 6, -1)), frame)


@pytest.mark.parametrize("hidden", [7, 12, 14, 30])
def test_edit_lists_hide_frames(hidden: int, plain: Path, tmp_path: Path) -> None:
    data = plain.read_bytes()
    at = data.find(b"elst") + 12
    duration, start = struct.unpack(">Ii", data[at : at + 8])
    edit = struct.pack(">Ii", duration - hidden * 40, start + hidden * 512)
    video = holding(_patched(plain, tmp_path / "cut.mp4", b"elst", 8, edit), 5)
    assert len(video) == FRAMES - hidden
    assert [number_of(f) for f in video.frames()] == list(range(hidden, FRAMES))
    assert [number_of(f) for f in video.frames(step=-1)] == list(range(FRAMES - 1, hidden - 1, -1))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_containers_that_call_every_frame_a_keyframe(codec: str, tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", codec, bf="0")
    # Without its table of sync samples, all samples of an mp4 count as such.
    path = tmp_path / "unsynced.mp4"
    path.write_bytes(whole.read_bytes().replace(b"stss", b"free"))
    video, expected = open_video(path), list(open_video(whole).frames())
    for number in (39, 14, 23, 24, 25, 1):
        np.testing.assert_array_equal(video[number], expected[number])


def test_what_decoding_found_is_kept(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the file changes, or what is kept is damaged."""
    monkeypatch.setenv("PIXELKIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(numbering, "KEPT_FROM", 0.0)
    path, decodings = tmp_path / "a.mp4", []
    path.write_bytes(plain.read_bytes())
    decode = numbering.decoded
    monkeypatch.setattr(numbering, "decoded", lambda *given: decodings.append(1) or decode(*given))
    first = index_file(path, check=True)
    assert index_file(path, check=True) == first and len(decodings) == 1
    (kept,) = (tmp_path / "cache/videos").iterdir()
    kept.write_text(kept.read_text()[:90])
    assert index_file(path, check=True) == first and len(decodings) == 2
    os.utime(path, (1, 1))
    assert index_file(path, check=True) == first and len(decodings) == 3
    monkeypatch.setenv("PIXELKIN_CACHE", str(path))  # cannot be written to
    assert index_file(path, check=True) == first and len(decodings) == 4


def test_readers_survive_pickling(plain: Path) -> None:
    video = pickle.loads(pickle.dumps(open_video(plain)))
    assert number_of(video[21]) == 21


def _one_line(error: pytest.ExceptionInfo[InputError], path: Path) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", ["a.mp4", "end.mp4", "a.mov", "a.mkv", "a.webm", "a.avi"])
def test_cut_off_videos(name: str, share: float, tmp_path: Path) -> None:
    """They are read as far as they go, or refused where nothing can be read; both is said."""
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    whole = make_video(tmp_path / name, codec, **options).read_bytes()
    path = tmp_path / f"cut{Path(name).suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    playable = name not in ("end.mp4", "a.mov") and share > 0.1  # their index is at the end
    try:
        video = open_video(path)
    except InputError as error:
        assert not playable or name in ("a.mp4", "a.avi")  # half of it holds not one frame
        said = str(error)
        assert "\n" not in said and str(path) in said
    else:
        assert playable and video.note is not None
        said = video.note
        numbers = [number_of(f) for f in video]
        assert numbers == sorted(set(numbers)) and numbers[0] == 0
    stated = re.search(r"cut off: ([\d,]+) bytes", said)
    assert stated is not None
    missing, claimed = len(whole) - path.stat().st_size, int(stated[1].replace(",", ""))
    assert 0 < claimed <= missing
    if name in ("a.mkv", "a.webm"):
        assert claimed == missing


def test_damage_in_the_middle_names_the_frame(plain: Path, tmp_path: Path) -> None:
    with av.open(str(plain)) as container:
        packets = [(p.pos, p.size, p.pts) for p in container.demux(video=0) if p.size]
    position, size, time = packets[20]
    lost = sorted(p[2] for p in packets).index(time)
    data = bytearray(plain.read_bytes())
    data[position : position + size] = bytes(size)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    video = open_video(path)
    assert f"1 packet is damaged and skipped: after frame {lost - 1}" in str(video.note)
    numbers = [number_of(f) for f in video]  # until the next keyframe some may be wrong
    assert len(numbers) == FRAMES - 1
    assert numbers[:lost] + numbers[23:] == [*range(lost), *range(24, FRAMES)]
    assert number_of(video[30]) == 31
    with pytest.raises(InputError) as error:  # as training reads, which leaves such clips out
        list(open_video(path, check=False).frames())
    assert f"frame {lost} of 40 cannot be decoded" in _one_line(error, path)


@pytest.mark.parametrize(
    "content",
    [b"", b"this is no video\n" * 50, bytes(1000), b"\x1a\x45\xdf\xa3", b"RIFF", b"\0\0\0\x18ftyp"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".txt", ".avi", ".mkv"])
def test_files_that_are_no_videos(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        open_video(path)
    _one_line(error, path)


def test_sound_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match="holds no video"):
        open_video(path)


def test_real_videos_have_the_frames_that_their_manifest_states(shared: Path) -> None:
    folder = shared / "data" / "train"
    rows = [line.split("\t") for line in (folder / "MANIFEST.tsv").read_text().splitlines()]
    name, width, height, frames = (rows[0].index(k) for k in ("file", "width", "height", "frames"))
    for row in rows[1::150]:
        video = open_video(folder / row[name])
        assert len(video) == int(row[frames])
        assert (video.info.width, video.info.height) == (int(row[width]), int(row[height]))
        forward = list(video.frames())
        held = holding(folder / row[name], 7)
        np.testing.assert_array_equal(list(held.frames(step=-1)), forward[::-1])


def test_the_jhmdb_avi_matches_its_published_frames(shared: Path) -> None:
    folder = shared / "data" / "jhmdb_sample"
    (path,) = folder.glob("*.avi")
    video, images = open_video(path), open_video(folder / path.stem)
    assert len(video) == len(images) == 40
    for number in (0, 17, 39):
        apart = np.abs(video[number].astype(int) - images[number])
        assert apart.mean() < 4
        others = [np.abs(video[number].astype(int) - f).mean() for f in images.frames()]
        assert int(np.argmin(others)) == number
