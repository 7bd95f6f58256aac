"""Whether a table makes the confidence of points a probability that they are right.

    python benchmarks/point_calibration.py FIT_VIDEO=TRUTH --test VIDEO=TRUTH [VIDEO=TRUTH ...]

Right is a point that is shown within 0.1, or 0.2, of the longer side of the box around its body's
points in the keyframe. Points are carried, by the protocol of keypoints, through made-up videos
(exact tracks, hidden points too) and through FIT_VIDEO from its first, middle and last annotated
frame. Each figure that is known without truth is mapped to the share that is right by isotonic
regression on these; its Brier score (mean square difference to 0 or 1) and expected calibration
error (ten bins) are those on test videos, whose first annotated frame is given. `left out` is the
Brier score on what a table is made of, made-up videos and others in turn left out: what a figure
may be chosen by. Beside them is what knows nothing of a point: the share that is right where the
table is made, and where it is tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from calibration import fitted, left_out, reliability
from common import arguments, show, write_json
from numpy.typing import NDArray

from pixelkin.annotation.layers import DEFAULTS
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.formats.registry import load_annotations
from pixelkin.propagation.codec import Sizes
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.visibility import Return
from pixelkin.types import Labels, PointLabels
from pixelkin.video.reader import open_video

RIGHT = (0.1, 0.2)
LOST = 1e6  # cells, for points that lead nowhere
Row = dict[str, float | str]
Points = NDArray[np.float64]


def rows_of(
    group: str,
    frames: Sequence[NDArray[np.uint8]],
    labels: PointLabels,
    truth: dict[int, Points],
    sides: Points,
    order: Sequence[int],
    propagator: Propagator,
) -> Iterator[Row]:
    """What is known of each point that is shown, in frames with truth, and how far away it is.

    Args:
        group: Of the video.
        frames: Of it.
        labels: Of the first frame of `order`.
        truth: P x 2 by frame, NaN where unknown.
        sides: P, the size of each point's body in pixels.
        order: The frames, from the labelled one on.
        propagator: One that has not begun.
    """
    protocol = propagator.protocol
    cell = np.array(Sizes.of(labels.size, protocol).cell(protocol.stride))
    first = propagator.features(frames[order[0]])
    propagator.step(frames[order[0]], labels, features=first)
    back = Return(first, labels.points, (cell[0], cell[1]))
    unit = _at(first, labels.points, cell)
    for frame in order[1:]:
        features = propagator.features(frames[frame])
        shown = propagator.step(frames[frame], features=features)
        if frame not in truth:
            continue
        points = shown.labels.as_points().points
        alike = (_at(features, points, cell) * unit).sum(0)
        far = np.nan_to_num(back(features, points), posinf=LOST)
        error = np.linalg.norm(points - truth[frame], axis=1) / sides
        for n in np.flatnonzero(np.isfinite(error)):
            yield {
                "group": group,
                "share": float(shown.confidence[n]),
                "likeness": float(alike[n]),
                "back": float(far[n]),
                "distance": float(abs(frame - order[0])),
                "error": float(error[n]),
            }


def _at(features: torch.Tensor, points: NDArray[np.floating], cell: Points) -> NDArray[np.float32]:
    """C x P, unit features of the cells of points."""
    height, width = features.shape[1:]
    x, y = np.rint(np.nan_to_num(points) / cell).astype(int).T
    found = features[:, y.clip(0, height - 1), x.clip(0, width - 1)].float()
    return F.normalize(found, dim=0).numpy()


def made_up(scenes: int, propagator: Propagator) -> Iterator[Row]:
    """Points of objects that pass in front of each other."""
    for seed in range(scenes):
        frames = list(SyntheticScene(seed, objects=3))
        labels = frames[0].keypoint_labels
        truth = {t: f.positions.reshape(-1, 2).astype(float) for t, f in enumerate(frames)}
        bodies = frames[0].positions
        sides = np.repeat(np.ptp(bodies, axis=1).max(1), bodies.shape[1])
        images = [f.image for f in frames]
        order = range(len(frames))
        another = propagator.another()
        yield from rows_of("made up", images, labels, truth, sides, order, another)


def of_video(pair: str, starts: int, propagator: Propagator) -> Iterator[Row]:
    """Points of VIDEO=TRUTH, whose truth is known in some frames, from several of these."""
    video, annotated = pair.split("=")
    reader = open_video(video)
    annotations = load_annotations(annotated, reader.info)
    truth = {n: one.as_points().points.astype(float) for n, one in annotations}
    known, images = sorted(truth), list(reader)
    for start in dict.fromkeys([known[0], known[len(known) // 2], known[-1]][:starts]):
        labels = Labels.from_points(truth[start], reader.info.size)
        side = float(np.nanmax(np.ptp(truth[start][np.isfinite(truth[start]).all(1)], axis=0)))
        sides = np.full(len(truth[start]), side)
        ways = (range(start, len(images)), range(start, -1, -1))
        name = Path(video).stem
        for order in ways:
            if len(order) > 1:
                another = propagator.another()
                yield from rows_of(name, images, labels, truth, sides, order, another)


def column(rows: Sequence[Row], name: str) -> Points:
    return np.array([float(row[name]) for row in rows])


FIGURES: dict[str, Callable[[Sequence[Row]], Points]] = {
    "share of the heat map": lambda rows: column(rows, "share"),
    "likeness to the label": lambda rows: column(rows, "likeness"),
    "cells from the label, there and back": lambda rows: -column(rows, "back"),
    "share x likeness": lambda rows: column(rows, "share") * column(rows, "likeness").clip(0),
    "share, less where not visible": lambda rows: (
        column(rows, "share") - (column(rows, "back") > 2)
    ),
    "likeness, less where not visible": lambda rows: (
        column(rows, "likeness") - 2 * (column(rows, "back") > 2)
    ),
}


def report(fit: Sequence[Row], test: Mapping[str, Sequence[Row]], right: float) -> None:
    """Brier score and ECE of each figure on each video."""
    told = [dict(row, J=float(float(row["error"]) <= right)) for row in fit]
    rate = float(np.mean([np.mean([r["J"] for r in told if r["group"] == g])
                          for g in {r["group"] for r in told}]))  # fmt: skip
    truths = {name: (column(rows, "error") <= right).astype(float) for name, rows in test.items()}
    lines = []

    def line(name: str, values: dict[str, Points], unseen: str = "") -> None:
        found = [reliability(v, truths[video]) for video, v in values.items()]
        pairs = [f"{f['Brier']:.3f}, {f['ECE']:.3f}" for f in found]
        means = [float(np.mean([f[key] for f in found])) for key in ("Brier", "ECE")]
        lines.append([name, unseen, "{:.3f}, {:.3f}".format(*means), *pairs])

    line("share, as it is", {v: column(rows, "share") for v, rows in test.items()})
    for name, figure in FIGURES.items():
        scores, quality = fitted(figure(told), told)
        found = {v: np.interp(figure(rows), scores, quality) for v, rows in test.items()}
        unseen = list(left_out(figure(told), told).values())
        line(f"table of {name}", found, f"{np.mean(unseen):.3f}")
    line(f"always {rate:.2f}", {v: np.full(len(t), rate) for v, t in truths.items()})
    line("always the test video's own", {v: np.full(len(t), t.mean()) for v, t in truths.items()})
    heads = [f"{v} ({len(t)}, {t.mean():.0%} right)" for v, t in truths.items()]
    title = f"within {right} of the body: Brier score, ECE; {len(fit)} points, {rate:.0%} right"
    show(title, ["", "left out", "mean", *heads], lines)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("fit", nargs="*", help="VIDEO=TRUTH that the table may be made of")
    parser.add_argument("--test", nargs="+", default=[], help="VIDEO=TRUTH")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--rows", type=Path, help="what --json wrote; nothing is carried then")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.rows is None:
        propagator = Propagator("default", DEFAULTS["keypoints"])
        fit = list(made_up(options.scenes, propagator))
        for pair in options.fit:
            fit += of_video(pair, 3, propagator)
        test = {Path(pair.split("=")[0]).stem[:12]: list(of_video(pair, 1, propagator))
                for pair in options.test}  # fmt: skip
        write_json(options.json, {"fit": fit, "test": test})
    else:
        known = json.loads(options.rows.read_text(encoding="utf-8"))
        fit, test = known["fit"], known["test"]
    for right in RIGHT:
        report(fit, test, right)


if __name__ == "__main__":
    main()
