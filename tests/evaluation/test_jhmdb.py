"""JHMDB: the official layout, and PCK against the published script's figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scenes import HEIGHT, WIDTH, Scene, save_text
from scipy.io import loadmat, savemat

from pixelkin.app.cli import main
from pixelkin.evaluation.benchmark import Store
from pixelkin.evaluation.jhmdb import load_split
from pixelkin.evaluation.keypoints import ALPHAS, score_joints
from pixelkin.evaluation.metrics import pck
from pixelkin.formats.jhmdb_mat import JOINTS
from pixelkin.types import InputError


def joints_of(frames: int) -> np.ndarray:
    """T x 15 x 2 (x, y): on the square, and moving with it; the last one is outside the frame."""
    offset = np.stack(np.meshgrid(np.arange(1, 12, 4), np.arange(1, 12, 2)), -1).reshape(-1, 2)[:15]
    moved = offset + np.array([[[4 + 2 * t, 2]] for t in range(frames)])
    moved[:, -1] = -40
    return moved.astype(float)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two test clips of two actions, one with masks and a frame too many, and a training clip."""
    root = tmp_path / "JHMDB"
    for n, name in enumerate(("catch/goal (1)_2", "walk/street_0", "walk/train_1")):
        scene = Scene(4, seed=n)
        scene.write(root / "Rename_Images" / name, None, lambda t: f"{t + 1:05d}", "png")
        joints = joints_of(3 if n == 0 else 4)
        folder = root / "joint_positions" / name
        folder.mkdir(parents=True)
        savemat(folder / "joint_positions.mat", {"pos_img": joints.transpose(2, 1, 0) + 1})
    masks = np.stack([Scene(5).ids(t) for t in range(3)], axis=-1)
    (root / "puppet_mask/catch/goal (1)_2").mkdir(parents=True)
    savemat(root / "puppet_mask/catch/goal (1)_2/puppet_mask.mat", {"part_mask": masks})
    save_text(root / "splits/catch_test_split1.txt", "goal (1)_2.avi 2\n")
    save_text(root / "splits/walk_test_split1.txt", "street_0.avi 2 \ntrain_1.avi 1 \n")
    save_text(root / "splits/walk_test_split2.txt", "street_0.avi 1 \ntrain_1.avi 2 \n")
    return root


def test_the_layout_is_read(root: Path) -> None:
    goal, street = load_split(root)
    assert (goal.name, street.name) == ("catch/goal (1)_2", "walk/street_0")
    assert goal.names == ("00001", "00002", "00003")  # the fourth has no joints
    np.testing.assert_allclose(street.joints, joints_of(4), atol=1e-5)  # files count from 1
    given = goal.given(0)
    assert given is not None and given.objects.names == JOINTS and given.size == (HEIGHT, WIDTH)
    assert goal.given(1) is None
    region = goal.region(2)
    assert region is not None and street.region(2) is None
    np.testing.assert_array_equal(region.ids, Scene(5).ids(2))
    assert [c.name for c in load_split(root, 2)] == ["walk/train_1"]


def test_replaced_joints_change_the_source(root: Path) -> None:
    before = [clip.source for clip in load_split(root)]
    path = root / "joint_positions/walk/street_0/joint_positions.mat"
    savemat(path, {"pos_img": loadmat(path)["pos_img"] + 1})
    after = [clip.source for clip in load_split(root)]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False]


def test_figures_are_the_published_scripts(golden: Path) -> None:
    with np.load(golden / "metrics/jhmdb_pck.npz") as arrays:
        truth, guess = {}, {}
        for v, (height, width) in enumerate(arrays["sizes"]):
            truth[str(v)] = arrays[f"gt{v}"].transpose(2, 1, 0) - 1
            cells = arrays[f"pred{v}"].transpose(2, 1, 0)
            guess[str(v)] = cells / float(arrays["feat_res"]) * (width, height)
        expected, first = arrays["pck"], arrays["per_joint_01"]
    score = score_joints(truth, guess, JOINTS)
    np.testing.assert_allclose(score.official.mean, expected, atol=1e-10)
    figures = score.to_json()
    assert figures["alphas"] == list(ALPHAS) and figures["frames"] == 5 + 6 + 7
    np.testing.assert_allclose([figures["joint"]["official"][n][0] for n in JOINTS], first)
    assert (score.strict.mean <= score.official.mean + 1e-9).all()
    one = pck([truth["1"]], [guess["1"]], ALPHAS).mean
    np.testing.assert_allclose(figures["video"]["1"]["official"], one)


def test_end_to_end(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The joint outside the first frame is lost: left out officially, wrong strictly."""
    out = tmp_path / "out"
    command = ["evaluate", "jhmdb", "--root", str(root), "--weights", "lab", "--out", str(out)]
    assert main([*command, "--videos"]) == 0
    shown = capsys.readouterr().out
    figures = json.loads((out / "result.json").read_text())
    official, strict = (np.array(figures[way]) for way in ("official", "strict"))
    assert figures["joint"]["official"][JOINTS[-1]] == [None] * 5
    assert figures["joint"]["strict"][JOINTS[-1]] == [0.0] * 5
    assert official[-1] > 0 and strict[-1] > 0  # their boxes differ: so do the thresholds
    assert f"{official[1]:.1f}" in shown and f"{strict[1]:.1f}" in shown
    goal, _ = load_split(root)
    points = Store(out).points(goal)
    assert points.shape == (3, 15, 2) and np.isnan(points[1:, -1]).all()
    np.testing.assert_array_equal(points[0], goal.joints[0])
    assert (out / "videos/catch/goal (1)_2.mp4").is_file()
    table = (out / "table.md").read_text()
    assert "| strict |" in table and "@0.5" in table


def test_wrong_folders_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"looked for splits; .*JHMDB"):
        load_split(tmp_path)
    with pytest.raises(InputError, match=r"looked for <action>_test_split3\.txt, found none"):
        load_split(root, 3)
    with pytest.raises(InputError, match="no JHMDB split 4"):
        load_split(root, 4)
    with pytest.raises(InputError, match="no sequence walk/train_1 in JHMDB split 1"):
        load_split(root, sequences=["walk/train_1"])
    (root / "Rename_Images/walk/street_0/00004.png").unlink()
    with pytest.raises(InputError, match="street_0: 3 frames, but joints of 4"):
        load_split(root)
    (root / "joint_positions/walk/street_0/joint_positions.mat").unlink()
    with pytest.raises(InputError, match=r"no such file: .*street_0/joint_positions\.mat"):
        load_split(root)
