"""A picture of a training: its curves, and what the trained network matches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.models.encoder import Encoder
from pixelkin.training.log import read_metrics
from pixelkin.types import InputError
from pixelkin.video.files import atomic_write

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], int]
# Panel title -> last part of the names of the figures that it shows.
CURVES = {
    "loss": ("loss",),
    "learning rate": ("learning_rate",),
    "positives": ("positives",),
    "upper threshold m2": ("m2",),
    "variance of the confidence": ("variance",),
    "validation": ("validation",),
}


def write_report(run: Path, encoder: Encoder, pairs: Sequence[Pair], *, matches: int = 60) -> Path:
    """Draw report.png: curves of metrics.jsonl, and matches of an encoder on pairs of frames.

    Args:
        run: Folder of a training.
        encoder: Its encoder.
        pairs: (frame H x W x 3 uint8, later frame, distance in time), as `sample_pairs` gives.
        matches: How many of the most confident positives are drawn on a pair.

    Returns:
        The file's path.

    Raises:
        InputError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("drawing needs matplotlib: pip install 'pixelkin[plots]'") from error
    figure = Figure(figsize=(15, 8 + 3.2 * len(pairs)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 + len(pairs), 6, height_ratios=[3.2, 3.2] + [3.2] * len(pairs))
    lines = read_metrics(run / "metrics.jsonl")
    for i, (title, endings) in enumerate(CURVES.items()):
        axes = figure.add_subplot(grid[i // 3, 2 * (i % 3) : 2 * (i % 3) + 2])
        _draw_curves(axes, title, curves(lines, endings))
    path = run / "report.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80)
    return path


def curves(lines: Sequence[dict[str, Any]], endings: tuple[str, ...]) -> dict[str, Any]:
    """The series of figures whose name has a part in `endings`: name -> (steps, values)."""
    names = {name for line in lines for name in line if set(name.split("/")) & set(endings)}
    found = {}
    for name in sorted(names):
        points = [(x["step"], x[name]) for x in lines if x.get(name) is not None]
        found[name] = tuple(zip(*points, strict=True)) if points else ((), ())
    return found


def _draw_curves(axes: Any, title: str, series: dict[str, Any]) -> None:
    axes.set_title(title)
    axes.set_xlabel("step")
    for name, (steps, values) in series.items():
        dense = len(steps) > 50
        axes.plot(steps, values, label=name, lw=0.8 if dense else 1.5, alpha=0.5 if dense else 1)
        if dense:
            window = max(1, len(steps) // 50)
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            axes.plot(steps[window - 1 :], smooth, color=axes.lines[-1].get_color(), lw=1.8)
    if len(series) > 1:
        axes.legend(fontsize=7)
    if not series:
        axes.text(0.5, 0.5, "not part of this training", ha="center", transform=axes.transAxes)
    axes.grid(alpha=0.3)
