from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelkin.evaluation.davis import Davis, load_split, score_results, score_video
from pixelkin.evaluation.metrics import boundary_f, davis_statistics, region_similarity
from pixelkin.evaluation.scores import Score, SequenceScore
from pixelkin.types import InputError

H, W, T = 24, 40, 6


def write(folder: Path, maps: np.ndarray, suffix: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n, ids in enumerate(maps):
        Image.fromarray(ids.astype(np.uint8)).save(folder / f"{n:05d}.{suffix}")


def moving(objects: int, step: int = 1) -> np.ndarray:
    """T x H x W ids: squares of side 6, one below the other, that move right by `step`."""
    maps = np.zeros((T, H, W), int)
    for t in range(T):
        for k in range(objects):
            maps[t, 1 + 8 * k : 7 + 8 * k, 2 + step * t : 8 + step * t] = k + 1
    return maps


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One data set in both years' layouts: "pair" has two objects, "one" a 0/255 mask."""
    root = tmp_path / "DAVIS"
    for name, maps in {"pair": moving(2), "one": 255 * moving(1)}.items():
        write(root / "Annotations/480p" / name, maps)
        write(root / "JPEGImages/480p" / name, np.zeros((T, H, W)), "jpg")
    for year, names in {2016: "one\n", 2017: "pair\n\n"}.items():
        (root / f"ImageSets/{year}").mkdir(parents=True)
        (root / f"ImageSets/{year}/val.txt").write_text(names)
    return root


def expected(truth: np.ndarray, guess: np.ndarray, k: int) -> list[float]:
    """J and F statistics of object k straight from the metrics, first and last frame left out."""
    masks = truth[1:-1] == k, guess[1:-1] == k
    scores = region_similarity(*masks), boundary_f(*masks)
    return [figure for values in scores for figure in davis_statistics(values)]


def flat(summary: tuple[tuple[float, ...], ...]) -> list[float]:
    return [figure for statistics in summary for figure in statistics]


def test_osvos_masks_get_the_official_scores(shared: Path) -> None:
    table = (shared / "data/osvos_masks/official_scores.tsv").read_text().splitlines()
    rows = list(csv.reader(table[1:], delimiter="\t"))
    official = {(row[0], int(row[1])): [float(v) for v in row[2:]] for row in rows}
    binary = sorted({name for name, _ in official} - {"dogs-jump"})
    results = shared / "data/osvos_masks"
    scores = [
        score_results(load_split(shared / "data/davis2016", 2016, sequences=binary), results),
        score_results(load_split(shared / "data/davis2017_dogs-jump"), results, resize=True),
    ]
    ours = {
        (s.name, k): flat(o)
        for score in scores
        for s in score.sequences
        for k, o in enumerate(s.objects, start=1)
    }
    assert len(ours) == 10
    assert ours.keys() == official.keys()
    for key, figures in official.items():
        np.testing.assert_allclose(ours[key], figures, rtol=0, atol=1e-6, err_msg=str(key))


def test_sequence_knows_its_files(root: Path) -> None:
    (pair,) = load_split(root, 2017, "val")
    assert pair.name == "pair"
    assert pair.names == tuple(f"{n:05d}" for n in range(T))
    assert pair.frames[3] == root / "JPEGImages/480p/pair/00003.jpg"
    assert pair.annotations[3] == root / "Annotations/480p/pair/00003.png"
    assert pair.scored == range(1, T - 1)
    (root / "Annotations/480p/pair/._00003.png").write_text("left behind by a file manager")
    assert load_split(root) == [pair]
    given = pair.given(0)
    assert given is not None and given.present == (1, 2)
    np.testing.assert_array_equal(pair.annotation(4), moving(2)[4])


def test_years_read_255_differently(root: Path) -> None:
    (one,) = load_split(root, 2016)
    np.testing.assert_array_equal(one.annotation(2), moving(1)[2])
    maps = moving(2)
    maps[:, 20:] = 255  # void is background
    write(root / "Annotations/480p/pair", maps)
    (pair,) = load_split(root, 2017)
    np.testing.assert_array_equal(pair.annotation(2), moving(2)[2])
    (root / "ImageSets/2017/val.txt").write_text("one")
    (wrong,) = load_split(root, 2017)
    with pytest.raises(InputError, match=r"no object in the first frame .*year 2016"):
        wrong.given(0)


def test_results_are_scored_per_object(root: Path, tmp_path: Path) -> None:
    guess = moving(2, step=2)
    guess[guess == 2] = 0  # object 2 is never found
    write(tmp_path / "results/pair", guess)
    seen: list[tuple[int, int]] = []
    score = score_results(
        load_split(root), tmp_path / "results", progress=lambda *done: seen.append(done)
    )
    (pair,) = score.sequences
    for k, summary in enumerate(pair.objects, start=1):
        np.testing.assert_allclose(flat(summary), expected(moving(2), guess, k))
    assert flat(pair.objects[1]) == [0.0] * 6
    # The square is 6x6 and t pixels ahead in frame t: J = (6 - t) / (6 + t).
    np.testing.assert_allclose(pair.j[0], [(6 - t) / (6 + t) for t in range(1, T - 1)])
    assert seen == [(1, 1)]


def test_overall_is_a_mean_over_objects(root: Path, tmp_path: Path) -> None:
    write(root / "Annotations/480p/one", moving(1))
    (root / "ImageSets/2017/val.txt").write_text("pair\none\n")
    write(tmp_path / "results/pair", np.zeros((T, H, W)))
    write(tmp_path / "results/one", moving(1))
    score = score_results(load_split(root), tmp_path / "results")
    assert score.summary.jf == score.summary.j.mean == pytest.approx(1 / 3)  # not 1/2
    assert score.rows() == [
        ("pair", *["0.0"] * 7),
        ("  1", *["0.0"] * 7),
        ("  2", *["0.0"] * 7),
        ("one", "100.0", "100.0", "100.0", "0.0", "100.0", "100.0", "0.0"),
        ("overall", "33.3", "33.3", "33.3", "0.0", "33.3", "33.3", "0.0"),
    ]
    assert {len(row) for row in score.rows()} == {len(Score.COLUMNS)}
    data = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert data["objects"] == 3
    assert data["J&F"] == pytest.approx(1 / 3)
    assert data["sequences"]["one"]["objects"]["1"]["F"] == {"mean": 1, "recall": 1, "decay": 0}


def test_official_csv(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "results/pair", moving(2, step=2))
    score = score_results(load_split(root), tmp_path / "results")
    tables = Davis(root=root).tables(score)
    assert list(tables) == ["global_results-val.csv", "per-sequence_results-val.csv"]
    overall, sequences = tables.values()
    header, figures = csv.reader(overall.splitlines())
    assert header == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    total = score.summary
    assert figures == [f"{v:.3f}" for v in (total.jf, *flat(total))]
    header, first, second = csv.reader(sequences.splitlines())
    assert header == ["Sequence", "J-Mean", "F-Mean"]
    one = score.sequences[0].objects[0]
    assert first == ["pair_1", f"{one.j.mean:.3f}", f"{one.f.mean:.3f}"]
    assert second[0] == "pair_2"


def test_order_of_predictions_does_not_matter(root: Path, tmp_path: Path) -> None:
    (pair,) = load_split(root)
    write(tmp_path / "results/pair", moving(2, step=2))
    (stored,) = score_results([pair], tmp_path / "results").sequences
    backwards = reversed(list(enumerate(moving(2, step=2))))
    np.testing.assert_array_equal(score_video(pair, backwards).j, stored.j)
    with pytest.raises(ValueError, match="pair: no prediction for frame 3"):
        score_video(pair, enumerate(moving(2)[:3]))


@pytest.mark.parametrize("foreground", [1, 255])
def test_2016_results_may_be_0_and_1_or_0_and_255(
    root: Path, tmp_path: Path, foreground: int
) -> None:
    write(tmp_path / "results/one", foreground * moving(1))
    score = score_results(load_split(root, 2016), tmp_path / "results")
    assert flat(score.summary) == [1, 1, 0, 1, 1, 0]
    write(tmp_path / "results/one", np.maximum(100 * moving(1), 3 * moving(2)))
    with pytest.raises(
        InputError, match=r"one/00001: the prediction has id 100; .* objects 1\.\.1"
    ):
        score_results(load_split(root, 2016), tmp_path / "results")


def test_wrong_predictions_are_named(root: Path, tmp_path: Path) -> None:
    pair = load_split(root)
    with pytest.raises(InputError, match=r"results: no folder 'pair'"):
        score_results(pair, tmp_path / "results")
    results = tmp_path / "results/pair"
    write(results, moving(3))
    with pytest.raises(InputError, match=r"pair/00001: the prediction has id 3; .* 1\.\.2"):
        score_results(pair, tmp_path / "results")
    write(results, moving(2))
    (results / "00002.png").unlink()
    (results / "00004.png").unlink()
    with pytest.raises(InputError, match=r"pair: 00002\.png is missing \(2 of the 4 frames"):
        score_results(pair, tmp_path / "results")
    write(results, moving(2))
    for unscored in ("00000.png", "00005.png"):
        (results / unscored).unlink()
    assert score_results(pair, tmp_path / "results").summary.jf == 1.0
    with pytest.raises(InputError, match="id -1"):
        score_video(pair[0], enumerate(-moving(1)))


def test_size_of_predictions(root: Path, tmp_path: Path) -> None:
    """Nearest neighbour means the pixel under the target pixel's centre."""
    pair = load_split(root)
    large = np.zeros((T, 3 * H, 5 * W))
    large[:, 1::3, 2::5] = moving(2)
    write(tmp_path / "results/pair", large)
    with pytest.raises(InputError, match=r"00001: the prediction is 72x200, .* 24x40 \(HxW\)"):
        score_results(pair, tmp_path / "results")
    assert score_results(pair, tmp_path / "results", resize=True).summary.jf == 1.0


def test_splits_that_are_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"looked for ImageSets/2017/val\.txt; is this the root folder of DAVIS"
    ):
        load_split(tmp_path, 2017)
    with pytest.raises(
        InputError, match=r"ImageSets/2017/train\.txt; there are ImageSets/2016/val"
    ):
        load_split(root, 2017, "train")
    with pytest.raises(InputError, match="year must be 2016 or 2017"):
        load_split(root, 2018)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no sequence bear, cow in DAVIS 2017 val; it has pair"):
        load_split(root, 2017, sequences=["bear", "pair", "cow"])
    with pytest.raises(InputError, match="a list of names, not the one text 'pair,cow'"):
        load_split(root, 2017, sequences="pair,cow")
    with pytest.raises(InputError, match="no sequence to evaluate in DAVIS 2017 val"):
        load_split(root, sequences=[])


def test_incomplete_sequences(root: Path) -> None:
    (root / "Annotations/480p/pair/00003.png").unlink()
    with pytest.raises(InputError, match=r"no annotation 00003\.png"):
        load_split(root)
    write(root / "Annotations/480p/pair", moving(2))
    (root / "JPEGImages/480p/pair/00002.jpg").unlink()
    with pytest.raises(InputError, match=r"no frame 00002\.jpg"):
        load_split(root)
    for frame in (root / "JPEGImages/480p/pair").iterdir():
        frame.unlink()
    with pytest.raises(InputError, match=r"JPEGImages/480p/pair: no \.jpg files in this folder"):
        load_split(root)
    with pytest.raises(InputError, match="Full-Resolution/pair: no such folder"):
        load_split(root, resolution="Full-Resolution")
    (pair,) = load_split(root, frames=False)
    assert pair.frames == ()
    assert len(pair.names) == T


def test_test_split_can_be_loaded_but_not_scored(root: Path) -> None:
    for n in range(1, T):
        (root / f"Annotations/480p/pair/{n:05d}.png").unlink()
    (pair,) = load_split(root)
    given = pair.given(0)
    assert given is not None and given.present == (1, 2)

    with pytest.raises(InputError, match="only the first of 6 frames is annotated"):
        pair.check_scorable()


def test_original_2016_layout(root: Path) -> None:
    (root / "ImageSets/2016/val.txt").unlink()
    (root / "ImageSets/480p").mkdir()
    lines = [f"/JPEGImages/480p/one/{n:05d}.jpg /Annotations/480p/one/{n:05d}.png" for n in (0, 1)]
    (root / "ImageSets/480p/val.txt").write_text("\n".join(lines))
    assert [s.name for s in load_split(root, 2016)] == ["one"]


def test_decay_of_long_videos_is_the_one_that_is_meant() -> None:
    ramp = np.linspace(1, 0, 301)[None]
    (summary,) = SequenceScore("long", ramp, ramp).objects
    assert summary.j.decay == summary.f.decay == pytest.approx(0.75)


def test_an_object_number_without_pixels_counts(root: Path, tmp_path: Path) -> None:
    """Objects are 1..max id, as in the official code: id 1 is empty on both sides, so perfect."""
    maps = np.where(moving(2) == 2, 2, 0)
    write(root / "Annotations/480p/pair", maps)
    write(tmp_path / "results/pair", np.zeros((T, H, W)))
    (pair,) = score_results(load_split(root), tmp_path / "results").sequences
    assert [o.jf for o in pair.objects] == [1.0, 0.0]
