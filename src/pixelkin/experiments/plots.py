"""The pictures of the experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixelkin.experiments.counts import EPSILON, FOCUS, Count, Counted
from pixelkin.experiments.statistics import Spread
from pixelkin.experiments.table import Line
from pixelkin.files import atomic_write
from pixelkin.training.report import new_figure

FEW = 10  # positives: with fewer, no precision is drawn
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000", "#999999")


def plot_rows(path: Path, lines: Sequence[Line], control: str, *, title: str, score: str) -> None:
    """A row a line: each seed a dot, mean and standard deviation a square with a bar.

    Args:
        path: PNG file.
        lines: The rows; those without results stay empty.
        control: Name of the row whose mean is drawn as a dashed line.
        title: Over the picture.
        score: What the axis shows.
    """
    figure = new_figure(9, 1.3 + 0.42 * len(lines))
    axes = figure.add_subplot()
    for y, line in enumerate(lines):
        values = list(line.scores.values())
        if not values:
            continue
        colour = COLOURS[1] if line.row.name == control else COLOURS[0]
        count, mean, std = line.spread
        axes.plot(values, [y] * count, "o", color=colour, alpha=0.35, ms=5, mew=0)
        bar = std if count > 1 else 0.0
        axes.errorbar(mean, y, xerr=bar, fmt="s", color=colour, ms=6, capsize=4, lw=1.5)
        if line.row.name == control:
            axes.axvline(mean, color=colour, ls="--", lw=1, alpha=0.7)
    axes.set_yticks(range(len(lines)), [line.row.label for line in lines])
    axes.set_ylim(max(1, len(lines)) - 0.5, -0.5)
    axes.set_xlabel(score)
    axes.set_title(title, fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def plot_differences(
    path: Path,
    names: Sequence[str],
    rows: Mapping[str, Sequence[float]],
    *,
    title: str,
    score: str,
) -> None:
    """A sequence a line, and of each row of a table a dot there; their means below.

    Args:
        path: PNG file.
        names: Of the sequences.
        rows: Differences by label, one for each sequence.
        title: Over the picture.
        score: What the axis shows.
    """
    figure = new_figure(9, 2.8 + 0.42 * len(names))
    axes = figure.add_subplot()
    for i, (label, values) in enumerate(rows.items()):
        colour, shift = COLOURS[i % len(COLOURS)], 0.12 * (i - (len(rows) - 1) / 2)
        places = [y + shift for y in range(len(names))]
        axes.plot(values, places, "o", color=colour, ms=5, label=label)
        mean = sum(values) / len(values)
        axes.plot(mean, len(names) + 0.3 + shift, "s", color=colour, ms=6)
    axes.axvline(0, color="black", lw=1)
    axes.axhline(len(names) - 0.5, color="black", lw=0.5)
    axes.set_yticks([*range(len(names)), len(names) + 0.3], [*names, "mean"])
    axes.set_ylim(len(names) + 0.9, -0.6)
    axes.set_xlabel(score)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    if rows:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    _save(figure, path)


def plot_curves(
    path: Path, curves: Mapping[str, Sequence[tuple[int, Spread]]], *, title: str, score: str
) -> None:
    """Scores over training steps, with standard deviations as bars.

    Args:
        path: PNG file.
        curves: (step, score) by label.
        title: Over the picture.
        score: What the vertical axis shows.
    """
    figure = new_figure(9, 5.5)
    axes = figure.add_subplot()
    longest = max((step for points in curves.values() for step, _ in points), default=1)
    for i, (label, points) in enumerate(curves.items()):
        # Side by side, so that bars do not hide each other.
        x = [step + 0.008 * longest * (i - (len(curves) - 1) / 2) for step, _ in points]
        y = [s.mean for _, s in points]
        bars = [s.std if s.seeds > 1 else 0.0 for _, s in points]
        axes.errorbar(
            x, y, yerr=bars, fmt="o-", color=COLOURS[i % len(COLOURS)], label=label,
            ms=5, capsize=3, lw=2.2 if i == 0 else 1.3,
        )  # fmt: skip
    axes.set_xlabel("steps of the last phase (0: after the warm-up)")
    axes.set_ylabel(score)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(fontsize=9)
    _save(figure, path)


def plot_times(
    path: Path, series: Mapping[str, Sequence[tuple[int, float]]], paper: Mapping[str, float]
) -> None:
    """Milliseconds over the number of cells, both logarithmic.

    Args:
        path: PNG file.
        series: (cells, milliseconds) by label.
        paper: The paper's milliseconds by label, drawn as crosses at 1,024 cells, in the colour
            of the series whose label begins alike.
    """
    figure = new_figure(9, 5.5)
    axes = figure.add_subplot()
    colours: dict[str, str] = {}
    for label, points in series.items():
        what = label.split(",")[0]
        colour = colours.setdefault(what, COLOURS[len(colours) % len(COLOURS)])
        style = "o--" if "sparse" in label else "o:" if "log" in label else "o-"
        axes.plot(*zip(*points, strict=True), style, color=colour, label=label, ms=5, lw=1.5)
    for what, ms in paper.items():
        axes.plot(
            1024, ms, "x", color=colours.get(what, "black"), ms=9, mew=2, label=f"{what}, the paper"
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("cells N of a frame")
    axes.set_ylabel("milliseconds for one pair of frames")
    axes.set_title("Mining: time for one pair (one thread; the paper: on its GPU)", fontsize=11)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, ncols=2)
    _save(figure, path)


def plot_positives(path: Path, lines: Sequence[Counted]) -> None:
    """Precision over coverage, gaps, epsilon, and colours or the steps of a training.

    Args:
        path: PNG file.
        lines: What was counted; tables tell what panels leave out.
    """
    figure = new_figure(14, 8.5)
    axes = figure.subplots(2, 3).ravel()
    first = [x for x in lines if x.weights == lines[0].weights]
    for panel, case in zip(axes, FOCUS, strict=False):
        own = [x for x in first if x.case == case]
        _draw_trade_off(panel, own)
        what = f"gap {case.gap}" if case.gap else "one frame"
        panel.set_title(f"{what}, {case.crop} crops, colours changed slightly", fontsize=10)
    moved = [x for x in first if x.case[0] == "synthetic" and x.case[2:] == ("shared", "slight")]
    gaps = [(x.rule.name, x.case.gap, x.found) for x in moved]
    _draw_counts(axes[2], gaps, "frames between the two (shared crops)")
    own = [x for x in first if x.case == FOCUS[1] and x.rule.name.endswith("_0.5")]
    points = [(x.rule.name.split("_")[0], x.rule.mining.transport.epsilon, x.found) for x in own]
    _draw_counts(axes[3], [p for p in points if p[0] in _POINTS], f"epsilon (gap {FOCUS[1].gap})")
    axes[3].set_xscale("log")
    still = [x for x in first if x.case[:3] == ("synthetic", 0, "shared")]
    order = list(dict.fromkeys(x.case.colour for x in still))
    points = [(x.rule.name, order.index(x.case.colour), x.found) for x in still]
    _draw_counts(axes[4], points, "change of colours (one frame, shared crops)")
    axes[4].set_xticks(range(len(order)), order)
    trained = [x for x in lines if x.step is not None and x.case == FOCUS[1]]
    steps = [(x.rule.name, x.step, x.found) for x in trained if x.step is not None]
    if len({step for _, step, _ in steps}) > 1:
        _draw_counts(axes[5], steps, f"steps of the training (gap {FOCUS[1].gap})")
    else:
        own = [x for x in first if x.case[:2] == FOCUS[1][:2] and x.case.colour == "slight"]
        order = list(dict.fromkeys(x.case.crop for x in own))
        points = [(x.rule.name, order.index(x.case.crop), x.found) for x in own]
        _draw_counts(axes[5], points, f"crops (gap {FOCUS[1].gap})")
        axes[5].set_xticks(range(len(order)), order)
    for panel in axes[2:]:
        panel.set_ylim(0, 102)
    handles, labels = axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.suptitle(
        f"Mined positives, weights {lines[0].weights}: precision solid, coverage dotted"
    )
    _save(figure, path)


_POINTS = {
    "argmax": ("argmax", COLOURS[6]),
    "q_soft": ("Q ≥ 0.5", COLOURS[4]),
    "q": ("Q: mutual", COLOURS[3]),
    "qt": ("Q+T", COLOURS[1]),
    "qtc": ("Q+T+C", COLOURS[0]),
    "qc": ("mutual, window", COLOURS[2]),
}


def _draw_trade_off(axes: Any, lines: Sequence[Counted]) -> None:
    """Precision over coverage: by threshold or epsilon as curves, levels as dots."""
    curves = {
        "Q by threshold": ([x for x in lines if x.rule.name[:3] in ("q_0", "q_1")], COLOURS[3]),
        "Q+T by threshold": (
            [x for x in lines if x.rule.name.startswith(f"qt_{EPSILON}")],
            COLOURS[1],
        ),
        "Q+T+C by epsilon": (
            [x for x in lines if x.rule.name[:4] == "qtc_" and x.rule.name.endswith("_0.5")],
            COLOURS[0],
        ),
    }
    for label, (found, colour) in curves.items():
        points = sorted((x.found.coverage, x.found.precision) for x in found if x.found.positives)
        axes.plot(*_percent(points), "-", color=colour, lw=1.3, alpha=0.7, label=label)
    for x in lines:
        if x.rule.name in _POINTS and x.found.positives:
            at = 100 * x.found.coverage, 100 * x.found.precision
            axes.plot(*at, "o", color=_POINTS[x.rule.name][1], ms=8, mec="black", mew=0.6)
    axes.set_xlabel("coverage: cells with a positive, %")
    axes.set_ylabel("precision: right positives, %")
    axes.set_xlim(0, 104)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")


def _draw_counts(axes: Any, points: Sequence[tuple[str, float, Count]], what: str) -> None:
    """Precision and coverage of the levels over something; no precision of few positives."""
    for name, (label, colour) in _POINTS.items():
        own = sorted((at, count) for rule, at, count in points if rule == name)
        precise = [(at, c.precision) for at, c in own if c.positives >= FEW]
        covered = [(at, c.coverage) for at, c in own]
        axes.plot(*_percent(precise, x=1), "o-", color=colour, label=label, ms=4, lw=1.6)
        axes.plot(*_percent(covered, x=1), "o:", color=colour, ms=3, lw=1.2)
    axes.set_xlabel(what)
    axes.set_ylabel("%")
    axes.grid(alpha=0.3)


def _percent(points: Sequence[tuple[float, float]], x: float = 100) -> tuple[list[float], ...]:
    """Abscissae times `x` and ordinates in percent."""
    return [x * a for a, _ in points], [100 * b for _, b in points]


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
