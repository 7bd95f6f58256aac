"""What J a confidence stands for: makes the table of `propagation/confidence.py`, and checks it.

    python benchmarks/calibration.py fit --davis TRAIN --names bear tennis --masks CHAIR
    python benchmarks/calibration.py score DAVIS2016 [--short-side 240] [--plot FILE] [--json FILE]

`fit` carries the masks of several frames, one after the other and in pairs, through videos with
truth (of DAVIS, of a folder with JPEGImages and Annotations, made up, and of two videos with a cut
between), and compares what may be known without truth: each figure is mapped to J by isotonic
regression on all groups of videos but one, and its mean square error on that one is taken. Then it
writes the table of the figure that the package goes by. `score` carries the first masks of videos
that the table has not seen, and says how far confidence and J are apart: Brier score (mean square
difference), expected calibration error (ten bins), before (share of the votes) and after.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from carried import Carrier, Row, Video, made_up, of_folder, with_cut
from common import arguments, machine, show, write_json
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import isotonic_regression

from pixelkin.annotation.suggest import spread
from pixelkin.evaluation.davis import load_split
from pixelkin.propagation.confidence import ALIKE, STEEP, TABLE, expected, score
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol

GOES_BY = f"share x min(1, likeness / {ALIKE})^{STEEP}"
KNOTS = 20
BINS = 10
BAD = 0.5
LOOKS = (5, 10)
APART = 12  # frames over which suggestions are close: half a second


def fitted(scores: NDArray[np.float64], rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Knots of the isotonic regression of J on scores; each group counts the same."""
    groups = np.array([row["group"] for row in rows])
    weights = np.array([1 / np.sum(groups == g) for g in groups])
    order = np.argsort(scores, kind="stable")
    quality = np.array([float(row["J"]) for row in rows])[order]
    fit = isotonic_regression(quality, weights=weights[order]).x
    parts = zip(*(np.array_split(x, KNOTS) for x in (scores[order], fit)), strict=True)
    knots = [(float(s.mean()), float(q.mean())) for s, q in parts]
    knots = [(float(scores.min()), float(fit[0])), *knots, (float(scores.max()), float(fit[-1]))]
    return [s for s, _ in knots], [q for _, q in knots]


def left_out(scores: NDArray[np.float64], rows: Sequence[Row]) -> dict[str, float]:
    """Mean square error of J on each group by the regression on all others."""
    groups = np.array([row["group"] for row in rows])
    quality = np.array([float(row["J"]) for row in rows])
    errors = {}
    for group in sorted(set(groups.tolist())):
        rest = groups != group
        table = fitted(scores[rest], [r for r, k in zip(rows, rest, strict=True) if k])
        found = np.interp(scores[~rest], *table)
        errors[group] = float(np.mean((found - quality[~rest]) ** 2))
    return errors


def column(name: str) -> Callable[[Sequence[Row]], NDArray[np.float64]]:
    """A figure of rows."""
    return lambda rows: np.array([float(row[name]) for row in rows])


def product(*names: str) -> Callable[[Sequence[Row]], NDArray[np.float64]]:
    """Several figures of rows, multiplied."""
    return lambda rows: np.prod([column(name)(rows) for name in names], axis=0)


def fit(options: argparse.Namespace) -> None:
    """Compare figures, and write the table."""
    if options.rows is None:
        one, two = carried(options)
        write_json(options.json, {"one": one, "two": two})
    else:
        known = json.loads(options.rows.read_text(encoding="utf-8"))
        one, two = known["one"], known["two"]
    report(one, two)
    scores, quality = fitted(_score(one), one)
    about = f"python benchmarks/calibration.py fit: {len(one)} frames, {machine()['date']}"
    table = {"made_by": about, "score": _rounded(scores), "quality": _rounded(quality)}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def carried(options: argparse.Namespace) -> tuple[list[Row], list[Row]]:
    """What is known of frames with one label, and of those between two, and their J."""
    frames, masks = (options.davis / x / "480p" for x in ("JPEGImages", "Annotations"))
    sources = [of_folder(frames / n, masks / n, n) for n in options.names]
    folders = [of_folder(f / "JPEGImages", f / "Annotations", f.name) for f in options.masks]
    cuts = [with_cut(sources[0], sources[1]), with_cut(sources[1], sources[0])]
    protocol = replace(Protocol.named("davis"), short_side=options.short_side or 240)
    propagator = Propagator("default", protocol)
    one: list[Row] = []
    two: list[Row] = []
    for video in (*sources, *folders, *made_up(), *cuts):
        carrier, last = Carrier(video, propagator), len(video.frames) - 1
        middle = last // 2
        passes = [(0, 1), (last, -1), (middle, 1), (middle, -1)]
        for start, way in [(0, 1)] if video.group == "cuts" else passes:
            if video.truth[start].any():
                one += carrier.rows(start, way)
        for pair in [] if video.group == "cuts" else [(0, middle), (middle, last), (0, last)]:
            if all(video.truth[k].any() for k in pair):
                two += carrier.between(*pair)
        print(video.group, len(one), len(two), flush=True)
    return one, two


def report(one: Sequence[Row], two: Sequence[Row]) -> None:
    """How well figures tell J of videos that they were not fitted on."""
    figures = {
        "share": column("share"),
        "likeness": column("likeness"),
        "coherence since the label": column("coherence"),
        "frames since the label": lambda rows: -column("distance")(rows),
        "share x coherence": product("share", "coherence"),
        "share x likeness": product("share", "likeness"),
        GOES_BY: _score,
    }
    _compare("mean square error of J on the group that was left out", figures, one)
    figures = {
        "share": column("share"),
        "agreement": column("agreement"),
        "share x likeness": product("share", "likeness"),
        GOES_BY: _score,
        "the same x agreement": lambda rows: _score(rows) * column("agreement")(rows),
        "the least of both": lambda rows: np.minimum(_score(rows), column("agreement")(rows)),
    }
    _compare("the same between two labels", figures, two)


def _compare(
    title: str,
    figures: dict[str, Callable[[Sequence[Row]], NDArray[np.float64]]],
    rows: Sequence[Row],
) -> None:
    found = {name: left_out(figure(rows), rows) for name, figure in figures.items()}
    groups = list(next(iter(found.values())))
    lines = [
        [name, float(np.mean(list(errors.values()))), *errors.values()]
        for name, errors in found.items()
    ]
    show(title, ["figure", "mean", *groups], lines)


def _score(rows: Sequence[Row]) -> NDArray[np.float64]:
    return score(*(column(name)(rows) for name in ("share", "likeness")))


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def reliability(confidence: NDArray[np.float64], quality: NDArray[np.float64]) -> dict[str, float]:
    """Brier score and expected calibration error."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - quality[bins == b].mean()) * np.mean(bins == b)
        for b in set(bins.tolist())
    ]
    brier = float(np.mean((confidence - quality) ** 2))
    return {"Brier": brier, "ECE": float(sum(gaps))}


def check(options: argparse.Namespace) -> None:
    """Confidence and J of videos that the table has not seen."""
    if options.rows is None:
        rows = followed(options)
        write_json(options.json, {"rows": rows})
    else:
        rows = json.loads(options.rows.read_text(encoding="utf-8"))["rows"]
    quality, before = column("J")(rows), column("share")(rows)
    known = (x.astype(np.float32) for x in (before, column("likeness")(rows)))
    after = expected(*known).astype(np.float64)
    figures = {"share of the votes": before, "confidence": after}
    table = [[n, *reliability(c, quality).values(), float(c.mean())] for n, c in figures.items()]
    show(f"{len(rows)} frames, mean J {quality.mean():.3f}", ["", "Brier", "ECE", "mean"], table)
    looked_at(rows, after)
    if options.plot is not None:
        plot(figures, quality, options.plot)


def followed(options: argparse.Namespace) -> list[Row]:
    """What is known of the frames of videos whose first frame is labelled, and their J."""
    protocol = replace(Protocol.named("davis"), short_side=options.short_side)
    propagator = Propagator("default", protocol)
    rows: list[Row] = []
    for video in load_split(options.davis, 2016, "val", options.sequences or None):
        truth = [video.annotation(i) > 0 for i in range(len(video.names))]
        images = [np.asarray(Image.open(f).convert("RGB")) for f in video.frames]
        rows += Carrier(Video(video.name, images, truth), propagator).rows(0, 1)
        print(video.name, len(rows), flush=True)
    return rows


def looked_at(rows: Sequence[Row], confidence: NDArray[np.float64]) -> None:
    """Of the frames that are suggested first, how many have a J below 0.5, in videos that have any.

    Nothing is labelled beside the first frame. By the share of the votes, frames are 12 apart.
    """
    found: dict[str, list[list[float]]] = {}
    videos = np.array([row["group"] for row in rows])
    for video in dict.fromkeys(videos.tolist()):
        own = videos == video
        bad = column("J")([r for r, k in zip(rows, own, strict=True) if k]) < BAD
        if not bad.any():
            continue
        frames = np.arange(1, len(bad) + 1)
        sure = column("share")(rows)[own]
        rank = sure.argsort(kind="stable")
        apart: list[int] = []
        for n in rank[rank >= APART - 1].tolist():
            if all(abs(n - m) >= APART for m in apart):
                apart.append(n)
        suggested = spread(confidence[own], frames, frames.astype(float), max(LOOKS), APART)
        orders: dict[str, NDArray[np.int64] | None] = {
            "chance": None,
            "order of frames": frames - 1,
            "share of the votes": rank,
            "share of the votes, 12 apart": np.array(apart, np.int64),
            "suggested": np.array(suggested, np.int64),
        }
        for name, order in orders.items():
            hits = [[bad[order[:k]].sum() for k in LOOKS] if order is not None else
                    [k * bad.mean() for k in LOOKS]]  # fmt: skip
            share = [h / min(k, len(bad)) for h, k in zip(hits[0], LOOKS, strict=True)]
            of_all = [h / bad.sum() for h in hits[0]]
            found.setdefault(name, []).append([*share, *of_all])
    lines = [[name, *(f"{x:.0%}" for x in np.mean(v, axis=0))] for name, v in found.items()]
    heads = [f"bad among the first {k}" for k in LOOKS] + [f"of all bad, in {k}" for k in LOOKS]
    some = len(next(iter(found.values()), []))
    show(f"frames with J below {BAD}, mean of {some} videos that have any", ["", *heads], lines)


def plot(figures: dict[str, NDArray[np.float64]], quality: NDArray[np.float64], path: Path) -> None:
    """Mean J by bins of a confidence, and every frame."""
    from matplotlib.figure import Figure

    figure = Figure((9, 4.2), layout="constrained")
    for axes, (name, values) in zip(
        figure.subplots(1, 2, sharey=True), figures.items(), strict=True
    ):
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        axes.plot(values, quality, ".", markersize=3, alpha=0.25, color="tab:blue")
        bins = np.minimum((values * BINS).astype(int), BINS - 1)
        kept = [b for b in range(BINS) if np.sum(bins == b) >= 5]
        means = [[x[bins == b].mean() for b in kept] for x in (values, quality)]
        axes.plot(*means, "o-", color="tab:red")
        found = reliability(values, quality)
        axes.set_title(f"{name}: Brier {found['Brier']:.3f}, ECE {found['ECE']:.3f}")
        axes.set(xlabel=name, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    figure.axes[0].set_ylabel("J")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--short-side", type=int)
    commands = parser.add_subparsers(required=True)
    fitting = commands.add_parser("fit")
    fitting.add_argument("--davis", type=Path, required=True)
    fitting.add_argument("--names", nargs="+", required=True)
    fitting.add_argument("--masks", type=Path, nargs="*", default=[])
    fitting.add_argument("--rows", type=Path, help="what --json wrote; nothing is carried then")
    fitting.set_defaults(run=fit)
    checking = commands.add_parser("score")
    checking.add_argument("davis", type=Path)
    checking.add_argument("--sequences", nargs="*", help="by name; all by default")
    checking.add_argument("--plot", type=Path)
    checking.add_argument("--rows", type=Path, help="what --json wrote; nothing is carried then")
    checking.set_defaults(run=check)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.run(options)


if __name__ == "__main__":
    main()
