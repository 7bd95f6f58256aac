"""Right positives, counted again from the closed forms of crops and motions."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.experiments.counts import LEVELS, Case, beyond_window, count, geometry
from pixelkin.experiments.positives import FIRST_SEED, cases
from pixelkin.experiments.views import Pair, Views, agreed, encode, make_views, synthetic_pairs
from pixelkin.mining.positives import mine
from pixelkin.mining.settings import Mining
from pixelkin.models.encoder import Encoder, load_encoder, save_encoder

SIDE, STRIDE = 16, 8
CELLS = np.stack(np.meshgrid(range(SIDE), range(SIDE)), axis=-1).reshape(-1, 2)


class Truth(NamedTuple):
    """Of one pair: where cells are in the second view, in cells, and whether they are in sight."""

    position: np.ndarray
    partner: np.ndarray


def covers(scene: SyntheticScene, body: int, t: int, x: float, y: float) -> bool:
    """Whether a body lies at a pixel: the sum of its lobes is at least 1 there."""
    one = scene.bodies[body]
    u, v = one.motion.to_object(t, np.float64(x), np.float64(y))
    return sum(np.exp(1 - ((u - a) ** 2 + (v - b) ** 2) / r**2) for a, b, r in one.lobes) > 1


def truth(pair: Pair, maps: np.ndarray) -> Truth:
    """From the maps of the crops and the motions alone, cell by cell."""
    position, partner = np.empty((len(CELLS), 2)), np.empty(len(CELLS), bool)
    scene, start, end = pair.scene, pair.start, pair.start + pair.gap
    height, width = pair.frames[0].shape[:2]
    for i, cell in enumerate(CELLS):
        x, y = maps[0, :, :2] @ (STRIDE * cell) + maps[0, :, 2]
        hidden = False
        if pair.gap:
            assert scene is not None
            own = [k for k in range(len(scene.bodies)) if covers(scene, k, start, x, y)]
            layer = own[-1] + 1 if own else 0
            motion = scene.motions[layer]
            x, y = motion.to_image(end, *motion.to_object(start, np.float64(x), np.float64(y)))
            hidden = any(covers(scene, k, end, x, y) for k in range(layer, len(scene.bodies)))
        position[i] = np.linalg.inv(maps[1, :, :2]) @ (np.array([x, y]) - maps[1, :, 2]) / STRIDE
        in_frame = -0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5
        in_view = (position[i] > -0.5).all() and (position[i] < SIDE - 0.5).all()
        partner[i] = in_frame and in_view and not hidden
    return Truth(position, partner)


def precision(encoder: Encoder, views: Views, known: list[Truth], mining: Mining) -> float:
    """Share of the positives within a cell of the truth."""
    found = mine(*encode(encoder, views.views), geometry(views), mining).positives
    right = []
    for b, i, j in zip(*(x.tolist() for x in found[:3]), strict=True):
        near = np.abs(CELLS[j] - np.rint(known[b].position[i])).max() <= 1
        right.append(near and known[b].partner[i])
    assert len(right) > 100
    return float(np.mean(right))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("default")


@pytest.mark.parametrize("gap", [0, 1, 32])
@pytest.mark.parametrize("crop", ["strong", "shared"])
def test_the_truth_is_that_of_the_closed_forms(gap: int, crop: str) -> None:
    pairs = synthetic_pairs(3, gap, seed=7)
    views = make_views(pairs, crop, "slight", seed=1)
    for b, pair in enumerate(pairs):
        expected = truth(pair, views.to_frame[b].double().numpy())
        np.testing.assert_allclose(views.position[b].numpy(), expected.position, atol=2e-3)
        edge = np.abs(np.abs(expected.position - 7.5) - 8).min(axis=1) < 0.01
        assert np.array_equal(views.partner[b].numpy()[~edge], expected.partner[~edge])
    share = float(views.partner.float().mean())
    assert views.known.all() and 0.2 < share < 0.95


@pytest.mark.parametrize(
    ("gap", "colour"), [(0, "slight"), (0, "strong"), (1, "slight"), (8, "strong")]
)
def test_each_level_is_more_precise_than_the_one_below(
    encoder: Encoder, gap: int, colour: str
) -> None:
    """argmax < Q of 0.5 < mutual Q < Q+T < Q+T+C, where colours change as in real videos."""
    pairs = synthetic_pairs(16, gap, seed=500)
    views = make_views(pairs, "shared", colour, seed=2)
    known = [truth(p, m) for p, m in zip(pairs, views.to_frame.double().numpy(), strict=True)]
    found = [precision(encoder, views, known, rule.mining) for rule in LEVELS]
    assert [rule.name for rule in LEVELS] == ["argmax", "q_soft", "q", "qt", "qtc"]
    assert found == sorted(found) and len(set(found)) == 5
    assert found[-1] > found[0] + 0.3
    counted = count(encoder, views, LEVELS)
    assert [counted[rule.name].precision for rule in LEVELS] == pytest.approx(found, abs=0.01)


def test_where_colours_stay_mutual_matches_beat_transport(encoder: Encoder) -> None:
    """T must match what has no partner, too, and pays for it; with changed colours it gains."""
    views = make_views(synthetic_pairs(16, 0, seed=500), "strong", "same", seed=2)
    found = count(encoder, views, LEVELS)
    assert found["q"].precision > found["qt"].precision + 0.03
    assert found["q"].coverage > found["qt"].coverage
    assert found["qt"].no_partner > 1.5 * found["q"].no_partner


def test_counts_are_shares_of_the_same_cells(encoder: Encoder) -> None:
    views = make_views(synthetic_pairs(4, 8, seed=0), "strong", "same", seed=0)
    found = count(encoder, views, LEVELS)
    partner = float(views.partner.float().mean())
    argmax = found["argmax"]
    assert argmax.coverage == 1 and argmax.positives == 4 * 256
    assert argmax.no_partner == pytest.approx(1 - partner)
    first, second = encode(encoder, views.views)
    ends = np.stack([np.bincount(s.argmax(1), minlength=256) for s in (first @ second.mT).numpy()])
    assert argmax.crowding == pytest.approx(np.sort(ends)[:, -13:].sum() / 1024)
    for x in found.values():
        assert x.recall * partner == pytest.approx(x.precision * x.coverage, abs=1e-6)
        assert x.precision + x.no_partner <= 1
    assert np.isnan(found["q"].variance) and 1 / 256 < found["qt"].variance < 1
    assert found["qt"].residual <= 1e-2


def test_what_left_the_window_is_counted() -> None:
    """The window of 8 frames, 2.5 of 32 cells of the short side, applied to true motions."""
    pairs = synthetic_pairs(4, 16, seed=0)
    views = make_views(pairs, "shared", "same", seed=0)
    far, seen = [], 0
    for pair, maps in zip(pairs, views.to_frame.double().numpy(), strict=True):
        position, partner = truth(pair, maps)
        before = CELLS * STRIDE @ maps[0, :, :2].T + maps[0, :, 2]
        after = position * STRIDE @ maps[1, :, :2].T + maps[1, :, 2]
        far += list(np.abs(after - before).max(axis=1)[partner] > 2.5 / 32 * 192)
        seen += int(partner.sum())
    assert beyond_window(views, Mining()) == pytest.approx(np.mean(far), abs=2 / seen)
    assert 0.01 < np.mean(far) < 0.5


def test_judges_know_what_they_agree_on(encoder: Encoder) -> None:
    pairs = [pair._replace(scene=None) for pair in synthetic_pairs(4, 8, seed=0)]
    views = make_views(pairs, "shared", "same", seed=0)
    assert not views.known.any()
    own = agreed(views, [encoder, encoder])
    first, second = encode(encoder, views.views)
    similarity = (first @ second.mT).numpy()
    for b in range(4):
        there = similarity[b].argmax(1)
        back = similarity[b].argmax(0)[there]
        known = np.abs(CELLS[back] - CELLS).max(axis=1) <= 1
        assert np.array_equal(own.known[b].numpy(), known)
        assert np.array_equal(own.position[b].numpy()[known], CELLS[there[known]])
    found = count(encoder, own, LEVELS)
    assert found["q"].precision == found["argmax"].precision == found["argmax"].coverage == 1
    other = agreed(views, [encoder, load_encoder("lab")])
    assert 0 < int(other.known.sum()) < int(own.known.sum())
    assert torch.equal(other.partner, other.known)


def test_the_report_is_what_was_counted(tmp_path: Path, encoder: Encoder) -> None:
    assert main(["experiment", "positives", "--scale", "smoke", "--out", str(tmp_path)]) == 0
    folder = tmp_path / "positives"
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {x["weights"] for x in rows} == {"default", "random"}
    assert {(x["gap"], x["crop"]) for x in rows} == {
        (gap, crop) for gap in ("0", "1", "8", "16", "32") for crop in ("strong", "mild", "shared")
    }
    wanted = Case("synthetic", 16, "mild", "slight")
    views = next(views for case, views in cases(2) if case == wanted)
    again = make_views(synthetic_pairs(2, 16, seed=FIRST_SEED), "mild", "slight", seed=16)
    assert torch.equal(views.views, again.views)
    expected = count(encoder, views, LEVELS)
    own = {
        x["rule"]: x
        for x in rows
        if x["weights"] == "default"
        and (x["source"], x["gap"], x["crop"], x["colour"]) == tuple(map(str, wanted))
    }
    for rule in LEVELS:
        for name in ("coverage", "precision", "no_partner", "recall"):
            told = float(own[rule.name][name])
            assert told == pytest.approx(getattr(expected[rule.name], name), rel=1e-4)
    report = (folder / "report.md").read_text()
    line = next(x for x in report.split("| mild, slight |")[1].splitlines() if "| Q+T+C |" in x)
    both = expected["qtc"].precision, expected["qtc"].coverage
    assert line.split("|")[4].strip() == "{:.1f} ({:.1f})".format(*(100 * x for x in both))
    picture = np.asarray(Image.open(folder / "plot.png").convert("RGB"))
    assert (picture != 255).mean() > 0.02


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("positives", ["--judges", "default", "lab"], "needs --data"),
        ("positives", ["--weights", "nowhere"], "no encoder 'nowhere'"),
        ("criteria", ["--weights", "default"], "are for positives"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    name: str, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", name, "--scale", "smoke", "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_the_course_of_a_training_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Encoders that know their step are told apart by it; others' truth ranks them as well."""
    folders = []
    for step, name in ((10, "default"), (0, "random"), (20, "default")):
        encoder = load_encoder(name)
        encoder.config = replace(encoder.config, meta={"training": {"step": step}})
        save_encoder(encoder, tmp_path / "points" / str(step))
        folders.append(str(tmp_path / "points" / str(step)))
    options = ["--scale", "smoke", "--weights", "default", *folders, "--out", str(tmp_path / "out")]
    assert main(["experiment", "positives", *options]) == 0
    report = (tmp_path / "out" / "positives" / "report.md").read_text()
    assert "--weights default points/10 points/0 points/20" in report
    first, second = (x.splitlines() for x in report.split("| weights |")[1:])
    for table in (first, second):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:6]]
        assert [row[0] for row in rows] == [
            "default", "points/10 (step 10)", "points/0 (step 0)", "points/20 (step 20)",
        ]  # fmt: skip
        assert rows[0][1:] == rows[1][1:] == rows[3][1:] != rows[2][1:]
    ranks = next(x for x in report.splitlines() if x.startswith("| share of mutual"))
    told = [x.strip() for x in ranks.strip("|").split("|")[1:]]
    assert len(told) == 7 and all(x == "–" or -1 <= float(x) <= 1 for x in told)
    with (tmp_path / "out" / "positives" / "results.csv").open() as file:
        rows = [x for x in csv.DictReader(file) if x["rule"] == "argmax"]
    assert sum(x["step"] == "" for x in rows) == 33 and sum(x["step"] == "10" for x in rows) == 7
    capsys.readouterr()
