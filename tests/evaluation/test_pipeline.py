"""What the pipeline stores, how it goes on, and what it draws."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelkin.evaluation import pipeline
from pixelkin.evaluation.benchmark import Store
from pixelkin.evaluation.davis import DavisVideo, every_nth, load_split, score_results
from pixelkin.evaluation.pipeline import predict_all
from pixelkin.evaluation.qualitative import coloured, draw_video
from pixelkin.evaluation.quick import score_encoder
from pixelkin.evaluation.run import evaluate
from pixelkin.formats.id_png import read_ids
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, Prediction
from pixelkin.video.images import read_image
from pixelkin.video.reader import open_video
from running import running

DAVIS = Protocol.named("davis")


@pytest.fixture(scope="module")
def lab() -> Encoder:
    return load_encoder("lab")


@pytest.fixture
def two(davis_root: Path) -> list[DavisVideo]:
    return load_split(davis_root, sequences=["video1", "video2"])


def test_stored_predictions_are_the_propagators(
    two: list[DavisVideo], lab: Encoder, tmp_path: Path
) -> None:
    store = Store(tmp_path / "out")
    speed = predict_all(two, lab, DAVIS, store)
    assert speed.frames == 5 + 6
    for video in two:
        propagator = Propagator(lab, DAVIS)
        record = store.record(video)
        for i, path in enumerate(video.frames):
            expected = propagator.step(read_image(path), video.given(i))
            stored = store.prediction(video, i, record)
            np.testing.assert_array_equal(stored.labels.ids, expected.labels.ids)
            assert stored.objects == expected.objects
            np.testing.assert_allclose(stored.confidence, expected.confidence, atol=5e-5)
    total = score_results(two, store.predictions).summary
    assert total == score_encoder(lab, two).summary
    assert total.j.mean > 0.6


def test_what_is_there_is_not_computed_again(
    two: list[DavisVideo], lab: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "out")
    predict_all(two[:1], lab, DAVIS, store)
    seen: list[tuple[int, int]] = []
    speed = predict_all(two, lab, DAVIS, store, progress=lambda *done: seen.append(done))
    assert speed.frames == 6 and seen == [(n, 6) for n in range(1, 7)]
    # A map that somebody removed, or a run that ended before the record, is made again.
    (store.predictions / "video1/00002.png").unlink()
    (tmp_path / "out/records/video2.json").unlink()
    assert predict_all(two, lab, DAVIS, store).frames == 5 + 6
    monkeypatch.setattr(pipeline, "Propagator", None)
    assert predict_all(two, lab, DAVIS, store).frames == 0


@pytest.mark.parametrize(
    "kind", ["JPEGImages/480p/video1/00003.jpg", "Annotations/480p/video1/00000.png"]
)
def test_a_video_whose_files_changed_is_predicted_again(
    davis_root: Path, lab: Encoder, tmp_path: Path, kind: str
) -> None:
    """And only that one; its picture is drawn anew, and the scores are those of a fresh run."""

    def predict(out: str, **options: Any) -> int:
        videos = load_split(davis_root, sequences=["video1", "video2"])
        return predict_all(videos, lab, DAVIS, Store(tmp_path / out), **options).frames

    def score(out: str) -> float:
        videos = load_split(davis_root, sequences=["video1", "video2"])
        return score_results(videos, tmp_path / out / "predictions").summary.jf

    assert predict("out", draw=draw_video) == 5 + 6
    before = score("out")
    path = davis_root / kind
    picture = Image.open(path)
    flipped = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    flipped.save(path)
    assert predict("out") == 5
    assert not Store(tmp_path / "out").video(load_split(davis_root)[1]).exists()
    predict("fresh")
    assert score("out") == score("fresh") != before
    assert predict("out", draw=draw_video) == 0


def evaluated(root: Path, out: Path, **options: Any) -> Any:
    return evaluate("davis", root, "lab", year=2017, split="val", out=out, **options)


def test_a_data_set_that_was_moved_is_the_same(
    davis_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was predicted from the same files stays, wherever they lie, whenever written."""
    before = evaluated(davis_root, tmp_path / "out")
    moved = Path(shutil.copytree(davis_root, tmp_path / "moved"))
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "Propagator", None)
        after = evaluated(moved, tmp_path / "out")
    assert after.score.summary == before.score.summary and after.note is None
    assert after.figures["root"] == str(moved)


def test_other_videos_of_the_same_names_are_refused(davis_root: Path, tmp_path: Path) -> None:
    evaluated(davis_root, tmp_path / "out")
    other = Path(shutil.copytree(davis_root, tmp_path / "other"))
    path = other / "JPEGImages/480p/video1/00003.jpg"
    Image.open(path).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(path)
    with pytest.raises(InputError, match=r"other videos, of .*: video1; --overwrite"):
        evaluated(other, tmp_path / "out")
    # In the same place, a changed video is predicted again, and named.
    shutil.copy(path, davis_root / "JPEGImages/480p/video1/00003.jpg")
    result = evaluated(davis_root, tmp_path / "out")
    assert result.note == "files have changed, so these were predicted again: video1"
    assert evaluated(davis_root, tmp_path / "out").note is None


def test_an_exception_that_is_kept_keeps_no_thread(
    two: list[DavisVideo], lab: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = running()
    alive = []

    def fail(*_: object, **__: object) -> None:
        alive.append(running())
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Propagator, "step", fail)
    with pytest.raises(RuntimeError, match="out of memory") as kept:
        predict_all(two, lab, DAVIS, Store(tmp_path / "out"))
    assert kept.value.__traceback__ is not None
    assert alive[0] > before
    assert running() == before


def test_another_run_does_not_mix(two: list[DavisVideo], lab: Encoder, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    predict_all(two, lab, DAVIS, store, settings={"split": "val"})
    other = replace(DAVIS, context=3)
    with pytest.raises(InputError, match=r"unfinished run with another protocol, split: --overw"):
        predict_all(two, lab, other, store, settings={"split": "train"})
    assert store.holds(two[0])
    predict_all(two[:1], lab, other, store, overwrite=True)
    assert store.holds(two[0]) and not store.holds(two[1])
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("dear diary")
    with pytest.raises(InputError, match="is not a run's folder"):
        predict_all(two, lab, DAVIS, Store(foreign), overwrite=True)
    assert [p.name for p in foreign.iterdir()] == ["diary.txt"]


def test_videos_show_truth_prediction_and_confidence(
    two: list[DavisVideo], lab: Encoder, tmp_path: Path
) -> None:
    store = Store(tmp_path / "out")
    predict_all(two, lab, DAVIS, store)
    predict_all(two, lab, DAVIS, store, draw=draw_video)  # may be asked for later
    shown = open_video(store.video(two[0]))
    assert len(shown) == 5
    height, width = shown.info.height, shown.info.width
    assert width > 3 * 480 and height > 360
    # The first frame is given: truth and prediction look the same, and confidence 1 is green.
    first = next(shown.frames()).astype(int)
    panels = [first[40:, 6 + 486 * i :][:, :480] for i in range(3)]
    assert np.abs(panels[0] - panels[1]).mean() < 3
    inside = read_ids(two[0].annotations[0]) == 1
    ys, xs = np.nonzero(inside)
    y, x = int(ys.mean() * 480 / 64), int(xs.mean() * 480 / 64)
    red, green, blue = panels[2][y, x]
    assert green > red and green > blue
    stamp = store.video(two[0]).stat().st_mtime_ns
    store.video(two[1]).unlink()
    predict_all(two, lab, DAVIS, store, draw=draw_video)
    assert store.video(two[1]).is_file()
    assert store.video(two[0]).stat().st_mtime_ns == stamp


def test_colours_of_confidence() -> None:
    labels = Labels.from_mask(np.array([[0, 1, 2, 4]]))
    sure = Prediction(0, labels, np.array([0, 0.5, 1], np.float32))
    found = {o.id: o.colour for o in coloured(sure).objects}
    assert found == {1: (255, 0, 0), 2: (255, 255, 0), 4: (0, 255, 0)}


def test_every_nth_frame(two: list[DavisVideo]) -> None:
    fewer = every_nth(two[0], 2)
    assert fewer.names == ("00000", "00002", "00004")
    assert [p.stem for p in fewer.frames] == [p.stem for p in fewer.annotations]
    with pytest.raises(InputError, match="every 0th"):
        every_nth(two[0], 0)


def test_damaged_records_are_named(two: list[DavisVideo], lab: Encoder, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    predict_all(two, lab, DAVIS, store)
    (tmp_path / "out/records/video1.json").write_text("{")
    with pytest.raises(InputError, match=r"records/video1.json is missing or damaged"):
        predict_all(two, lab, DAVIS, store)
    assert json.loads((tmp_path / "out/run.json").read_text())["kind"] == "evaluation"
