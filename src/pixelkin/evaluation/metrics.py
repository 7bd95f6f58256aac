"""The scores that the benchmarks report, on numpy arrays: J, F, mIoU and PCK.

Each function gives the number that the benchmark's own code gives; where that code has a slip, the
docstring says so and an argument selects the strict form. Knows nothing about files or datasets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Statistics(NamedTuple):
    """DAVIS summary of one measure of one object over the frames of a video."""

    mean: float
    recall: float
    decay: float


class MeanIoU(NamedTuple):
    """What `mean_iou` gives: `hist` classes x classes, `iou` by class, `miou` in [0, 1]."""

    hist: NDArray[np.int64]
    iou: NDArray[np.float64]
    miou: float


class KeypointAccuracy(NamedTuple):
    """What `pck` gives, in percent: `mean` by threshold, `joints` thresholds x joints."""

    mean: NDArray[np.float64]
    joints: NDArray[np.float64]


def region_similarity(gt: ArrayLike, pred: ArrayLike) -> NDArray[np.float64]:
    """Region similarity J: intersection over union of two binary masks; 1 where both are empty.

    Args:
        gt: ... x H x W, true (or non-zero) on the object.
        pred: As `gt`.

    Returns:
        J in [0, 1], of the leading shape of the input.

    Raises:
        ValueError: If the shapes differ or are not at least two-dimensional.

    Source: [P] official davis2017 metrics, `db_eval_iou`.
    """
    truth, guess, shape = _masks(gt, pred)
    scores = np.ones(len(truth))
    for n, (g, p) in enumerate(zip(truth, guess, strict=True)):
        both = np.count_nonzero(g & p)
        either = np.count_nonzero(g) + np.count_nonzero(p) - both
        if either:
            scores[n] = both / either
    return scores.reshape(shape)


def boundary_f(gt: ArrayLike, pred: ArrayLike, *, tolerance: float = 0.008) -> NDArray[np.float64]:
    """Contour accuracy F: harmonic mean of boundary precision and recall of two binary masks.

    A boundary pixel is matched if the other mask has a boundary pixel within the tolerance
    (a disk, Euclidean). F is 1 where neither mask has a boundary, 0 where only one has.

    Args:
        gt: ... x H x W, true (or non-zero) on the object.
        pred: As `gt`.
        tolerance: As a share of the frame's diagonal, rounded up to pixels (official: 0.008,
            8 pixels at 480x854); or, from 1 on, in pixels.

    Returns:
        F in [0, 1], of the leading shape of the input.

    Raises:
        ValueError: If the shapes differ or are not at least two-dimensional.

    Source: [P] official davis2017 metrics, `f_measure`.
    """
    truth, guess, shape = _masks(gt, pred)
    height, width = truth.shape[1:]
    diagonal = math.sqrt(height * height + width * width)
    radius = math.ceil(tolerance if tolerance >= 1 else tolerance * diagonal)
    scores = [_boundary_f(g, p, radius) for g, p in zip(truth, guess, strict=True)]
    return np.asarray(scores, dtype=np.float64).reshape(shape)


def boundary_map(mask: ArrayLike) -> NDArray[np.bool_]:
    """Pixels of a binary mask that differ from their right, lower or lower-right neighbour.

    H x W -> H x W, so a boundary lies on either side of an edge, towards the top-left corner.

    The last row and column compare along the border only, and the last pixel is never set.

    Source: [P] official davis2017 metrics, `_seg2bmap`.
    """
    mask = np.asarray(mask, dtype=np.bool_)
    edges = np.zeros_like(mask)
    edges[:-1] = mask[:-1] != mask[1:]
    edges[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edges[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edges


def davis_statistics(values: ArrayLike, *, official: bool = True) -> Statistics:
    """Mean, recall (share of frames above 0.5) and decay (first quarter - last quarter).

    The quarters share their end frames.

    Args:
        values: T scores of one object, the frames in order.
        official: Reproduce the official code, whose frame indices are 8-bit: from 257 values on
            its decay wraps around and is wrong, or NaN. False gives the decay that was meant;
            up to 256 values, and so on all of DAVIS, the two are the same.

    Raises:
        ValueError: If `values` is not one-dimensional or is empty.

    Source: [P] official davis2017 utils, `db_statistics`.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"values must be T scores of one object, got shape {scores.shape}")
    # The tiny shift makes halves round up, as Matlab does.
    ends = (np.round(np.linspace(1, len(scores), 5) + 1e-10) - 1).astype(np.int64)
    if official:
        ends %= 256
    first, last = scores[ends[0] : ends[1] + 1], scores[ends[3] : ends[4] + 1]
    return Statistics(
        _nanmean(scores), float(np.mean(scores > 0.5)), _nanmean(first) - _nanmean(last)
    )


def mean_iou(
    gt: ArrayLike, pred: ArrayLike, classes: int = 20, *, ignore: int | None = 255
) -> MeanIoU:
    """Mean intersection over union of semantic classes, from one confusion matrix (VIP).

    Pixels of all frames of all videos count together: add up the `hist` of parts of a data set
    and pass the sum to `iou_from_confusion`.

    Args:
        gt: Class ids, integers of any shape; pixels outside 0..classes-1 are not counted.
        pred: As `gt`, each id in 0..classes-1 where `gt` is counted.
        classes: Number of classes, background included.
        ignore: A further id of `gt` that is not counted, or None.

    Raises:
        ValueError: If shapes differ, or `pred` has an id that is no class.

    Source: [P] VIP evaluation of TimeCycle and UVC (20 classes).
    """
    truth, guess = np.asarray(gt), np.asarray(pred)
    if truth.shape != guess.shape:
        raise ValueError(f"gt has shape {truth.shape}, pred {guess.shape}: must be the same")
    counted = (truth >= 0) & (truth < classes)
    if ignore is not None:
        counted &= truth != ignore
    rows, columns = truth[counted].astype(np.int64), guess[counted].astype(np.int64)
    if columns.size and not 0 <= columns.min() <= columns.max() < classes:
        raise ValueError(
            f"pred has ids {columns.min()}..{columns.max()}: must be within 0..{classes - 1}"
        )
    hist = np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes)
    iou, miou = iou_from_confusion(hist)
    return MeanIoU(hist, iou, miou)


def iou_from_confusion(hist: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """IoU of each class, NaN where neither side has it, and its mean over the other classes.

    Args:
        hist: classes x classes pixel counts; row = ground truth, column = prediction.
    """
    hits = np.diag(hist).astype(np.float64)
    union = hist.sum(axis=1) + hist.sum(axis=0) - hits
    iou = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
    return iou, _nanmean(iou)


def pck(
    gt: Sequence[NDArray[Any]],
    pred: Sequence[NDArray[Any]],
    alphas: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
    *,
    strict: bool = False,
) -> KeypointAccuracy:
    """Percentage of correct keypoints (JHMDB): PCK@alpha over all frames and videos.

    A joint is right if its error is at most alpha * 0.6 * the diagonal of the box around the
    frame's true joints. PCK is taken per joint, then averaged over joints. Frame 0 is given, so
    it is not counted.

    In the official way, the default, a *lost* joint (predicted x negative; here also NaN) is left
    out: it is no error, and the box is drawn around the other joints. That rewards a method for
    giving up.

    Args:
        gt: One array a video, T x P x 2 (x, y) pixels, 0-based; NaN = not annotated.
        pred: As `gt`; NaN or x < 0 = lost.
        alphas: The thresholds.
        strict: Count lost joints as errors and draw the box around all annotated joints.

    Raises:
        ValueError: If numbers of videos or shapes differ, or nothing can be counted.

    Source: [P] UVC's JHMDB evaluation; [D] `strict`.
    """
    errors = [_keypoint_errors(g, p, strict) for g, p in zip(gt, pred, strict=True)]
    if not sum(map(len, errors)):
        raise ValueError("no frame to count: give videos of at least two frames")
    error = np.concatenate(errors)
    counted = np.count_nonzero(~np.isnan(error), axis=0)
    right = np.stack([np.count_nonzero(error <= alpha, axis=0) for alpha in alphas])
    joints = np.full(right.shape, np.nan)
    np.divide(100.0 * right, counted, out=joints, where=counted > 0)
    return KeypointAccuracy(np.asarray([_nanmean(row) for row in joints]), joints)


def _keypoint_errors(gt: NDArray[Any], pred: NDArray[Any], strict: bool) -> NDArray[np.float64]:
    """Errors in units of 0.6 box diagonals, (T-1) x P; NaN = not counted, inf = wrong."""
    truth, guess = np.asarray(gt, np.float64)[1:], np.asarray(pred, np.float64)[1:]
    if truth.shape != guess.shape or truth.ndim != 3 or truth.shape[2] != 2:
        raise ValueError(
            f"a video's joints must be T x P x 2 on both sides, got {np.shape(gt)} and "
            f"{np.shape(pred)}"
        )
    lost = ~(guess[..., 0] >= 0)
    known = ~np.isnan(truth.sum(axis=2))
    counted = known if strict else known & ~lost
    low = np.where(counted[..., None], truth, np.inf).min(axis=1)
    high = np.where(counted[..., None], truth, -np.inf).max(axis=1)
    box = 0.6 * np.linalg.norm(high - low, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.linalg.norm(guess - truth, axis=2) / box
    # 0/0, a single joint hit exactly, is an error in the official code as well.
    return np.where(counted, np.where(lost | np.isnan(error), np.inf, error), np.nan)


def _masks(
    gt: ArrayLike, pred: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[int, ...]]:
    """Both inputs as N x H x W booleans, and the leading shape that N stands for."""
    truth, guess = np.asarray(gt, dtype=np.bool_), np.asarray(pred, dtype=np.bool_)
    if truth.shape != guess.shape or truth.ndim < 2:
        raise ValueError(
            f"gt has shape {truth.shape}, pred {guess.shape}: must be the same, ... x H x W"
        )
    size = truth.shape[-2:]
    return truth.reshape(-1, *size), guess.reshape(-1, *size), truth.shape[:-2]


def _boundary_f(gt: NDArray[np.bool_], pred: NDArray[np.bool_], radius: int) -> float:
    crop = _crop_to_objects(gt, pred)
    if crop is None:
        return 1.0
    truth, guess = boundary_map(gt[crop]), boundary_map(pred[crop])
    n_truth, n_guess = np.count_nonzero(truth), np.count_nonzero(guess)
    if not n_truth or not n_guess:
        return float(n_truth == n_guess)
    precision = np.count_nonzero(guess & _dilate(truth, radius)) / n_guess
    recall = np.count_nonzero(truth & _dilate(guess, radius)) / n_truth
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _crop_to_objects(gt: NDArray[np.bool_], pred: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Where all boundary pixels are: the box around both masks and one pixel more, or None."""
    union: NDArray[np.bool_] = gt | pred
    rows = np.flatnonzero(union.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(union[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        slice(max(rows[0] - 1, 0), rows[-1] + 2),
        slice(max(columns[0] - 1, 0), columns[-1] + 2),
    )


def _dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Binary dilation by the disk dx^2 + dy^2 <= radius^2.

    The disk is a stack of horizontal runs. From its ends to its middle the runs only grow, so each
    pixel of width is added once: O(radius) passes, where a plain dilation takes O(radius^2).
    """
    height, width = mask.shape
    padded = np.zeros((height + 2 * radius, width), dtype=np.bool_)
    run, half = mask.copy(), 0
    for dy in range(radius, -1, -1):
        while half < math.isqrt(radius * radius - dy * dy):
            half += 1
            run[:, half:] |= mask[:, :-half]
            run[:, :-half] |= mask[:, half:]
        padded[radius + dy : radius + dy + height] |= run
        padded[radius - dy : radius - dy + height] |= run
    return padded[radius : radius + height]


def _nanmean(values: NDArray[np.float64]) -> float:
    """Mean of what is not NaN; NaN, without a warning, where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
