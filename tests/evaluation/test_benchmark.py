"""What every benchmark does, whichever it is: the truth is read once, names stay in, Python."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from scenes import save_text
from trees import FRAMES, OPTIONS, TREES

import pixelkin
from pixelkin.app.cli import main
from pixelkin.evaluation.benchmark import Benchmark, Result, Store
from pixelkin.evaluation.davis import DavisVideo
from pixelkin.evaluation.registry import BENCHMARKS, benchmark_class, make_benchmark
from pixelkin.evaluation.run import run_benchmark, score_maps
from pixelkin.evaluation.videos import Video
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels

NAMES = list(BENCHMARKS)
TRUTH = (".png", ".mat", ".json", ".txt")
Opened = Callable[[], AbstractContextManager[Counter[str]]]
RECORDS: list[Counter[str]] = []  # where opens are counted, while somebody wants to know


def record(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and RECORDS:
        RECORDS[-1][str(arguments[0])] += 1


@pytest.fixture(scope="session")
def opened() -> Opened:
    """A context in which Python counts the files that are opened, by path."""
    sys.addaudithook(record)  # cannot be taken back, but is idle outside of the context

    @contextmanager
    def counting() -> Iterator[Counter[str]]:
        RECORDS.append(Counter())
        try:
            yield RECORDS[-1]
        finally:
            RECORDS.pop()

    return counting


def command(name: str, root: Path, *arguments: str) -> list[str]:
    options = [f"--{key}={value}" for key, value in OPTIONS.get(name, {}).items()]
    return ["evaluate", name, "--root", str(root), *options, "--weights", "lab", *arguments]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(name: str, tmp_path: Path) -> Path:
    return TREES[name](tmp_path / "data")


def is_truth(path: Path) -> bool:
    return path.suffix in TRUTH and "Rename_Images" not in path.parts


@pytest.mark.parametrize("drawn", [(), ("--out", "out", "--videos")])
def test_each_file_of_the_truth_is_read_once(
    name: str,
    root: Path,
    tmp_path: Path,
    opened: Opened,
    drawn: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lists, masks and joints."""
    monkeypatch.chdir(tmp_path)
    with opened() as counts:
        assert main(command(name, root, *drawn)) == 0
    known = {path for path in root.rglob("*") if path.is_file() and is_truth(path)}
    if not drawn:  # what is there to be looked at alone
        known = {path for path in known if "puppet_mask" not in path.parts}
        if name == "davis":  # whose last frames are not scored
            known = {path for path in known if path.stem != f"{FRAMES - 1:05d}"}
    assert len(known) >= (3 if name == "jhmdb" else 2 * (FRAMES - 1) + 1)
    digested = {path for path in known if path.suffix == ".mat" and "joint_positions" in path.parts}
    assert {path.relative_to(root).as_posix(): counts[str(path)] for path in known} == {
        path.relative_to(root).as_posix(): 1 + (path in digested) for path in known
    }


def test_what_is_held_out_is_read_once_too(tmp_path: Path, opened: Opened) -> None:
    root = TREES["youtube_vos"](tmp_path / "data")
    with opened() as counts:
        assert main(command("youtube_vos", root, "--hold-out", "2", "--unseen", "dog")) == 0
    assert counts[str(root / "train/meta.json")] == 1


def test_scoring_reads_the_truth_once(tmp_path: Path, opened: Opened) -> None:
    root = TREES["davis"](tmp_path / "data")
    folder = root / "Annotations/480p"
    with opened() as counts:
        assert main(["evaluate", "davis", "--root", str(root), "--results", str(folder)]) == 0
    first = sorted(folder.rglob("00000.png"))
    assert [counts[str(path)] for path in first] == [1, 1]


EVIL = ["../../evil", "..", "/abs/path", "a/../../b", "C:\\evil", "a\nb", "./", "\\\\server\\share"]


def spoil(name: str, root: Path, evil: str) -> None:
    """Have the data set's own list name a video `evil`, as it is or as one of its parts."""
    if name == "youtube_vos":
        meta = json.loads((root / "train/meta.json").read_text())
        meta["videos"][evil] = meta["videos"]["one"]
        save_text(root / "train/meta.json", json.dumps(meta))
        return
    lists = {"davis": "ImageSets/2017/val.txt", "vip": "lists/val_videos.txt"}
    path = root / lists.get(name, "splits/catch_test_split1.txt")
    path.write_text(path.read_text() + f"\n{evil}{'' if name in lists else ' 2'}\n")


@pytest.mark.parametrize("evil", EVIL)
def test_names_that_lead_out_are_refused_by_youtube_vos(
    evil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = TREES["youtube_vos"](tmp_path / "in/data")
    spoil("youtube_vos", root, evil)
    before = sorted(tmp_path.rglob("*"))
    assert main(command("youtube_vos", root, "--out", str(tmp_path / "in/out"))) == 2
    error = capsys.readouterr().err
    assert f"has the name {evil!r}, which may lead out" in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_lead_out_are_refused_by_every_benchmark(
    name: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(name, root, "..")
    before = sorted(tmp_path.rglob("*"))
    assert main(command(name, root, "--out", str(tmp_path / "out"))) == 2
    error = capsys.readouterr().err
    assert "may lead out of its folder" in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_frames_that_lead_out_are_refused(tmp_path: Path) -> None:
    """meta.json names frames too, and these become names in the server's zip."""
    root = TREES["youtube_vos"](tmp_path / "data")
    meta = json.loads((root / "train/meta.json").read_text())
    meta["videos"]["one"]["objects"]["1"]["frames"].append("zz/../../evil")
    save_text(root / "train/meta.json", json.dumps(meta))
    benchmark = make_benchmark("youtube_vos", root, split="train")
    with pytest.raises(InputError, match=r"no frame zz/\.\./\.\./evil\.jpg"):
        benchmark.load()
    with pytest.raises(InputError, match=r"a frame of one has the name 'zz/\.\./\.\./evil'"):
        benchmark.load(frames=False)
    with pytest.raises(InputError, match=r"a frame of dog has the name '\.\./x'"):
        DavisVideo("dog", ("00000", "../x"), (), (), 2017)
    with pytest.raises(InputError, match="a video has the name '/dog'"):
        DavisVideo("/dog", ("00000",), (), (), 2017)
    assert DavisVideo("catch/goal (1)_2", ("a.b", "ü"), (), (), 2017).name


def test_python_gives_what_the_command_writes(name: str, root: Path, tmp_path: Path) -> None:
    assert main(command(name, root, "--json", str(tmp_path / "a.json"))) == 0
    expected = json.loads((tmp_path / "a.json").read_text())
    seen: list[tuple[int, int]] = []
    result = pixelkin.evaluate(
        name,
        root,
        "lab",
        out=tmp_path / "out",
        progress=lambda *done: seen.append(done),
        **OPTIONS.get(name, {}),
    )
    assert isinstance(result, Result)
    assert seen == [(n, 2 * FRAMES) for n in range(1, 2 * FRAMES + 1)]
    kept = json.loads((tmp_path / "out/result.json").read_text())
    for figures in (expected, kept, result.figures):
        assert figures.pop("seconds_per_frame") > 0
    assert json.loads(json.dumps(result.figures)) == kept == expected
    table = (tmp_path / "out/table.md").read_text()
    assert table == result.markdown() and table.startswith(result.title)
    assert len([line for line in table.splitlines() if line[:2] == "| "]) == 2 + len(result.rows)
    # Again: nothing is missing, so nothing is predicted; and other settings are refused.
    again = pixelkin.evaluate(name, str(root), "lab", out=tmp_path / "out", **OPTIONS.get(name, {}))
    assert "seconds_per_frame" not in again.figures and again.figures == result.figures
    with pytest.raises(InputError, match="--overwrite"):
        pixelkin.evaluate(
            name, root, load_encoder("random"), out=tmp_path / "out", **OPTIONS.get(name, {})
        )


def test_options_are_those_of_the_benchmark(tmp_path: Path) -> None:
    root = TREES["davis"](tmp_path / "data")
    result = pixelkin.evaluate("davis", root, "lab", sequences=["two"], every=1, split="val")
    assert [s.name for s in result.score.sequences] == ["two"]
    assert result.figures["J&F"] == result.score.summary.jf
    assert result.figures["weights"] == "lab" and result.figures["protocol"]["name"] == "davis"
    other = pixelkin.evaluate("davis", root, load_encoder("lab"), protocol="vip", sequences=["two"])
    assert other.figures["protocol"]["name"] == "vip"
    assert other.figures["weights"] == "given" and "weights given" in other.title
    with pytest.raises(InputError, match="davis has no option 'yeer': it takes sequences, year"):
        pixelkin.evaluate("davis", root, "lab", yeer=2016)
    with pytest.raises(InputError, match="no benchmark 'coco': there are davis, youtube_vos, vip"):
        pixelkin.evaluate("coco", root)
    with pytest.raises(InputError, match="valid is scored by the server"):
        pixelkin.evaluate("youtube_vos", root)


def test_the_registry_is_complete(name: str) -> None:
    kind = benchmark_class(name)
    assert name == kind.NAME
    assert Protocol.named(kind.PROTOCOL).name == kind.PROTOCOL
    known = {field.name for field in fields(kind)}
    assert {"root", "sequences", *kind.DECIDES} <= known
    assert f"pixelkin evaluate {name} --root" in kind.ABOUT


@dataclass(frozen=True)
class StillVideo(Video):
    """Frames that all show the same; the truth is frame 0's mask."""

    mask: Path

    def given(self, index: int) -> Labels | None:
        return self.truth(index) if index == 0 else None

    def truth(self, index: int) -> Labels | None:
        return Labels.from_mask(self.read_annotation(self.mask))


@dataclass(frozen=True)
class StillScore:
    COLUMNS = ("video", "right")
    right: dict[str, float]

    def rows(self) -> list[tuple[str, ...]]:
        return [(name, f"{100 * value:.1f}") for name, value in self.right.items()]

    def to_json(self) -> dict[str, Any]:
        return {"right": self.right}


@dataclass(frozen=True, kw_only=True)
class Still(Benchmark[StillVideo]):
    """A benchmark that is no part of the package."""

    ABOUT: ClassVar[str] = "Still."
    NAME: ClassVar[str] = "still"
    PROTOCOL: ClassVar[str] = "davis"
    DECIDES: ClassVar[tuple[str, ...]] = ()

    def load(self, *, frames: bool = True) -> list[StillVideo]:
        image, mask = (self.root / kind / "480p/one" for kind in ("JPEGImages", "Annotations"))
        frame = image / "00000.jpg"
        return [StillVideo("one", ("a", "b", "c"), (frame,) * 3, mask / "00000.png")]

    def title(self, videos: Sequence[StillVideo]) -> str:
        return f"Still, {len(videos)} video"

    def score(
        self,
        videos: Sequence[StillVideo],
        store: Store,
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> StillScore:
        right = {}
        for video in videos:
            record = store.record(video) if store.predictions != store.folder else None
            ids = [
                store.prediction(video, i, record).ids
                if record
                else np.array(pixelkin.read_mask(video.map_in(store.predictions, i)).ids)
                for i in range(3)
            ]
            truth = video.truth(0).as_map().ids  # type: ignore[union-attr]
            right[video.name] = float(np.mean([one == truth for one in ids]))
        return StillScore(right)


def test_a_benchmark_is_one_class(tmp_path: Path) -> None:
    """What is not in the registry runs as well: predicted, stored, scored, drawn, kept."""
    benchmark = Still(root=TREES["davis"](tmp_path / "data"))
    result = run_benchmark(benchmark, "lab", out=tmp_path / "out", draw=True)
    assert result is not None and result.score.right["one"] > 0.98
    assert result.title.startswith("Still, 1 video, weights lab, protocol davis")
    figures = json.loads((tmp_path / "out/result.json").read_text())
    assert figures["benchmark"] == "still" and figures["right"] == result.score.right
    assert (tmp_path / "out/videos/one.mp4").is_file()
    stored = score_maps(benchmark, tmp_path / "out/predictions")
    assert stored.score.right == result.score.right


def test_the_old_name_of_quick_scores_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes its parameter by the old name."""
    sys.modules.pop("pixelkin.evaluation.predict", None)
    with pytest.warns(DeprecationWarning, match=r"is now pixelkin\.evaluation\.quick"):
        old = importlib.import_module("pixelkin.evaluation.predict")
    quick = importlib.import_module("pixelkin.evaluation.quick")
    assert old.quick_score is quick.quick_score
    monkeypatch.setattr(quick, "score_encoder", lambda *given: given)
    assert old.score_encoder("lab", sequences=["dog"]) == ("lab", ["dog"], None)
