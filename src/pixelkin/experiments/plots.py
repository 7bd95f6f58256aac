"""The pictures of the experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixelkin.experiments.statistics import Spread
from pixelkin.experiments.table import Line
from pixelkin.files import atomic_write
from pixelkin.training.report import new_figure

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
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel(score)
    axes.set_title(title, fontsize=11)
    axes.grid(axis="x", alpha=0.3)
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


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
