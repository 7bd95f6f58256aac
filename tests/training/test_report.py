from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixelkin.models.encoder import load_encoder
from pixelkin.training.report import curves, mine, write_report
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
    mined = mine(load_encoder("lab"), pair)
    assert mined.centres.shape == (20 * 20, 2)
    assert mined.centres[21].tolist() == [8.0, 8.0]
    motion = mined.centres[mined.positives.targets] - mined.centres[mined.positives.sources]
    right = (motion == torch.tensor([8.0, 0.0])).all(dim=1)
    assert len(right) > 40
    assert float(right.float().mean()) > 0.9
    values = mined.positives.values
    assert bool((values[:-1] >= values[1:]).all())
    assert float(values.min()) >= 0.5


def test_negatives_keep_to_the_band_and_away_from_the_positive() -> None:
    mined = mine(load_encoder("lab"), shifted_pair(1), upper=0.6)
    assert 0.5 * 400 < len(mined.negatives) <= 0.6 * 400
    assert float(mined.hardness.max()) <= 0.61
    away = mined.centres[mined.negatives] - mined.centres[mined.positives.targets[0]]
    assert float(away.abs().amax(dim=1).min()) > 8


def test_nothing_confident_is_drawn_as_such(tmp_path: Path) -> None:
    flat = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8), 8
    mined = mine(load_encoder("lab"), flat)
    assert len(mined.positives.values) == len(mined.negatives) == 0
    assert write_report(tmp_path, load_encoder("lab"), [flat]).is_file()


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
    with pytest.raises(InputError, match=r"pip install 'pixelkin\[plots\]'"):
        write_report(tmp_path, load_encoder("lab"), [])
    assert not (tmp_path / "report.png").exists()
