"""Confidence of masks: what it is made of, and that it knows of a scene that is another one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.formats.frame_json import load_prediction
from pixelkin.propagation.confidence import LEAST, MOST_CELLS, TABLE, Likeness, expected, score
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import Labels
from pixelkin.video.writer import write_image


@pytest.mark.parametrize("grid", [(6, 9), (50, 60)])
def test_likeness_is_what_a_loop_finds(grid: tuple[int, int]) -> None:
    """The larger grid is pooled, two cells by two."""
    generator = torch.Generator().manual_seed(grid[0])
    first, other = (torch.randn((8, *grid), generator=generator) for _ in range(2))
    labels = torch.zeros((3, *grid))
    labels[0, 1:4, 2:7] = 0.5
    labels[1, 2:5, 3:6] = 1
    found = Likeness(first, labels)(other)
    pool = 1 if grid[0] * grid[1] <= MOST_CELLS else 2
    corners = [(y, x) for y in range(0, grid[0], pool) for x in range(0, grid[1], pool)]

    def unit(features: torch.Tensor) -> np.ndarray:
        array = features.double().numpy()
        array = array / np.linalg.norm(array, axis=0)
        blocks = [array[:, y : y + pool, x : x + pool].mean((1, 2)) for y, x in corners]
        return np.array([block / np.linalg.norm(block) for block in blocks])

    nearest = (unit(first) @ unit(other).T).max(1)
    for label, value in zip(labels[:2], found, strict=False):
        weights = [float(label[y : y + pool, x : x + pool].mean()) for y, x in corners]
        assert value == pytest.approx(np.average(nearest, weights=weights), abs=1e-5)
    assert found[2] == 0


def test_the_same_frame_is_wholly_alike_and_noise_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    first, noise = (torch.randn((64, 10, 12), generator=generator) for _ in range(2))
    label = torch.zeros(1, 10, 12)
    label[0, 3:6, 4:8] = 1
    alike = Likeness(first, label)
    assert alike(first)[0] == pytest.approx(1, abs=1e-6) and alike(3 * first)[0] > 0.999
    assert alike(noise)[0] < 0.6


def test_the_table_never_falls_and_says_what_it_was_made_of() -> None:
    table = json.loads(TABLE.read_text())
    assert table["score"] == sorted(table["score"])
    assert table["quality"] == sorted(table["quality"])
    assert 0 <= table["quality"][0] < 0.1 and 0.85 < table["quality"][-1] <= 1
    assert "calibration.py" in table["made_by"]


def test_what_is_expected_lies_on_the_table() -> None:
    table = json.loads(TABLE.read_text())
    shares = np.array([table["score"][5], 1.0, 0.9, 0.0], np.float32)
    # A likeness of 0.65 counts as 1; below, the share counts less with its fourth power.
    likeness = np.array([0.65, 0.65 * table["score"][7] ** 0.25, -0.5, 1.0], np.float32)
    found = expected(shares, likeness)
    wanted = [table["quality"][5], table["quality"][7], LEAST, 0]
    assert found == pytest.approx(wanted, abs=1e-4) and found.dtype == np.float32
    assert score(shares, likeness)[2] == 0


def test_confidence_stands_beside_the_votes_and_leaves_masks_alone(tmp_path) -> None:
    scene = SyntheticScene(3, size=(128, 208), frames=6, objects=2)
    frames = [frame.image for frame in scene]
    for t, image in enumerate(frames):
        write_image(tmp_path / f"v/{t}.png", image)
    first = scene[0].mask_labels
    propagator = Propagator("default")
    plain = [propagator.step(f, first if t == 0 else None) for t, f in enumerate(frames)]
    propagate_to_folder(tmp_path / "v", first, tmp_path / "o")
    for t, one in enumerate(propagate(tmp_path / "v", first)):
        np.testing.assert_array_equal(one.ids, plain[t].ids)
        kept = load_prediction(tmp_path / "o", str(t))
        np.testing.assert_array_equal(kept.confidence, one.confidence)
        if t == 0:
            assert one.votes is None and kept.votes is None and (one.confidence == 1).all()
        else:
            np.testing.assert_array_equal(one.votes, plain[t].confidence)
            np.testing.assert_array_equal(kept.votes, one.votes)
            assert (one.confidence < one.votes).all()  # the votes boast


def test_less_is_expected_of_another_scene_that_gets_the_votes_all_the_same(tmp_path) -> None:
    """Carried over cuts because somebody wanted it; some objects resemble what comes, by chance."""
    within, over, votes = [], [], []
    for one, other in ((1, 2), (3, 4), (5, 6), (7, 8)):
        for pair in ((one, other), (other, one)):
            scenes = [SyntheticScene(s, size=(240, 432), frames=8, objects=2) for s in pair]
            frames = [scenes[t >= 4][t].image for t in range(8)]
            first = Labels.from_mask(scenes[0][0].ids)
            folder = tmp_path / f"{pair}"
            for t, frame in enumerate(frames):
                write_image(folder / f"{t}.png", frame)
            found = list(propagate(folder, first, over_cuts=True))
            within += [p.confidence for p in found[1:4]]
            over += [p.confidence for p in found[4:]]
            votes += [p.votes for p in found[4:]]
    assert np.min(within) > 0.85 and np.mean(votes) > 0.8
    assert np.mean(over) < 0.5 and np.median(over) < 0.6 and np.min(over) < 0.1


def test_other_protocols_keep_the_share_of_the_votes(tmp_path) -> None:
    scene = SyntheticScene(3, size=(64, 96), frames=3, objects=1)
    for t in range(3):
        write_image(tmp_path / f"{t}.png", scene[t].image)
    found = list(propagate(tmp_path, scene[0].mask_labels, protocol="youtube_vos", encoder="lab"))
    assert all(p.votes is None for p in found)
