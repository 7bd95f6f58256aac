"""A picture of a training: its curves, and what the trained network matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.files import atomic_write
from pixelkin.mining.negatives import mine_negatives
from pixelkin.mining.positives import Geometry, Mined, mine
from pixelkin.mining.settings import Mining
from pixelkin.models.encoder import Encoder
from pixelkin.objectives.contrast import unit_cells
from pixelkin.ops.geometry import cell_centres
from pixelkin.training.config import Recipe
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
LEVELS = {"argmax": "similarity", "q": "confidence Q", "qt": "confidence T", "qtc": "confidence C"}


def write_report(
    run: Path,
    encoder: Encoder,
    pairs: Sequence[Pair],
    mining: Mining | None = None,
    *,
    matches: int = 60,
) -> Path:
    """Draw report.png: curves of metrics.jsonl, and matches of an encoder on pairs of frames.

    Args:
        run: Folder of a training.
        encoder: Its encoder.
        pairs: (frame H x W x 3 uint8, later frame, distance in time), as `sample_pairs` gives.
        mining: How matches are found, see `mining_of`; None for the defaults.
        matches: How many positives are drawn on a pair, evenly over the ranks of confidence.

    Returns:
        The file's path.

    Raises:
        InputError: If matplotlib is not installed.
    """
    mining = mining or Mining()
    rows = 2 + len(pairs)
    figure = new_figure(15, 2.8 * rows)
    grid = figure.add_gridspec(rows, 12)
    lines = read_metrics(run / "metrics.jsonl")
    for i, (title, endings) in enumerate(CURVES.items()):
        axes = figure.add_subplot(grid[i // 4, 3 * (i % 4) : 3 * (i % 4) + 3])
        _draw_curves(axes, title, curves(lines, endings))
    m2 = last_m2(lines, mining)
    for row, pair in enumerate(pairs, start=2):
        found = mine_pair(encoder, pair, mining, m2)
        _draw_positives(figure, figure.add_subplot(grid[row, :6]), pair, found, mining, matches)
        _draw_negatives(figure, figure.add_subplot(grid[row, 6:]), pair, found)
    path = run / "report.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80)
    return path


def mining_of(recipe: Recipe) -> Mining:
    """How a training mined in the end; the defaults where it did not."""
    found = [o.objective.mining for stage in recipe.stages for o in stage.objectives]
    return next((mining for mining in reversed(found) if mining is not None), Mining())


def last_m2(lines: Sequence[dict[str, Any]], mining: Mining) -> float:
    """The m2 that a training's log ends with; where it has none, the greatest there can be."""
    logged = [(steps[-1], values[-1]) for steps, values in curves(lines, ("m2",)).values() if steps]
    return max(logged)[1] if logged else mining.curriculum.high


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of a size in inches, which needs no display.

    Raises:
        InputError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "drawing needs matplotlib, of pixelkin[plots]: pip install matplotlib"
        ) from error
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
class MinedPair:
    """What mining finds on one pair of frames, cells numbered row by row.

    Attributes:
        mined: The positives, most confident first, and what the curriculum reads.
        centres: N x 2 (x, y) pixels of the cells' centres.
        negatives: Of the first positive: cells of the later frame.
        hardness: Of `negatives`: their rank among all cells, 0 the easiest and 1 the hardest.
    """

    mined: Mined
    centres: Tensor
    negatives: Tensor
    hardness: Tensor


def mine_pair(encoder: Encoder, pair: Pair, mining: Mining, m2: float) -> MinedPair:
    """Positives and one positive's negatives of two whole frames, as `mined_contrast` finds them.

    Args:
        encoder: The encoder.
        pair: (frame, later frame, distance in time).
        mining: What is looked for.
        m2: Greatest hardness of a negative.
    """
    frame, later, gap = pair
    features = torch.stack([encoder.encode(f).cpu() for f in (frame, later)])
    first, second = unit_cells(features).unbind()
    grid = (features.shape[2], features.shape[3])
    centres = cell_centres(*grid, encoder.stride)
    size = torch.tensor([frame.shape[:2]])
    where = Geometry(centres[None], centres[None], torch.tensor([gap]), size)
    mined = mine(first[None], second[None], where, mining)
    order = mined.positives.values.argsort(descending=True)
    positives = mined.positives.where(order)
    row = first[positives.sources[:1]] @ second.mT
    negatives, _ = mine_negatives(row, positives.targets[:1], grid, m2, mining.negatives)
    cells = negatives.nonzero()[:, 1]
    hardness = row.argsort().argsort()[:, cells].flatten() / (len(second) - 1)
    return MinedPair(mined._replace(positives=positives), centres, cells, hardness)


def _draw_positives(
    figure: Any, axes: Any, pair: Pair, found: MinedPair, mining: Mining, most: int
) -> None:
    from matplotlib.collections import LineCollection

    shift = _draw_pair(axes, pair)
    positives = found.mined.positives
    count = len(positives.values)
    shown = positives.where(torch.linspace(0, count - 1, min(most, count)).long())
    starts, ends = found.centres[shown.sources], found.centres[shown.targets] + shift
    lines = LineCollection(
        torch.stack([starts, ends], dim=1).tolist(),
        array=shown.values.numpy(),
        cmap="viridis",
        clim=(min(mining.confidence.least, 0.5), 1.0),
        lw=0.9,
    )
    axes.add_collection(lines)
    axes.scatter(*torch.cat([starts, ends]).mT.tolist(), c="white", s=5, zorder=3)
    axes.set_title(
        f"{count} positives among {len(found.centres)} cells, {pair[2]} frames apart",
        fontsize=9,
    )
    figure.colorbar(lines, ax=axes, fraction=0.03, label=LEVELS[mining.confidence.level])


def _draw_negatives(figure: Any, axes: Any, pair: Pair, found: MinedPair) -> None:
    shift = _draw_pair(axes, pair)
    if not len(found.negatives):
        axes.set_title("no positive, no negatives", fontsize=9)
        return
    x, y = (found.centres[found.negatives] + shift).mT.tolist()
    dots = axes.scatter(x, y, c=found.hardness.tolist(), cmap="inferno", vmin=0, vmax=1, s=7)
    positives = found.mined.positives
    anchor = found.centres[positives.sources[0]].tolist()
    positive = (found.centres[positives.targets[0]] + shift).tolist()
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
