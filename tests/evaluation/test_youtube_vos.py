"""YouTube-VOS: the layout, objects that appear later, the server's zip, hold-out splits."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import Scene, change, save, save_text

from pixelkin.app.cli import main
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.submission import write_submission
from pixelkin.evaluation.youtube_vos import YoutubeVos, load_split, score_results
from pixelkin.formats.id_png import read_ids
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError
from pixelkin.video.images import read_image
from pixelkin.video.reader import open_video

STEMS = ("00005", "00010", "00015", "00020")  # wanted, of frames 0 to 21
CATEGORIES = {"aa": ("parrot", "dog"), "bb": ("dog",), "cc": ("cat",), "dd": ("dog",)}


def scene(name: str) -> Scene:
    """Object 1 from frame 5 on, object 2 of "aa" from frame 15 on."""
    return Scene(22, starts=(5, 15)[: len(CATEGORIES[name])], seed=ord(name[0]))


def write_split(root: Path, split: str, *, annotated: bool) -> None:
    videos = {}
    for name, categories in CATEGORIES.items():
        one, objects = scene(name), {}
        every = lambda t: f"{t:05d}"  # noqa: E731
        one.write(root / f"{split}_all_frames/JPEGImages" / name, None, every)
        for t in range(0, 22, 5):
            save(root / f"{split}/JPEGImages" / name / f"{t:05d}.jpg", one.image(t))
            ids = one.ids(t)
            if annotated and t >= 5:
                save(root / f"{split}/Annotations" / name / f"{t:05d}.png", ids)
        for k, (start, category) in enumerate(zip(one.starts, categories, strict=True), start=1):
            if not annotated:  # the object that begins, alone
                ids = np.where(one.ids(start) == k, k, 0).astype(np.uint8)
                save(root / f"{split}/Annotations" / name / f"{start:05d}.png", ids)
            frames = [stem for stem in STEMS if int(stem) >= start]
            objects[str(k)] = {"category": category, "frames": frames}
        videos[name] = {"objects": objects}
    save_text(root / split / "meta.json", json.dumps({"videos": videos}))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("YouTube-VOS")
    write_split(root, "valid", annotated=False)
    write_split(root, "train", annotated=True)
    return root


@pytest.mark.parametrize("split", ["valid", "train"])
@pytest.mark.parametrize(("frames", "step"), [("fifth", 5), ("all", 1)])
def test_objects_are_given_where_they_begin(root: Path, split: str, frames, step: int) -> None:
    """Whether the data set shows all objects in each annotation (train) or new ones alone."""
    aa = load_split(root, split, frames, ["aa"])[0]
    assert aa.names == tuple(f"{t:05d}" for t in range(5, 21, step))
    assert [aa.names[i] for i in aa.kept] == list(STEMS)
    given = {aa.names[i]: labels for i in range(len(aa.names)) if (labels := aa.given(i))}
    assert {stem: labels.present for stem, labels in given.items()} == {
        "00005": (1,),
        "00015": (2,),
    }
    np.testing.assert_array_equal(given["00015"].ids == 2, scene("aa").ids(15) == 2)


def test_a_replaced_annotation_changes_the_source(tmp_path: Path) -> None:
    write_split(tmp_path, "train", annotated=True)
    before = [video.source for video in load_split(tmp_path, "train")]
    change(tmp_path / "train/Annotations/aa/00010.png")  # no object begins there
    assert [video.source for video in load_split(tmp_path, "train")] == before
    change(tmp_path / "train/Annotations/aa/00015.png")  # the second object does
    after = [video.source for video in load_split(tmp_path, "train")]
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, True, True, True]


def test_the_zip_is_what_the_server_takes(root: Path, tmp_path: Path) -> None:
    """Annotations/VIDEO/FRAME.png at its root, the wanted frames alone, the bytes of the PNGs."""
    videos = load_split(root, rate="all")
    for name in CATEGORIES:
        for t in range(5, 21):
            save(tmp_path / f"results/{name}/{t:05d}.png", scene(name).ids(t))
    write_submission(videos, tmp_path / "results", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert sorted(names) == sorted(
            f"Annotations/{name}/{stem}.png" for name in CATEGORIES for stem in STEMS
        )
        for name in names:
            stored = tmp_path / "results" / name.removeprefix("Annotations/")
            assert archive.read(name) == stored.read_bytes()
    write_submission(videos, tmp_path / "results", tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    (tmp_path / "results/bb/00015.png").unlink()
    with pytest.raises(InputError, match=r"bb: 00015\.png is missing"):
        write_submission(videos, tmp_path / "results", tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()


def test_end_to_end(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["evaluate", "youtube-vos", "--root", str(root), "--weights", "lab"]
    command += ["--frames", "all", "--sequences", "aa", "--out", str(out), "--videos"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    said = ("all frames (30 a second)", "submission.zip, of 1 videos only")
    for words in (*said, "protocol youtube_vos_centred, stride 4"):
        assert words in shown
    figures = json.loads((out / "result.json").read_text())
    assert figures["frames"] == "all" and figures["protocol"]["stride"] == 4
    assert "overall" not in figures
    assert sorted(p.stem for p in (out / "predictions/aa").iterdir()) == list(STEMS)
    (aa,) = load_split(root, rate="all", sequences=["aa"])
    propagator = Propagator(load_encoder("lab"), Protocol.named("youtube_vos_centred"))
    for index, path in enumerate(aa.frames):
        expected = propagator.step(read_image(path), aa.given(index), merge=True).labels.ids
        if index in aa.kept:
            ids = read_ids(out / f"predictions/aa/{aa.names[index]}.png")
            np.testing.assert_array_equal(ids, expected)
            begun = {0, 1} if int(aa.names[index]) < 15 else {0, 1, 2}
            assert set(np.unique(ids)) == begun
    np.testing.assert_array_equal(
        read_ids(out / "predictions/aa/00015.png") == 2, scene("aa").ids(15) == 2
    )
    image = Image.open(out / "predictions/aa/00020.png")
    assert image.mode == "P" and image.size == (64, 48)
    assert len(open_video(out / "videos/aa.mp4")) == len(STEMS)


def test_hold_out_scores_are_means_by_group(root: Path, tmp_path: Path) -> None:
    """Against the metrics object by object; frames count from the one after the given on."""
    videos = load_split(root, "train")
    rng = np.random.default_rng(0)
    for name in CATEGORIES:
        for stem in STEMS:
            ids = np.where(rng.random((48, 64)) < 0.2, 1, scene(name).ids(int(stem)))
            save(tmp_path / "results" / name / f"{stem}.png", ids.astype(np.uint8))
    score = score_results(videos, tmp_path / "results", unseen={"parrot", "cat"})
    expected: dict[str, list[tuple[float, float]]] = {"seen": [], "unseen": []}
    for name, categories in CATEGORIES.items():
        for k, category in enumerate(categories, start=1):
            later = [stem for stem in STEMS if int(stem) > scene(name).starts[k - 1]]
            maps = [
                (scene(name).ids(int(s)) == k, read_ids(tmp_path / f"results/{name}/{s}.png") == k)
                for s in later
            ]
            j, f = (
                float(np.mean([measure(*pair) for pair in maps]))
                for measure in (region_similarity, boundary_f)
            )
            expected["unseen" if category in ("parrot", "cat") else "seen"].append((j, f))
    assert {g: len(o) for g, o in score.objects.items()} == {"seen": 3, "unseen": 2}
    for group, pairs in expected.items():
        np.testing.assert_allclose(score.groups[group], np.mean(pairs, axis=0))
    four = [value for pairs in expected.values() for value in np.mean(pairs, axis=0)]
    assert score.overall == pytest.approx(np.mean(four))
    assert [row[:2] for row in score.rows()] == [("seen", "3"), ("unseen", "2"), ("overall", "5")]
    figures = json.loads(json.dumps(score.to_json()))
    assert figures["objects"]["aa_1"]["group"] == "unseen" and figures["seen"]["J"] > 0
    alone = score_results(videos, tmp_path / "results")
    assert list(alone.groups) == ["seen"] and len(alone.rows()) == 2
    with pytest.raises(InputError, match="category 'lion'; there are cat, dog, parrot"):
        score_results(videos, tmp_path / "results", unseen={"lion"})


def held_out(root: Path, every: int, *unseen: str) -> list[str]:
    benchmark = YoutubeVos(root=root, split="train", hold_out=every, unseen=unseen)
    return [video.name for video in benchmark.load()]


def test_hold_out_takes_unseen_categories_and_every_nth(root: Path) -> None:
    assert held_out(root, 2, "cat") == ["aa", "cc", "dd"]
    assert held_out(root, 100, "parrot") == ["aa", "bb"]
    with pytest.raises(InputError, match="category 'lion'"):
        held_out(root, 10, "lion")


def test_hold_out_end_to_end(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "youtube_vos", "--root", str(root), "--split", "train"]
    command += ["--hold-out", "2", "--unseen", "parrot", "--weights", "lab"]
    out = tmp_path / "out"
    assert main([*command, "--out", str(out)]) == 0
    assert "every fifth frame" in capsys.readouterr().out
    figures = json.loads((out / "result.json").read_text())
    assert set(figures["objects"]) == {"aa_1", "aa_2", "bb_1", "dd_1"}
    videos = load_split(root, "train", sequences=["aa", "bb", "dd"])
    score = score_results(videos, out / "predictions", unseen={"parrot"})
    assert figures["overall"] == score.overall > 0.1
    assert figures["seen"]["J"] == score.groups["seen"][0]
    assert not (out / "submission.zip").exists()


def test_the_released_protocol_can_be_asked_for(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "youtube_vos", "--root", str(root), "--weights", "lab"]
    command += ["--protocol", "youtube_vos", "--sequences", "aa", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "protocol youtube_vos, stride 4" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out/result.json").read_text())
    assert figures["protocol"]["label_resize"] == "subsample"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "valid is scored by the server: --out"),
        (["--unseen", "cat", "--out", "x"], "--unseen and --hold-out are for --split train"),
        (["--split", "train", "--hold-out", "2", "--sequences", "aa"], "leave out --sequences"),
        (["--split", "test", "--out", "x"], "looked for test/meta.json"),
        (["--sequences", "zz", "--out", "x"], "no sequence zz in YouTube-VOS valid"),
        (["--results", "x"], "the truth is not at hand"),
    ],
)
def test_bad_options(
    root: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "youtube_vos", "--root", str(root), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_incomplete_trees_are_named(tmp_path: Path) -> None:
    write_split(tmp_path, "valid", annotated=False)
    (tmp_path / "valid_all_frames/JPEGImages/bb/00010.jpg").unlink()
    with pytest.raises(InputError, match=r"bb: no frame 00010\.jpg, which meta\.json names"):
        load_split(tmp_path, "valid", "all")
    with pytest.raises(InputError, match="cc: no annotation of frame 00010; only the training"):
        score_results(load_split(tmp_path, sequences=["cc"]), tmp_path)
    (tmp_path / "valid/Annotations/cc/00005.png").unlink()
    with pytest.raises(InputError, match=r"cc: no \.png files"):
        load_split(tmp_path)
    (tmp_path / "valid/meta.json").write_text('{"videos": [1]}')
    with pytest.raises(InputError, match=r"meta\.json is not as it should be"):
        load_split(tmp_path)
