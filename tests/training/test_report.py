from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pixelkin.objectives.mined_contrast as mined_contrast
import pixelkin.training.loop as loop
from pixelkin.data.batch import ClipBatch
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Negatives
from pixelkin.mining.positives import Mined
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.models.encoder import load_encoder
from pixelkin.training.config import load_recipe
from pixelkin.training.report import curves, last_m2, mine_pair, mining_of, write_report
from pixelkin.types import InputError


def shifted_pair(cells: int) -> tuple[np.ndarray, np.ndarray, int]:
    """A smooth random picture, and the same moved to the right by whole cells of 8 pixels."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (10, 14, 3), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((14 * 16, 10 * 16), Image.Resampling.BICUBIC))
    move = 8 * cells
    return wide[:, move : move + 160].copy(), wide[:, :160].copy(), 8


def test_mining_follows_a_known_motion() -> None:
    pair = shifted_pair(1)
    found = mine_pair(load_encoder("lab"), pair, Mining(), 1.0)
    assert found.centres.shape == (20 * 20, 2)
    assert found.centres[21].tolist() == [8.0, 8.0]
    positives = found.mined.positives
    motion = found.centres[positives.targets] - found.centres[positives.sources]
    right = (motion == torch.tensor([8.0, 0.0])).all(dim=1)
    assert len(right) > 40
    assert float(right.float().mean()) > 0.9
    assert bool((positives.values[:-1] >= positives.values[1:]).all())
    assert float(positives.values.min()) >= 0.5


def test_negatives_keep_to_the_band_and_away_from_the_positive() -> None:
    mining = Mining(negatives=Negatives(m1=0.2))
    found = mine_pair(load_encoder("lab"), shifted_pair(1), mining, 0.6)
    assert 0.3 * 400 < len(found.negatives) <= 0.4 * 400 + 1
    assert float(found.hardness.max()) <= 0.61 and float(found.hardness.min()) >= 0.19
    away = found.centres[found.negatives] - found.centres[found.mined.positives.targets[0]]
    assert float(away.abs().amax(dim=1).min()) > 8


def test_nothing_confident_is_drawn_as_such(tmp_path: Path) -> None:
    flat = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8), 8
    found = mine_pair(load_encoder("lab"), flat, Mining(), 1.0)
    assert len(found.mined.positives.values) == len(found.negatives) == 0
    assert write_report(tmp_path, load_encoder("lab"), [flat]).is_file()


SETTINGS = {
    "small": {"transport": {"epsilon": 0.02, "max_iterations": 60}},
    "occlusion": {"confidence": {"level": "qt", "threshold": 0.2}, "transport": {"dustbin": 0.4}},
    "wide": {"confidence": {"threshold": 0.1}, "window": {"gaps": [1, 8], "radii": [3, 5]}},
    "mutual": {"confidence": {"level": "q", "threshold": 0.9, "hard_q": True}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_report_mines_what_the_objective_mines(
    name: str, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "stages.1.objectives.1.settings.mining"
    recipe = load_recipe(recipe_file, {key: SETTINGS[name]})
    encoder, pair = load_encoder("default"), shifted_pair(1)
    drawn = mine_pair(encoder, pair, mining_of(recipe), 1.0).mined

    seen: list[Mined] = []

    def remembered(*given: Any) -> Mined:
        seen.append(mine(*given))
        return seen[-1]

    mine = mined_contrast.mine
    monkeypatch.setattr(mined_contrast, "mine", remembered)
    frames = torch.stack([torch.from_numpy(f).permute(2, 0, 1) / 255 for f in pair[:2]])
    batch = ClipBatch(
        views=frames[None],
        to_frame=torch.eye(2, 3).expand(1, 2, 2, 3),
        times=torch.tensor([[0, pair[2]]]),
        frame_size=torch.tensor([[160, 160]]),
        videos=torch.zeros(1, dtype=torch.int64),
    )
    features = torch.stack([encoder.encode(f) for f in pair[:2]])[None]
    _, figures = recipe.stages[1].objectives[1].objective(features, batch, 0.0)
    trained = seen[0].positives
    order = trained.values.argsort(descending=True)
    for ours, theirs in zip(drawn.positives, trained.where(order), strict=True):
        assert torch.equal(ours, theirs)
    assert figures["positives"] * 400 == pytest.approx(len(drawn.positives.values))
    assert len(drawn.positives.values) > 10
    default = mine_pair(encoder, pair, Mining(), 1.0).mined.positives.values
    assert len(default) != len(drawn.positives.values)


def test_a_training_reports_by_the_settings_of_its_last_mining(
    frames: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Mining] = []

    def noted(run: Path, encoder: object, pairs: object, mining: Mining) -> None:
        given.append(mining)

    monkeypatch.setattr(loop, "write_report", noted)
    key = "stages.1.objectives.1.settings.mining"
    changes = {"run.report": True, "steps": 2, key: SETTINGS["wide"]}
    loop.train(recipe_file, [frames], tmp_path / "out", overrides=changes)
    assert [m.confidence for m in given] == [Confidence(threshold=0.1)]
    assert given[0].window.radii == (3.0, 5.0)
    one = {"stages": [{"objectives": [{"name": "known_geometry"}]}]}
    assert mining_of(load_recipe(recipe_file, one)) == Mining()


def test_m2_is_the_last_one_that_was_logged() -> None:
    lines = [
        {"step": 0, "mined_contrast0/m2": 0.7},
        {"step": 1, "mined_contrast1/m2": 0.4},
        {"step": 2, "mined_contrast1/m2": 0.5, "mined_contrast0/m2": None},
    ]
    assert last_m2(lines, Mining()) == 0.5
    fixed = Mining(curriculum=Curriculum("fixed", high=0.8))
    assert last_m2([{"step": 0}], fixed) == 0.8


def test_curves_are_found_by_the_parts_of_their_names() -> None:
    lines = [
        {"step": 0, "loss": 2.0, "mined/m2": 0.5, "mined/loss": None},
        {"step": 1, "loss": 1.0, "validation/J": 0.3, "mined/m2": 0.6},
    ]
    assert curves(lines, ("m2",)) == {"mined/m2": ((0, 1), (0.5, 0.6))}
    assert curves(lines, ("validation",)) == {"validation/J": ((1,), (0.3,))}
    assert curves(lines, ("loss",)) == {"loss": ((0, 1), (2.0, 1.0)), "mined/loss": ((), ())}
    assert curves([], ("loss",)) == {}


def test_the_picture_holds_curves_and_pairs(tmp_path: Path) -> None:
    lines = [{"step": s, "loss": 1 / (s + 1), "mined/m2": 0.5} for s in range(120)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    path = write_report(tmp_path, load_encoder("lab"), [shifted_pair(1)] * 2)
    assert path == tmp_path / "report.png"
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    curve, pair = np.split(pixels, 2)
    assert len(np.unique(curve.reshape(-1, 3), axis=0)) > 50
    assert len(np.unique(pair.reshape(-1, 3), axis=0)) > 2000  # photographs, not empty panels


def test_without_matplotlib_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"needs matplotlib, of pixelkin\[plots\]: pip install"):
        write_report(tmp_path, load_encoder("lab"), [])
    assert not (tmp_path / "report.png").exists()
