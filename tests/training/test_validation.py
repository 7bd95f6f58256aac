from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.evaluation.metrics import region_similarity
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.validation import synthetic_score


def test_the_score_is_the_mean_j_of_the_benchmarks() -> None:
    encoder = load_encoder("lab")
    found = []
    for seed in (0, 1):
        scene = SyntheticScene(seed, (192, 320), 12, 3, light=0.4, noise=8.0)
        propagator = Propagator(encoder, "davis")
        propagator.step(scene[0].image, scene[0].mask_labels)
        for t in (4, 8):
            ids = propagator.step(scene[t].image).labels.ids
            assert ids is not None
            objects = np.arange(1, 4)[:, None, None]
            found.append(region_similarity(scene[t].ids == objects, ids == objects))
    assert synthetic_score(encoder, 2, frames=3) == pytest.approx(float(np.mean(found)))


def test_trained_weights_score_above_random_ones() -> None:
    trained, random = (synthetic_score(load_encoder(w), 1, 4) for w in ("default", "random"))
    assert trained > random + 0.1


def test_synthetic_videos_validate_by_default(
    frames: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = train(recipe_file, [frames], out, overrides={"run.validate_scenes": 1})
    lines = read_metrics(out / "metrics.jsonl")
    found = {x["step"]: x["validation/synthetic_j"] for x in lines if "validation/synthetic_j" in x}
    assert list(found) == [2, 5, 8, 11]  # every fifth of 12 steps, and the last
    assert all(0 < j < 1 for j in found.values())
    assert result.figures["validation/synthetic_j"] == pytest.approx(found[11], rel=1e-6)
