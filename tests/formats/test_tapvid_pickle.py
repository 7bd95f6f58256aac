"""TAP-Vid's pickles: what numpy pickles is read, anything else is one line and runs nothing."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.formats.registry import load_annotations, probe_video, recognise
from pixelkin.types import InputError, VideoInfo

SIZE = 24, 32
LENGTH = 3


def tracks(seed: int = 0) -> dict[str, Any]:
    """As the published files have them: two points, of which one is occluded in the middle."""
    random = np.random.default_rng(seed)
    occluded = np.zeros((2, LENGTH), bool)
    occluded[1, 1] = True
    return {
        "video": random.integers(0, 255, (LENGTH, *SIZE, 3), np.uint8),
        "points": random.random((2, LENGTH, 2)).astype(np.float32),
        "occluded": occluded,
    }


def dump(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def check(path: Path, truth: dict[str, Any], video: VideoInfo | None = None) -> None:
    found = load_annotations(path, video)
    for t in range(LENGTH):
        expected = truth["points"][:, t] * SIZE[::-1] - 0.5
        expected[truth["occluded"][:, t]] = np.nan
        labels = found.frames[t][0].as_points()
        np.testing.assert_allclose(labels.points, expected, atol=1e-4)
        assert labels.kind == "points" and labels.size == SIZE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = dump(tmp_path / "a.pkl", {"horse": tracks()}, protocol)
    check(path, tracks())
    video = probe_video(path, recognise(path))
    assert (video.size, video.frames, Path(video.path).name) == (SIZE, LENGTH, "horse")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_in_any_order_of_bytes_and_axes(tmp_path: Path, protocol: int) -> None:
    given = tracks()
    given["points"] = np.asfortranarray(given["points"].astype(">f8"))
    given["occluded"] = np.asfortranarray(given["occluded"])
    check(dump(tmp_path / "a.pkl", {"horse": given}, protocol), tracks())


def test_the_video_that_is_meant_is_read(tmp_path: Path) -> None:
    path = dump(tmp_path / "a.pickle", {"horse": tracks(1), "goat": tracks(2)})
    check(path, tracks(2), VideoInfo("clips/goat.mp4", SIZE[1], SIZE[0], LENGTH))
    with pytest.raises(InputError, match=r"holds 2 videos \(horse, goat\)"):
        load_annotations(path, VideoInfo("clips/cow.mp4", SIZE[1], SIZE[0], LENGTH))
    with pytest.raises(InputError, match="horse has 3 frames, the video has 9"):
        load_annotations(path, VideoInfo("clips/horse.mp4", SIZE[1], SIZE[0], 9))
    path = dump(tmp_path / "b.pkl", [tracks(1), tracks(2)])
    check(path, tracks(2), VideoInfo("clips/1.mp4", SIZE[1], SIZE[0], LENGTH))


def test_frames_as_jpegs(tmp_path: Path) -> None:
    """Kinetics' files hold them so."""
    given = tracks()
    buffer = io.BytesIO()
    Image.new("RGB", SIZE[::-1]).save(buffer, "JPEG")
    given["video"] = [buffer.getvalue()] * LENGTH
    check(dump(tmp_path / "a.pkl", [given]), tracks())


def test_points_become_our_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = dump(tmp_path / "a.pkl", {"horse": tracks()})
    assert main(["convert", str(path), str(tmp_path / "a.npz"), "--to", "tapvid"]) == 0
    with np.load(tmp_path / "a.npz") as arrays:
        seen = ~tracks()["occluded"]
        np.testing.assert_allclose(arrays["points"][seen], tracks()["points"][seen], atol=1e-5)
        np.testing.assert_array_equal(arrays["occluded"], ~seen)


class Runs:
    """Opens a file as it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("ran",))


def patched(old: bytes, new: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        content = pickle.dumps({"horse": tracks()}, 2)
        assert old in content
        return content.replace(old, new)

    return make


def changed(**parts: object) -> Callable[[], bytes]:
    return lambda: pickle.dumps({"horse": tracks() | parts})


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "code": (lambda: pickle.dumps(Runs()), "a.pkl holds posix.mkdir: of pickles, numpy arrays"),
    "code beside arrays": (changed(note=Runs()), "holds posix.mkdir"),
    "eval": (lambda: b"cbuiltins\neval\n(S'1'\ntR.", "holds builtins.eval"),
    "numpy's own loader": (lambda: b"cnumpy\nload\n(S'a'\ntR.", "holds numpy.load"),
    "a class": (lambda: pickle.dumps(OrderedDict(a=1)), "holds collections.OrderedDict"),
    "a changed function": (lambda: RECONSTRUCT + b"}S'a'\nI1\nsb.", "changes a function"),
    "what lies outside": (lambda: b"Pname\n.", "no pickle, or damaged"),
    "objects": (changed(points=np.array([[{}]], object)), "an array of O8, must be of numbers"),
    "text": (changed(occluded=np.array(["a"])), "an array of <U1, must be of numbers"),
    "bytes that lack": (
        patched(b"K\x02K\x03K\x02\x87", b"K\x09K\x03K\x02\x87"),
        "an array of 48 bytes, must be 216",
    ),
    "a flag of numpy's": (lambda: RECONSTRUCT + b"(tR(I1\nI-5\nNI00\nS'a'\ntb.", "TAP-Vid's"),
    "cut": (lambda: pickle.dumps({"horse": tracks()})[:-50], "no pickle, or damaged"),
    "empty": (lambda: b"", "no pickle, or damaged"),
    "words": (lambda: b"hello", "no pickle, or damaged"),
    "other things": (lambda: pickle.dumps({"a": [1, 2]}), "is a pickle, but not TAP-Vid's"),
    "no videos": (lambda: pickle.dumps({}), "is a pickle, but not TAP-Vid's"),
    "a vast length": (lambda: b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f", "no pickle, or damaged"),
    "other shapes": (changed(occluded=np.zeros((2, 9), bool)), "(2, 9), must be N T 2, N T"),
    "infinite": (changed(points=np.full((2, LENGTH, 2), np.inf)), "is infinite"),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_one_line(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = BAD[case]
    Path("a.pkl").write_bytes(make())
    assert main(["convert", "a.pkl", "a.npz"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pixelkin: error: ") and said.count("\n") == 1 and words in said, said
    assert [p.name for p in tmp_path.iterdir()] == ["a.pkl"]
