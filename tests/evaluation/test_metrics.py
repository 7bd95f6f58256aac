from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pixelkin.evaluation.metrics import (
    boundary_f,
    boundary_map,
    davis_statistics,
    iou_from_confusion,
    mean_iou,
    pck,
    region_similarity,
)


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Noise and rectangles, which may be empty, full, or touch the border."""
    h, w = draw(st.integers(1, 14)), draw(st.integers(1, 14))

    def mask() -> np.ndarray:
        if draw(st.booleans()):
            return draw(hnp.arrays(np.bool_, (h, w)))
        mask = np.zeros((h, w), bool)
        top, left = draw(st.integers(0, h)), draw(st.integers(0, w))
        mask[top : draw(st.integers(top, h)), left : draw(st.integers(left, w))] = True
        return mask

    return mask(), mask()


def brute_boundary(mask: np.ndarray) -> set[tuple[int, int]]:
    """The definition, pixel by pixel: a neighbour outside the frame is not compared."""
    h, w = mask.shape
    return {
        (y, x)
        for y in range(h)
        for x in range(w)
        for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
        if v < h and u < w and mask[y, x] != mask[v, u]
    }


def brute_f(gt: np.ndarray, pred: np.ndarray, radius: int) -> float:
    """The definition over all pairs of boundary pixels."""
    truth, guess = brute_boundary(gt), brute_boundary(pred)
    if not truth or not guess:
        return 1.0 if not truth and not guess else 0.0

    def share(a: set[tuple[int, int]], b: set[tuple[int, int]]) -> float:
        near = [min((y - v) ** 2 + (x - u) ** 2 for v, u in b) <= radius**2 for y, x in a]
        return sum(near) / len(near)

    precision, recall = share(guess, truth), share(truth, guess)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(mask_pairs())
def test_region_similarity_is_set_iou(masks: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = ({(y, x) for y, x in np.argwhere(m)} for m in masks)
    expected = len(a & b) / len(a | b) if a | b else 1.0
    assert region_similarity(*masks) == expected
    assert region_similarity(*masks[::-1]) == expected


@given(mask_pairs())
def test_boundary_map_is_its_definition(masks: tuple[np.ndarray, np.ndarray]) -> None:
    found = {(int(y), int(x)) for y, x in np.argwhere(boundary_map(masks[0]))}
    assert found == brute_boundary(masks[0])


@given(mask_pairs(), st.integers(1, 6))
def test_boundary_f_is_its_definition(masks: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    assert boundary_f(*masks, tolerance=radius) == pytest.approx(brute_f(*masks, radius), abs=1e-15)
    assert boundary_f(*masks) == pytest.approx(brute_f(*masks, 1), abs=1e-15)  # diagonal < 20


@pytest.mark.parametrize(("shape", "radius"), [((480, 854), 8), ((300, 400), 4), ((240, 432), 4)])
def test_tolerance_is_a_disk_of_a_share_of_the_diagonal(
    shape: tuple[int, int], radius: int
) -> None:
    """One boundary quad, moved: matched up to the radius, along the axis and diagonally."""
    gt = np.zeros(shape, bool)
    gt[100, 100] = True
    step = math.isqrt(radius**2 // 2)  # furthest diagonal step within the disk

    def f(dy: int, dx: int) -> float:
        return float(boundary_f(gt, np.roll(gt, (dy, dx), (0, 1))))

    assert f(0, radius) == f(radius, 0) == f(-step, step) == 1.0
    assert f(0, radius + 1) == pytest.approx(0.5)  # the nearer half of the quad still matches
    assert f(radius + 2, 0) == f(step + 3, step + 3) == 0.0


def test_batches_are_scored_frame_by_frame() -> None:
    rng = np.random.default_rng(3)
    gt, pred = rng.random((2, 2, 3, 20, 31)) < 0.4
    for score in (region_similarity, boundary_f):
        together = score(gt, pred)
        assert together.shape == (2, 3)
        for i, j in np.ndindex(2, 3):
            assert together[i, j] == score(gt[i, j], pred[i, j])
        with pytest.raises(ValueError, match="must be the same"):
            score(gt, pred[:1])


def test_boundary_map_golden(golden: Path) -> None:
    with np.load(golden / "metrics/boundary_map.npz") as arrays:
        np.testing.assert_array_equal(boundary_map(arrays["mask"]), arrays["bmap"])
        np.testing.assert_array_equal(boundary_map(arrays["edge_mask"]), arrays["edge_bmap"])


def test_davis_golden(golden: Path) -> None:
    with np.load(golden / "metrics/davis_j1_120x213.npz") as arrays:
        gt, pred = ([arrays[name][1:-1] == k for k in (1, 2)] for name in ("gt", "pred"))
        j, f = region_similarity(gt, pred), boundary_f(gt, pred)
        np.testing.assert_array_equal(j, arrays["J"])
        np.testing.assert_array_equal(f, arrays["F"])
        stats = [[davis_statistics(j[k]), davis_statistics(f[k])] for k in (0, 1)]
        np.testing.assert_allclose(stats, arrays["stats"], rtol=0, atol=1e-15)
        np.testing.assert_allclose(
            [j.mean(), f.mean(), (j.mean() + f.mean()) / 2],
            [arrays[f"{name}_mean"] for name in ("J", "F", "JF")],
            rtol=0,
            atol=1e-15,
        )


def test_davis_statistics_by_hand() -> None:
    # Quarter ends of 7 values, counted from 1: 1, 2.5, 4, 5.5, 7; halves go up, ends are shared.
    values = [0.9, 0.8, 0.7, 0.5, 0.6, 0.4, 0.2]
    mean, recall, decay = davis_statistics(values)
    assert (mean, recall) == (pytest.approx(4.1 / 7), 4 / 7)  # 0.5 is not above 0.5
    assert decay == pytest.approx((0.9 + 0.8 + 0.7) / 3 - (0.4 + 0.2) / 2)
    assert davis_statistics([0.7]) == (0.7, 1.0, 0.0)
    for bad in ([], [[0.1, 0.2]]):
        with pytest.raises(ValueError, match="T scores"):
            davis_statistics(bad)


@given(st.integers(1, 256))
def test_statistics_agree_on_videos_of_up_to_256_frames(n: int) -> None:
    values = np.random.default_rng(n).random(n)
    assert davis_statistics(values) == davis_statistics(values, official=False)


def test_official_decay_wraps_around() -> None:
    """Frame indices are 8-bit in the official code, e.g. 824 -> 56 and 1099 -> 75 of 1100."""
    ramp = np.arange(1100) / 1100
    official, meant = davis_statistics(ramp), davis_statistics(ramp, official=False)
    assert official.decay == pytest.approx(ramp[:20].mean() - ramp[56:76].mean())
    assert meant.decay == pytest.approx(ramp[:276].mean() - ramp[824:].mean())
    assert official[:2] == meant[:2]
    assert math.isnan(davis_statistics(ramp[:300]).decay)  # 225..44: an empty quarter
    assert davis_statistics(ramp[:300], official=False).decay == pytest.approx(-224 / 1100)


def test_mean_iou_golden(golden: Path) -> None:
    with np.load(golden / "metrics/vip_miou.npz") as arrays:
        hist, iou, miou = mean_iou(arrays["gt"], arrays["pred"])
        np.testing.assert_array_equal(hist, arrays["hist"])
        np.testing.assert_allclose(iou, arrays["iou"], rtol=0, atol=1e-15)
        assert miou == pytest.approx(arrays["miou"], abs=1e-15)
        hist, _, miou = mean_iou(arrays["gt_ignore255"], arrays["pred"])
        np.testing.assert_array_equal(hist, arrays["hist_ignore"])
        assert miou == pytest.approx(arrays["miou_ignore"], abs=1e-15)


def test_mean_iou_by_hand() -> None:
    gt = np.array([[0, 0, 1, 1], [1, 255, 9, 3]])
    pred = np.array([[0, 1, 1, 1], [0, 77, 5, 3]])  # ids count only where gt is a class
    hist, iou, miou = mean_iou(gt, pred, classes=4)
    assert hist.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(iou, [1 / 3, 2 / 4, np.nan, 1])
    assert miou == pytest.approx((1 / 3 + 1 / 2 + 1) / 3)
    assert mean_iou(gt, pred, classes=4, ignore=0).hist[0].tolist() == [0, 0, 0, 0]
    halves = sum(mean_iou(g, p, classes=4).hist for g, p in zip(gt, pred, strict=True))
    np.testing.assert_allclose(iou_from_confusion(halves)[0], iou)
    with pytest.raises(ValueError, match=r"ids 0\.\.3: must be within 0\.\.2"):
        mean_iou([0, 1], [0, 3], classes=3)
    with pytest.raises(ValueError, match="must be the same"):
        mean_iou([0, 1], [0], classes=3)


def test_pck_golden(golden: Path) -> None:
    with np.load(golden / "metrics/jhmdb_pck.npz") as arrays:
        gt = [arrays[f"gt{v}"].transpose(2, 1, 0) - 1 for v in range(3)]
        cells = [arrays[f"pred{v}"].transpose(2, 1, 0) for v in range(3)]
        scale = arrays["sizes"][:, ::-1] / arrays["feat_res"]  # (height, width) -> (x, y)
        pred = [c * s for c, s in zip(cells, scale, strict=True)]
        assert any((p[..., 0] < 0).any() for p in pred)  # the golden videos lose joints
        mean, joints = pck(gt, pred, arrays["alphas"])
        np.testing.assert_allclose(mean, arrays["pck"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(joints[0], arrays["per_joint_01"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(joints[1], arrays["per_joint_02"], rtol=0, atol=1e-12)


def test_lost_joints_official_and_strict() -> None:
    """Four joints on a 30x40 box (unit 0.6 * 50 = 30); the joint at its far corner gets lost."""
    box = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 40.0], [30.0, 40.0]])
    gt = np.stack([box, box, box])
    pred = gt.copy()
    pred[0] = -50  # frame 0 is given and not counted
    pred[1:, 0] += [3.0, 0.0]  # 0.1 units exactly
    pred[1:, 1] += [0.0, 3.1]
    pred[1, 3] = -1
    pred[2, 3] = np.nan
    with np.errstate(all="raise"):
        mean, joints = pck([gt], [pred], (0.1, 0.2))
    # Joints 0..2 still span the whole box; joint 3 is never counted.
    np.testing.assert_allclose(joints, [[100, 0, 100, np.nan], [100, 100, 100, np.nan]])
    np.testing.assert_allclose(mean, [200 / 3, 100])
    mean, joints = pck([gt], [pred], (0.1, 0.2), strict=True)
    np.testing.assert_allclose(joints, [[100, 0, 100, 0], [100, 100, 100, 0]])
    np.testing.assert_allclose(mean, [50, 75])


def test_box_shrinks_with_lost_joints_unless_strict() -> None:
    gt = np.array([[[0.0, 0.0], [30.0, 0.0], [30.0, 40.0]]] * 2)
    pred = gt + np.array([0.0, 2.0])
    pred[:, 2] = np.nan
    assert pck([gt], [pred], [0.1]).joints[0, 0] == 0  # box 30x0: unit 18, error 0.11
    assert pck([gt], [pred], [0.1], strict=True).joints[0, 0] == 100  # unit 30, error 0.07


def test_a_lost_joint_is_wrong_even_beside_its_truth() -> None:
    gt = np.array([[[0.5, 0.0], [30.0, 40.0]]] * 2)
    pred = gt - [[1.0, 0.0], [0.0, 0.0]]
    assert pck([gt], [pred], [0.1], strict=True).joints.tolist() == [[0, 100]]
    # Officially one joint is left. Its box has no size, and its error of 0/0 is no hit.
    np.testing.assert_array_equal(pck([gt], [pred], [0.1]).joints, [[np.nan, 0]])


def test_unannotated_joints_are_never_counted() -> None:
    gt = np.array([[[0.0, 0.0], [30.0, 40.0], [np.nan, np.nan]]] * 2)
    for strict in (False, True):
        mean, joints = pck([gt], [np.nan_to_num(gt)], [0.1], strict=strict)
        np.testing.assert_array_equal(joints, [[100, 100, np.nan]])
        assert mean == [100]


def test_pck_errors() -> None:
    video = np.zeros((4, 5, 2))
    with pytest.raises(ValueError, match="T x P x 2"):
        pck([video], [video[:3]])
    with pytest.raises(ValueError, match="T x P x 2"):
        pck([video[..., 0]], [video[..., 0]])
    with pytest.raises(ValueError, match="no frame to count"):
        pck([video[:1]], [video[:1]])
    with pytest.raises(ValueError, match="shorter"):
        pck([video, video], [video])
