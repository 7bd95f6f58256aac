"""Tuning to a video: what it looks at, what it is made of, and that it can be stopped anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import pixelkin
from pixelkin.data.index import source_of
from pixelkin.evaluation.mutual import mutual_share, sample_pairs
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from pixelkin.training import tuning
from pixelkin.training.tuning import choose, tune, tuning_recipe
from pixelkin.types import InputError
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image

TINY = {
    "batch": 8,
    "size": 32,
    "precision": "float32",
    "data.short_side": 64,
    "run.workers": 0,
    "run.validate_every": 2,
    "run.checkpoint_every": 1,
}


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A small network, with statistics of batch-norm that are not those of any video."""
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(widths=(8, 8, 8)))
    for name, value in encoder.state_dict().items():
        if "running" in name:
            value.uniform_(0.5, 2)
    save_encoder(encoder, tmp_path / "start")
    return tmp_path / "start"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {**TINY, "run.store": str(tmp_path / "store")}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def test_weights_change_statistics_stay_and_the_choice_is_told(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    told = iter([0.6, 0.7, 0.5])  # of the start, and after 2 and 4 steps
    monkeypatch.setattr(tuning, "mutual_share", lambda *_: next(told))
    video, out = frames / "video0", tmp_path / "tuned"
    done = tune([video], out, weights=start, steps=4, overrides=settings, keep_points=True)
    assert (done.step, done.scores, done.reused) == (2, {0: 0.6, 2: 0.7, 4: 0.5}, False)
    before, after = weights_of(start), weights_of(out)
    chosen = weights_of(out / "training/points/2")
    for name, value in after.items():
        assert torch.equal(value, chosen[name])
        same = torch.equal(value, before[name])
        assert same if "running" in name else True, name
    assert not torch.equal(after["net.conv1.weight"], before["net.conv1.weight"])
    meta = load_encoder(out).config.meta["tuned"]
    known = {"frames": len(list(video.iterdir())), "content": source_of(video).content}
    assert meta["videos"] == [known] and meta["step"] == 2
    assert meta["weights"]["name"] == str(start)


def test_weights_that_get_worse_are_not_taken(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    told = iter([0.5, 0.4])
    monkeypatch.setattr(tuning, "mutual_share", lambda *_: next(told))
    done = tune([frames / "video0"], tmp_path / "t", weights=start, steps=2, overrides=settings)
    before, after = weights_of(start), weights_of(done.folder)
    assert done.step == 0
    assert all(torch.equal(after[name], value) for name, value in before.items())
    left = {p.name for p in (done.folder / "training").rglob("*") if p.is_file()}
    assert left == {"run.json", ".pixelkin-files", "recipe.yaml", "metrics.jsonl"}


def test_it_is_reused_for_the_same_content_and_refused_for_other(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    def again(video: Path, **more: Any) -> tuning.Tuned:
        return tune([video], out, weights=start, steps=2, overrides=settings, **more)

    out, video = tmp_path / "tuned", tmp_path / "video"
    video.mkdir()
    for t in range(6):
        (video / f"{t}.png").write_bytes((frames / f"video0/{t:03d}.png").read_bytes())
    first = again(video)
    kept = weights_of(out)
    assert not first.reused and again(video).reused and again(video, overwrite=True).reused
    (video / "5.png").write_bytes((frames / "video1/005.png").read_bytes())
    other = rf"tuned holds a finished tuning to other frames than those of {video}: --overwrite"
    with pytest.raises(InputError, match=other):
        again(video)
    assert all(torch.equal(x, kept[n]) for n, x in weights_of(out).items())
    assert not again(video, overwrite=True).reused


def test_what_is_other_is_told_in_words(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    def tuned(weights: Path = start, steps: int = 2, seed: int = 0) -> None:
        how: dict[str, Any] = {"weights": weights, "steps": steps, "seed": seed}
        tune([frames / "video0"], tmp_path / "tuned", overrides=settings, **how)

    tuned()
    other = tmp_path / "other"
    save_encoder(Encoder(EncoderConfig(widths=(8, 8, 8))), other)
    with pytest.raises(InputError, match=r"tuning with other settings: steps 2 \(4 now\), seed 0"):
        tuned(steps=4, seed=1)
    with pytest.raises(InputError, match=rf"that began with the weights {start}, not {other}: --o"):
        tuned(other)
    save_encoder(load_encoder(other), start)
    with pytest.raises(InputError, match=rf"the weights {start}, before they changed: --overwrite"):
        tuned()
    mark = tmp_path / "tuned/run.json"
    mark.write_text(mark.read_text().replace('"weights"', '"damaged"'))
    with pytest.raises(InputError, match=r"tuning with another weights, damaged: --overwrite"):
        tuned()


def test_the_recipe_inside_is_not_blamed(
    frames: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def message(**how: Any) -> str:
        with pytest.raises(InputError) as error:
            tune([frames / "video0"], tmp_path / "t", **{"weights": start, **how})
        assert not (tmp_path / "t").exists()
        return str(error.value)

    assert message(steps=0).startswith("steps: 0 must be at least 1")
    assert message(overrides={"size": 20}).startswith("size: 20 must be a multiple of network.stri")
    assert message(device="mps").startswith("run.device: 'mps' is not one of auto, cpu, cuda")
    assert message(device="cuda").startswith("device 'cuda': torch")
    assert message(overrides={"batch": 7}).startswith("stages.0.objectives.0.share: 0.375 of batch")
    with monkeypatch.context() as patch:  # a recipe that does not go with any weights
        own = tmp_path / "own.yaml"
        own.write_text(tuning.RECIPE.read_text().replace("size: 128", "size: 20"))
        patch.setattr(tuning, "RECIPE", own)
        assert message().startswith(f"the weights {start} cannot be tuned: size: 20 must be a mul")


def test_stopped_anywhere_it_ends_with_the_same_weights(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    def tuned(out: Path) -> Path:
        video = frames / "video2"
        return tune([video], out, weights=start, steps=4, overrides=settings).folder

    whole = tuned(tmp_path / "whole")
    with monkeypatch.context() as patched:
        calls = iter(range(10))

        def stops(*arguments: Any) -> float:
            if next(calls) == 2:  # of the last step
                raise KeyboardInterrupt
            return mutual_share(*arguments)

        patched.setattr(tuning, "mutual_share", stops)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path / "stopped")
    resumed = tuned(tmp_path / "stopped")
    assert not (tmp_path / "stopped/training/checkpoint.pt").exists()
    a, b = weights_of(whole), weights_of(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_only_the_named_video_is_looked_at(
    frames: Path, start: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Results inside the folder of frames, and videos beside it, are not searched for."""
    video = tmp_path / "video"
    for t in range(4):
        path = video / f"{t}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((frames / f"video0/{t:03d}.png").read_bytes())
        write_image(video / f"out/masks/{t}.png", np.zeros((80, 72, 3), np.uint8))
        write_image(tmp_path / f"other/{t}.png", np.zeros((80, 72, 3), np.uint8))
    done = tune(
        [str(video / "[0-2].png")],
        video / "out/tuned",
        weights=start,
        steps=2,
        overrides=settings,
    )
    (told,) = load_encoder(done.folder).config.meta["tuned"]["videos"]
    assert told["frames"] == 3
    lines = (done.folder / "training/metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert source_of(video).frames == 4


def test_the_recipe_is_anchored_to_the_weights_it_starts_from(start: Path) -> None:
    recipe = tuning_recipe(load_encoder(start), start)
    anchors = [o for o in recipe.stages[0].objectives if o.name == "distillation"]
    assert [o.settings["teachers"] for o in anchors] == [(str(start),)]
    assert recipe.init == str(start) and recipe.network.widths == (8, 8, 8)
    assert recipe.batch_norm == "kept"


@pytest.mark.parametrize("name", ["distillation", "chained_distillation"])
def test_whatever_has_teachers_is_taught_by_those_weights(start: Path, name: str) -> None:
    recipe = tuning_recipe(
        load_encoder(start), start, {"stages": [{"objectives": [{"name": name}]}]}
    )
    (objective,) = recipe.stages[0].objectives
    assert objective.settings["teachers"] == (str(start),)


def test_epsilon_goes_by_whether_features_are_whitened(start: Path) -> None:
    def epsilon(weights: Any, **given: float) -> float:
        changes = {f"stages.0.objectives.1.settings.{k}": v for k, v in given.items()}
        recipe = tuning_recipe(load_encoder(weights), weights, changes)
        return recipe.stages[0].objectives[1].objective.mining.transport.epsilon

    assert epsilon("default") == 0.05 and epsilon(start) == 0.02
    assert epsilon(start, max_pairs=512) == 0.02
    assert epsilon(start, **{"mining.transport.epsilon": 0.03}) == 0.03


def test_what_cannot_be_tuned_is_named(frames: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.png"
    write_image(one, np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="single frame"):
        tune([one], tmp_path / "out")
    with pytest.raises(InputError, match="no such file"):
        tune([tmp_path / "none.mp4"], tmp_path / "out")
    with pytest.raises(InputError, match="at least one video"):
        tune([], tmp_path / "out")
    with pytest.raises(InputError, match="'lab' has no weights to train"):
        tune([frames / "video0"], tmp_path / "out", weights="lab")
    assert not (tmp_path / "out").exists()
    assert pixelkin.tune is tune


def test_the_last_step_whose_score_has_not_fallen_is_chosen() -> None:
    assert choose({0: 0.5, 24: 0.5, 48: 0.496}) == 48
    assert choose({48: 0.49, 24: 0.52, 0: 0.5}) == 24
    assert choose({0: 0.5, 24: 0.4}) == 0


def test_mutual_share_of_known_matches(frames: Path) -> None:
    """Cells of a frame against itself are all mutual; against a constant one, a single cell is."""
    lab, (first, _) = load_encoder("lab"), sample_pairs(open_video(frames / "video0"))[0]
    assert mutual_share(lab, [(first, first)]) > 0.95
    cells = -(-first.shape[0] // 8) * -(-first.shape[1] // 8)
    flat = np.full_like(first, 128)
    assert mutual_share(lab, [(first, flat)]) == pytest.approx(1 / cells)
    assert len(sample_pairs(open_video(frames / "video0"), 3)) == 3
