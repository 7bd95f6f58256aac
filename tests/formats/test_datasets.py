"""JHMDB's and BADJA's joint files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pixelkin.formats import badja, jhmdb_mat
from pixelkin.formats.mask_png import read_mask
from pixelkin.types import InputError


@pytest.mark.parametrize("frames", [1, 4])
def test_jhmdb_positions_count_from_zero(tmp_path: Path, frames: int) -> None:
    positions = np.random.default_rng(0).uniform(-5, 300, (2, 15, frames))
    savemat(tmp_path / "joint_positions.mat", {"pos_img": positions})
    joints = jhmdb_mat.load_joints(tmp_path / "joint_positions.mat")
    assert joints.shape == (frames, 15, 2) and joints.dtype == np.float32
    for t in range(frames):
        for j in range(15):
            assert joints[t, j].tolist() == pytest.approx((positions[:, j, t] - 1).tolist())


def test_jhmdb_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="no such file"):
        jhmdb_mat.load_joints(path)
    path.write_text("not a MATLAB file")
    with pytest.raises(InputError, match="not a MATLAB file"):
        jhmdb_mat.load_joints(path)
    for content in ({"other": 1}, {"pos_img": np.zeros((15, 2, 4))}):
        savemat(path, content)
        with pytest.raises(InputError, match="pos_img of 2 x 15"):
            jhmdb_mat.load_joints(path)


def test_jhmdb_sample(shared: Path) -> None:
    path = shared / "data/jhmdb_sample/joint_positions.mat"
    joints = jhmdb_mat.load_joints(path)
    stored = loadmat(path)["pos_img"]
    assert joints.shape == (40, 15, 2) == (stored.shape[2], len(jhmdb_mat.JOINTS), 2)
    face, neck, ankle = (jhmdb_mat.JOINTS.index(n) for n in ("face", "neck", "right ankle"))
    upright = joints[0, :, 1]  # the goalkeeper stands in frame 0
    assert upright[face] < upright[neck] < upright[ankle]
    np.testing.assert_allclose(joints[17, 3], stored[:, 3, 17] - 1)


def entry(stem: str, joints: list[list[float]], visible: list[bool]) -> dict[str, object]:
    return {"image_path": f"DAVIS/x/{stem}.jpg", "joints": joints, "visibility": visible}


def test_badja_joints_are_row_and_column_at_full_size(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    entries = [
        entry("00000", [[0, 0], [100, 200], [1079, 1919]], [True, False, True]),
        entry("00005", [[540, 960], [0, 0], [0, 0]], [True, False, False]),
    ]
    path.write_text(json.dumps(entries))
    full = badja.load_joints(path, (1080, 1920))
    assert list(full) == ["00000", "00005"]
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(full["00000"].points, [[0, 0], nan, [1919, 1079]])
    np.testing.assert_array_equal(full["00005"].points, [[960, 540], nan, nan])
    half = badja.load_joints(path, (540, 960))["00000"]
    assert half.size == (540, 960)
    # The first full-size pixel covers the upper left quarter of the first half-size pixel.
    np.testing.assert_allclose(half.points, [[-0.25, -0.25], nan, [959.25, 539.25]])


@pytest.mark.parametrize("content", ["{", "3", '[{"joints": []}]', '[{"image_path": 3}]'])
def test_badja_refusals(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json is not (a BADJA|JSON)"):
        badja.load_joints(tmp_path / "a.json", (10, 10))
    with pytest.raises(InputError, match="no such file"):
        badja.load_joints(tmp_path / "b.json", (10, 10))


@pytest.mark.parametrize("video", ["cows", "dog", "horsejump-high"])
def test_badja_joints_lie_on_the_animal(shared: Path, video: str) -> None:
    folder = shared / "data"
    inside = total = 0
    for stem, labels in badja.load_joints(folder / f"badja/{video}.json", (480, 854)).items():
        mask = read_mask(folder / f"davis2016/Annotations/480p/{video}/{stem}.png", (480, 854)).ids
        near = np.maximum.reduce([np.roll(mask, s, a) for a in (0, 1) for s in range(-8, 9)])
        x, y = labels.points[np.isfinite(labels.points[:, 0])].round().astype(int).T
        inside += int((near[y.clip(0, 479), x.clip(0, 853)] > 0).sum())
        total += len(x)
    assert total > 100
    assert inside / total > 0.9
