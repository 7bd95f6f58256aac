"""A picture of a training: its curves, and what the trained network matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.files import atomic_write
from pixelkin.mining.confidence import (
    Matches,
    WindowSchedule,
    best_of_rows,
    forward_backward,
    is_near,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.mining.negatives import negatives_in_band, neighbourhood
from pixelkin.models.encoder import Encoder
from pixelkin.ops.geometry import cell_centres
from pixelkin.training.log import read_metrics
from pixelkin.types import InputError

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8], int]
# Panel title -> last part of the names of the figures that it shows.
CURVES = {
    "loss": ("loss",),
    "learning rate": ("learning_rate",),
    "gradient norm": ("gradient_norm",),
    "positives (share of cells)": ("positives", "pairs"),
    "accuracy where the truth is known": ("accuracy",),
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
        matches: How many positives are drawn on a pair, evenly over the ranks of confidence.

    Returns:
        The file's path.

    Raises:
        InputError: If matplotlib is not installed.
    """
    rows = 2 + len(pairs)
    figure = new_figure(15, 2.8 * rows)
    grid = figure.add_gridspec(rows, 12)
    lines = read_metrics(run / "metrics.jsonl")
    upper = [v for name, (_, v) in curves(lines, ("m2",)).items() if v]
    for i, (title, endings) in enumerate(CURVES.items()):
        axes = figure.add_subplot(grid[i // 4, 3 * (i % 4) : 3 * (i % 4) + 3])
        _draw_curves(axes, title, curves(lines, endings))
    for row, pair in enumerate(pairs, start=2):
        mined = mine(encoder, pair, upper=upper[0][-1] if upper else 1.0)
        _draw_positives(figure, figure.add_subplot(grid[row, :6]), pair, mined, matches)
        _draw_negatives(figure, figure.add_subplot(grid[row, 6:]), pair, mined)
    path = run / "report.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80)
    return path


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of a size in inches, which needs no display.

    Raises:
        InputError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("drawing needs matplotlib: pip install 'pixelkin[plots]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(lines: Sequence[dict[str, Any]], endings: tuple[str, ...]) -> dict[str, Any]:
    """The series of figures whose name has a part in `endings`: name -> (steps, values)."""
    names = {name for line in lines for name in line if set(name.split("/")) & set(endings)}
    found = {}
    for name in sorted(names):
        points = [(x["step"], x[name]) for x in lines if x.get(name) is not None]
        found[name] = tuple(zip(*points, strict=True)) if points else ((), ())
    return found


@dataclass(frozen=True)
class Mined:
    """What mining finds on one pair of frames, cells numbered row by row.

    Attributes:
        centres: N x 2 (x, y) pixels of the cells' centres.
        positives: The matches, most confident first.
        negatives: Of the first positive: cells of the later frame.
        hardness: Of `negatives`: their rank among all cells, 0 the easiest and 1 the hardest.
    """

    centres: Tensor
    positives: Matches
    negatives: Tensor
    hardness: Tensor


def mine(encoder: Encoder, pair: Pair, *, threshold: float = 0.5, upper: float = 1.0) -> Mined:
    """Positives and one positive's negatives of two frames, as `mined_contrast` finds them.

    Args:
        encoder: The encoder.
        pair: (frame, later frame, distance in time).
        threshold: Least confidence C of a positive.
        upper: m2, the greatest hardness of a negative.
    """
    first, second, gap = pair
    a, b = (F.normalize(encoder.encode(f).cpu(), dim=0) for f in (first, second))
    height, width = a.shape[1:]
    similarity = a.flatten(1).mT @ b.flatten(1)
    centres = cell_centres(height, width, encoder.stride)
    radius = WindowSchedule().radius(torch.tensor([gap]), torch.tensor([first.shape[:2]]))
    confidence = temporal_coherence(
        optimal_transport(forward_backward(similarity)),
        is_near(centres[:, None], centres[None], radius),
    )
    matches = best_of_rows(confidence[None])
    order = matches.values.argsort(descending=True)
    positives = matches.where(order[matches.values[order] >= threshold])
    if not len(positives.values):
        return Mined(centres, positives, torch.empty(0, dtype=torch.long), torch.empty(0))
    row = similarity[positives.sources[:1]]
    candidates = ~neighbourhood(positives.targets[:1], height, width, 1)
    negatives = negatives_in_band(row, candidates, 0.0, upper)[0].nonzero()[:, 0]
    rank = row[0].argsort().argsort() / (len(row[0]) - 1)
    return Mined(centres, positives, negatives, rank[negatives])


def _draw_positives(figure: Any, axes: Any, pair: Pair, mined: Mined, count: int) -> None:
    from matplotlib.collections import LineCollection

    shift = _draw_pair(axes, pair)
    found = len(mined.positives.values)
    shown = mined.positives.where(torch.linspace(0, found - 1, min(count, found)).long())
    starts, ends = mined.centres[shown.sources], mined.centres[shown.targets] + shift
    lines = LineCollection(
        torch.stack([starts, ends], dim=1).tolist(),
        array=shown.values.numpy(),
        cmap="viridis",
        clim=(0.5, 1.0),
        lw=0.9,
    )
    axes.add_collection(lines)
    axes.scatter(*torch.cat([starts, ends]).mT.tolist(), c="white", s=5, zorder=3)
    axes.set_title(
        f"{found} positives among {len(mined.centres)} cells, {pair[2]} frames apart",
        fontsize=9,
    )
    figure.colorbar(lines, ax=axes, fraction=0.03, label="confidence C")


def _draw_negatives(figure: Any, axes: Any, pair: Pair, mined: Mined) -> None:
    shift = _draw_pair(axes, pair)
    if not len(mined.negatives):
        axes.set_title("no positive, no negatives", fontsize=9)
        return
    x, y = (mined.centres[mined.negatives] + shift).mT.tolist()
    dots = axes.scatter(x, y, c=mined.hardness.tolist(), cmap="inferno", vmin=0, vmax=1, s=7)
    anchor = mined.centres[mined.positives.sources[0]].tolist()
    positive = (mined.centres[mined.positives.targets[0]] + shift).tolist()
    for point in (anchor, positive):
        axes.plot(*point, marker="*", ms=13, mfc="lime", mec="black")
    axes.set_title("an anchor, its positive (stars) and negatives", fontsize=9)
    figure.colorbar(dots, ax=axes, fraction=0.03, label="hardness (rank)")


def _draw_pair(axes: Any, pair: Pair) -> Tensor:
    """Show two frames side by side; the offset (x, y) of the second."""
    first, second, _ = pair
    gap = np.full((first.shape[0], 6, 3), 255, np.uint8)
    axes.imshow(np.concatenate([first, gap, second], axis=1))
    axes.axis("off")
    return torch.tensor([first.shape[1] + 6.0, 0.0])


def _draw_curves(axes: Any, title: str, series: dict[str, Any]) -> None:
    axes.set_title(title)
    axes.set_xlabel("step")
    for name, (steps, values) in series.items():
        dense = len(steps) > 50
        look = {"lw": 0.8, "alpha": 0.5} if dense else {"lw": 1.5, "marker": ".", "ms": 4}
        axes.plot(steps, values, label=name, **look)
        if dense:
            window = max(1, len(steps) // 50)
            smooth = np.convolve(values, np.ones(window) / window, mode="valid")
            axes.plot(steps[window - 1 :], smooth, color=axes.lines[-1].get_color(), lw=1.8)
    if len(series) > 1:
        axes.legend(fontsize=7)
    if not series:
        axes.text(0.5, 0.5, "not part of this training", ha="center", transform=axes.transAxes)
    axes.grid(alpha=0.3)
