"""Packs of frames: what is read back, without PyAV and bit for bit; what stays out; damage."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from patterns import moving_pattern, write_folder

from pixelkin.app.cli import main
from pixelkin.data.index import Source, digest, digest_of_files, index_videos
from pixelkin.data.packed import GROUP, Codec, open_pack, read_index
from pixelkin.data.packing import write_pack
from pixelkin.data.sources import open_source
from pixelkin.data.store import resize
from pixelkin.types import InputError
from pixelkin.video.reader import open_video

FAST = {"speed": 10}


@pytest.fixture
def sources(videos: Path, tmp_path: Path) -> list[Source]:
    return index_videos([videos], tmp_path / "index.json")


def signal_to_noise(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("codec", ["avif", "webp"])
def test_frames_come_back_in_order(sources: list[Source], tmp_path: Path, codec: Codec) -> None:
    pack = tmp_path / "some.pack"
    done = write_pack(sources, pack, codec=codec, quality=80, **FAST)
    assert (done.videos, done.frames, done.left_out) == (3, 82, {})
    assert done.nbytes == pack.stat().st_size
    found = index_videos([pack], tmp_path / "index.json")
    assert [(s.name, s.frames, s.height, s.width) for s in found] == [
        (s.name, s.frames, s.height, s.width) for s in sorted(sources, key=lambda s: s.name)
    ]
    for packed in found:
        original = next(s for s in sources if s.name == packed.name)
        reader, truth = open_source(packed), open_video(original.path)
        shown = list(reader.frames(0, packed.frames))
        assert len(shown) == original.frames  # "a" has more than one group
        for t, frame in enumerate(shown):
            # The frame itself, not a neighbour of it: the pattern slides by two pixels a frame.
            assert signal_to_noise(frame, truth[t]) > 28
            assert np.array_equal(reader[t], frame), "depends on how it was reached"
            if t:
                assert signal_to_noise(frame, truth[t - 1]) < signal_to_noise(frame, truth[t]) - 3
        assert all(map(np.array_equal, reader.frames(5, 11), shown[5:11]))


def test_large_frames_are_reduced_as_the_store_does(sources: list[Source], tmp_path: Path) -> None:
    write_pack(sources, tmp_path / "p", short_side=40, codec="webp", quality=100)
    video = open_pack(tmp_path / "p")["JPEGImages/c"]
    assert (video.height, video.width) == (40, 60)
    source = next(s for s in sources if s.name == "JPEGImages/c")
    truth = resize(open_video(source.path)[3], (40, 60))
    assert signal_to_noise(video[3].mean(2), truth.mean(2)) > 33  # colours have half the detail


def test_a_limit_is_kept_and_names_what_it_costs(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    for k in range(4):
        write_folder(folder / f"v{k}", moving_pattern(GROUP + 12, 48, 64, seed=k))
    sources = index_videos([folder], tmp_path / "index.json")
    fine = {**FAST, "quality": 95}
    write_pack(sources, tmp_path / "all", **fine)
    whole = (tmp_path / "all").stat().st_size
    limit = 0.8 * whole / 2**20
    seen: list[tuple[int, int]] = []
    done = write_pack(
        sources, tmp_path / "less", limit_mb=limit, progress=lambda *x: seen.append(x), **fine
    )
    assert done.nbytes <= limit * 2**20
    assert done.left_out == read_index(tmp_path / "less")["left_out"]
    packed = open_pack(tmp_path / "less")
    # All videos have their beginning before any has more.
    lengths = {name: len(video) for name, video in packed.items()}
    assert set(lengths.values()) <= {GROUP, GROUP + 12}
    assert set(done.left_out) == {f"v{k}" for k in range(4) if lengths[f"v{k}"] == GROUP} != set()
    assert all(f"from frame {GROUP} on" in why for why in done.left_out.values())
    assert sum(lengths.values()) == done.frames
    assert seen[-1][0] <= seen[-1][1] == 4 * (GROUP + 12)
    with pytest.raises(InputError, match="nothing was packed: all of its 60 frames: no room"):
        write_pack(sources, tmp_path / "none", limit_mb=0.001, **FAST)
    assert not (tmp_path / "none").exists()
    assert not list(tmp_path.glob(".none*"))


def test_what_cannot_be_read_is_named(sources: list[Source], tmp_path: Path) -> None:
    gone = Source(**{**vars(sources[0]), "path": "/not/there.mp4", "name": "gone"})
    done = write_pack([*sources, gone], tmp_path / "p", **FAST)
    assert done.videos == 3
    assert list(done.left_out) == ["gone"]
    assert "no such file" in done.left_out["gone"]
    with pytest.raises(InputError, match=r"2 of the videos are called a.mp4: pack them apart"):
        write_pack([*sources, sources[0]], tmp_path / "q", **FAST)


def test_damage_is_noticed(sources: list[Source], tmp_path: Path) -> None:
    pack = tmp_path / "p"
    write_pack(sources, pack, **FAST)
    group = open_pack(pack)["a.mp4"].groups[0]
    content = bytearray(pack.read_bytes())
    content[group.offset[0] + 100] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    video = open_pack(tmp_path / "damaged")["a.mp4"]
    with pytest.raises(InputError, match=r"frames of a.mp4 are damaged: their checksum"):
        video[0]
    assert zipfile.ZipFile(pack).testzip() is None  # others can read it, too
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not a pack of frames"):
        open_pack(tmp_path / "cut")


def test_digests_are_of_the_content(sources: list[Source], tmp_path: Path) -> None:
    """Not of place or time: a copy of a pack is the same data, another quality is not."""
    index = tmp_path / "index.json"
    for name, quality in (("one", 40), ("three", 60)):
        write_pack(sources, tmp_path / name, quality=quality, **FAST)
    shutil.copy(tmp_path / "one", tmp_path / "two")
    one, two, three = (index_videos([tmp_path / n], index) for n in ("one", "two", "three"))
    assert digest(one) == digest(two) == digest(three)
    assert digest_of_files(one) == digest_of_files(two) != digest_of_files(three)
    assert len(index_videos([tmp_path / "one"], index, exclude=("deep/*",))) == 2


def test_command(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "videos.pack"
    assert main(["data", "pack", str(videos), str(out), "--speed", "10", "--limit-mb", "1"]) == 0
    assert "3 videos, 82 frames" in capsys.readouterr().out
    assert main(["data", "pack", str(videos), str(out)]) == 2
    assert "exists: --overwrite replaces it" in capsys.readouterr().err
    assert main(["data", "pack", str(out)]) == 2
    assert main(["data", "unpack"]) == 2


def test_command_says_what_is_left_out(videos: Path, tmp_path: Path) -> None:
    """In a file that is of this pack and no other, and written over nobody's."""
    out, told = tmp_path / "videos.pack", tmp_path / "videos.pack.left_out.txt"
    command = ["data", "pack", str(videos), str(out), "--speed", "10"]
    told.write_text("my own")
    assert main([*command, "--limit-mb", "0.02"]) == 2
    assert told.read_text() == "my own"
    assert not out.exists()
    told.unlink()
    assert main([*command, "--limit-mb", "0.02"]) == 0
    left_out = [f"{k}: {why}" for k, why in read_index(out)["left_out"].items()]
    lines = told.read_text().splitlines()
    unreadable = [line for line in lines if line.startswith(("broken.mp4: ", "cut.mp4: "))]
    assert lines == sorted(left_out + unreadable)
    assert left_out
    assert "cannot be read" in unreadable[0] and "is cut off" in unreadable[1]
    assert main([*command, "--overwrite"]) == 0
    assert read_index(out)["left_out"] == {}
    assert told.read_text().splitlines() == unreadable
    assert main([*command, "--overwrite", "--exclude", "broken*,cut*"]) == 0
    assert not told.exists()


def test_command_replaces_packs_alone(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = shutil.copy(videos / "a.mp4", tmp_path)
    before = Path(last).read_bytes()
    assert main(["data", "pack", str(videos), str(last), "--overwrite"]) == 2
    assert "no pack, so it is not replaced" in capsys.readouterr().err
    assert Path(last).read_bytes() == before


def test_packs_are_read_without_pyav(sources: list[Source], tmp_path: Path) -> None:
    pack = tmp_path / "p"
    write_pack(sources, pack, **FAST)
    code = f"""
import sys
sys.modules["av"] = None  # as if it were not installed
from pathlib import Path
from pixelkin.data.packed import open_pack
from pixelkin.video.reader import open_video
from pixelkin.types import InputError
print(sum(frame.shape[0] > 0 for v in open_pack(Path({str(pack)!r})).values()
          for frame in v.frames(0, len(v))))
try:
    open_video({sources[0].path!r})
except InputError as error:
    print(error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frames, error = shown.stdout.splitlines()
    assert int(frames) == 82
    assert "video files need PyAV (pip install av)" in error
