"""VIP: the layout of VIP_Fine, and mIoU against a count pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scenes import Scene, change, save, save_text

from pixelkin.app.cli import main
from pixelkin.evaluation.vip import CLASSES, load_split, score_results
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos with three classes; a stripe of 255 in the first is no class."""
    root = tmp_path / "VIP_Fine"
    for n in range(2):
        name = f"videos{n + 1}"
        scene = Scene(4, starts=(0, 0, 0)[: 2 + n], seed=n)
        maps = root / "Annotations/Category_ids" / name
        scene.write(root / "Images" / name, maps, lambda t: f"{1 + 25 * t:012d}")
        if n == 0:
            for t in range(4):
                ids = scene.ids(t)
                ids[-1] = 255
                save(maps / f"{1 + 25 * t:012d}.png", ids)
    save_text(root / "lists/val_videos.txt", "VIP_Fine/Images/videos1\nvideos2\n")
    return root


def test_a_replaced_annotation_changes_the_source(root: Path) -> None:
    def sources() -> list[str]:
        return [video.source for video in load_split(root)]

    before = sources()
    assert sources() == before
    change(root / "Annotations/Category_ids/videos2/000000000026.png")
    assert sources() == before  # not given, only scored with
    change(root / "Annotations/Category_ids/videos2/000000000001.png")
    assert [a == b for a, b in zip(sources(), before, strict=True)] == [True, False]


def brute(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, float]:
    """IoU of each class that occurs, by sets of pixels; 255 is not counted."""
    truth, guess = (np.concatenate([m.ravel() for m in side]) for side in zip(*pairs, strict=True))
    truth, guess = truth[truth != 255], guess[truth != 255]
    return {
        k: float(((truth == k) & (guess == k)).sum() / ((truth == k) | (guess == k)).sum())
        for k in np.union1d(truth, guess).tolist()
    }


def test_the_layout_is_read(root: Path) -> None:
    first, second = load_split(root)
    assert (first.name, second.name) == ("videos1", "videos2")
    assert first.names == tuple(f"{n:012d}" for n in (1, 26, 51, 76))
    given = second.given(0)
    assert given is not None and given.kind == "parts" and given.present == (1, 2, 3)
    assert first.given(1) is None
    assert first.truth(0).present == (1, 2)  # 255 is background for the propagation


def test_miou_counts_the_given_frames_and_shows_it_without(root: Path, tmp_path: Path) -> None:
    videos, pairs = load_split(root), []
    rng = np.random.default_rng(0)
    for video in videos:
        for i, name in enumerate(video.names):
            truth = np.array(video.truth(i).ids, np.uint8)
            guess = np.where(rng.random(truth.shape) < 0.3 * (i > 0), 5, truth).astype(np.uint8)
            save(tmp_path / "results" / video.name / f"{name}.png", guess)
            if video.name == "videos1":
                truth[-1] = 255
            pairs.append((truth, guess))
    score = score_results(videos, tmp_path / "results")
    later = [pair for n, pair in enumerate(pairs) if n % 4]
    for one, expected in ((score.official, brute(pairs)), (score.predicted, brute(later))):
        assert one.miou == pytest.approx(np.mean(list(expected.values())))
        for k, value in enumerate(one.iou):
            assert np.isnan(value) if k not in expected else value == pytest.approx(expected[k])
    assert score.official.miou > score.predicted.miou
    rows = score.rows()
    assert len(rows) == 21 and rows[-1][0] == "mean" and rows[0][0] == "background"
    assert rows[19] == ("left-shoe", "-", "-")
    figures = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert figures["official"]["mIoU"] == score.official.miou
    assert figures["official"]["IoU"]["left-shoe"] is None


def test_wrong_folders_and_predictions_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"looked for lists/val_videos\.txt; .*VIP_Fine"):
        load_split(tmp_path)
    with pytest.raises(InputError, match=r"lists/train_videos\.txt; there are Annotations, Images"):
        load_split(root, "train")
    with pytest.raises(InputError, match="no sequence videos7 in VIP_Fine val; it has videos1"):
        load_split(root, sequences=["videos7"])
    videos = load_split(root)
    with pytest.raises(InputError, match="no folder 'videos1'"):
        score_results(videos, tmp_path / "results")
    for video in videos:
        for i, name in enumerate(video.names):
            save(tmp_path / "results" / video.name / f"{name}.png", video.truth(i).ids.astype("u1"))
    wrong = tmp_path / "results/videos2/000000000026.png"
    save(wrong, np.full((48, 64), len(CLASSES), np.uint8))
    with pytest.raises(InputError, match=r"videos2/000000000026: pred has ids 20\.\.20"):
        score_results(videos, tmp_path / "results")
    save(wrong, np.zeros((24, 32), np.uint8))
    with pytest.raises(InputError, match=r"24x32, its annotation 48x64"):
        score_results(videos, tmp_path / "results")
    assert score_results(videos, tmp_path / "results", resize=True).official.miou < 1
    (root / "Annotations/Category_ids/videos2/000000000051.png").unlink()
    with pytest.raises(InputError, match=r"videos2: no annotation 000000000051\.png"):
        load_split(root)


def test_end_to_end(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures printed and written are those of the predictions that are stored."""
    for name in ("Images", "Annotations/Category_ids"):
        for path in sorted((root / name / "videos2").iterdir())[2:]:
            path.unlink()
    out = tmp_path / "out"
    command = ["evaluate", "vip", "--root", str(root), "--sequences", "videos2"]
    assert main([*command, "--weights", "lab", "--out", str(out), "--videos"]) == 0
    figures = json.loads((out / "result.json").read_text())
    assert figures["protocol"]["input_size"] == 560 and figures["videos"] == 1
    (video,) = load_split(root, sequences=["videos2"])
    score = score_results([video], out / "predictions")
    assert figures["official"]["mIoU"] == score.official.miou > score.predicted.miou > 0
    assert f"{100 * score.official.miou:.1f}" in capsys.readouterr().out
    given = read_ids(out / "predictions/videos2/000000000001.png")
    np.testing.assert_array_equal(given, video.truth(0).ids)
    assert (out / "videos/videos2.mp4").is_file()
    again = [*command, "--results", str(out / "predictions"), "--json", str(tmp_path / "again")]
    assert main(again) == 0
    assert json.loads((tmp_path / "again").read_text())["official"] == figures["official"]
