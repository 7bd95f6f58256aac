"""The pictures of the method, from made-up videos: matches, negatives, and a curriculum.

    python docs/images/make_method.py docs/images

Needs pixelkin[plots]. The curriculum trains a small network; with --run FOLDER it is kept there.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.experiments.views import FRAME, LIGHT, NOISE, SPEED
from pixelkin.mining.negatives import mine_negatives
from pixelkin.mining.positives import Geometry, mine
from pixelkin.mining.settings import Mining
from pixelkin.models.encoder import load_encoder
from pixelkin.objectives.contrast import unit_cells
from pixelkin.ops.geometry import cell_centres
from pixelkin.training.log import read_metrics
from pixelkin.training.loop import train
from pixelkin.training.report import new_figure
from pixelkin.video.writer import VideoWriter

RECIPE = Path(__file__).resolve().parents[2] / "recipes/small.yaml"
SEED, START, GAP = 0, 10, 16  # the pair of frames that is shown
LEVELS = {"argmax": "argmax", "q": "Q, mutual", "qt": "Q + T", "qtc": "Q + T + C"}
SHOWN = 70  # matches of a panel, evenly over the ranks of their confidence
RIGHT, WRONG = "#4dd2ff", "#ff7f0e"
VIDEOS, FRAMES, STEPS = 24, 48, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pair = Frames()
    draw_matches(pair, options.out / "method-matches.jpg")
    draw_negatives(pair, options.out / "method-negatives.png")
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or Path(folder) / "run"
        draw_curriculum(trained(Path(folder), run), options.out / "method-curriculum.png")


class Frames:
    """Two frames of a made-up video, their cells, and the truth of each."""

    def __init__(self) -> None:
        scene = SyntheticScene(SEED, frames=START + GAP + 1, speed=SPEED, light=LIGHT, noise=NOISE)
        self.first, self.later = scene[START], scene[START + GAP]
        encoder = load_encoder("default")
        features = torch.stack([encoder.encode(f.image) for f in (self.first, self.later)])
        self.cells = unit_cells(features)  # 2 x N x C
        self.grid = (features.shape[2], features.shape[3])
        self.stride = encoder.stride
        self.centres = cell_centres(*self.grid, self.stride)  # N x 2 (x, y)
        tracks, seen = scene.tracks(self.centres.numpy(), START, [START + GAP])
        self.truth, self.seen = torch.from_numpy(tracks[0]), torch.from_numpy(seen[0])
        self.size = self.first.image.shape[:2]

    def mined(self, level: Any) -> Any:
        """Positives by one of the levels."""
        mining = Mining()
        mining = replace(
            mining,
            confidence=replace(mining.confidence, level=level),
            transport=replace(
                mining.transport, epsilon=0.05, max_iterations=60
            ),  # as `pixelkin tune`
        )
        where = Geometry(
            self.centres[None], self.centres[None], torch.tensor([GAP]), torch.tensor([self.size])
        )
        return mine(self.cells[:1], self.cells[1:], where, mining).positives

    def right(self, sources: Tensor, targets: Tensor) -> Tensor:
        """Whether each match is within a cell of the truth, and that in sight."""
        off = (self.centres[targets] - self.truth[sources]).abs().amax(1)
        return (off <= self.stride) & self.seen[sources]

    def show(self, axes: Any, first: Any, later: Any) -> Tensor:
        """Both frames side by side; the offset (x, y) of the second."""
        gap = np.full((self.size[0], 6, 3), 255, np.uint8)
        axes.imshow(np.concatenate([first, gap, later], axis=1))
        axes.axis("off")
        return torch.tensor([self.size[1] + 6.0, 0.0])


def draw_matches(pair: Frames, path: Path) -> None:
    """What argmax, Q, Q + T and Q + T + C take for matches, right and wrong ones."""
    from matplotlib.collections import LineCollection

    figure = new_figure(14, 4.7)
    for i, (level, title) in enumerate(LEVELS.items()):
        axes = figure.add_subplot(2, 2, i + 1)
        shift = pair.show(axes, pair.first.image, pair.later.image)
        found = pair.mined(level)
        right = pair.right(found.sources, found.targets)
        order = found.values.argsort(descending=True)
        some = order[torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).long()]
        starts = pair.centres[found.sources[some]]
        ends = pair.centres[found.targets[some]] + shift
        colours = [RIGHT if r else WRONG for r in right[some].tolist()]
        axes.add_collection(
            LineCollection(torch.stack([starts, ends], 1).tolist(), colors=colours, lw=0.9)
        )
        share, precision = len(right) / len(pair.centres), right.float().mean()
        axes.set_title(f"{title}: {share:.0%} of the cells, {precision:.1%} right", fontsize=11)
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_negatives(pair: Frames, path: Path) -> None:
    """The negatives of one positive, by hardness, for three m2."""
    found = pair.mined("qtc")
    ids = torch.from_numpy(pair.first.ids)
    x, y = pair.centres[found.sources].long().unbind(1)
    fit = pair.right(found.sources, found.targets) & (ids[y, x] > 0)
    best = int(found.values.masked_fill(~fit, 0).argmax())
    anchor, positive = found.sources[best : best + 1], found.targets[best : best + 1]
    row = pair.cells[0, anchor] @ pair.cells[1].mT
    hardness = row[0].argsort().argsort() / (row.shape[1] - 1)
    figure, panels = new_figure(14, 4.4), []
    for i, m2 in enumerate((0.3, 0.65, 0.9, 1.0)):
        axes = figure.add_subplot(2, 2, i + 1)
        panels.append(axes)
        grey = [np.repeat(f.image.mean(2, keepdims=True), 3, 2) for f in (pair.first, pair.later)]
        shift = pair.show(axes, *(g.astype(np.uint8) for g in grey))
        kept, _ = mine_negatives(row, positive, pair.grid, m2, Mining().negatives)
        shown = np.where(kept[0], hardness, np.nan).reshape(pair.grid)
        left, right = float(shift[0]) - 0.5, float(shift[0]) + pair.size[1] - 0.5
        extent = (left, right, pair.size[0] - 0.5, -0.5)
        colours = axes.imshow(shown, cmap="plasma", vmin=0, vmax=1, alpha=0.65, extent=extent)
        axes.set_xlim(-0.5, right)
        for point in (pair.centres[anchor[0]], pair.centres[positive[0]] + shift):
            axes.plot(*point.tolist(), marker="*", ms=15, mfc="lime", mec="black")
        axes.set_title(f"m2 = {m2}: {int(kept.sum())} negatives", fontsize=11)
    figure.colorbar(colours, ax=panels, fraction=0.02, label="hardness")
    figure.savefig(path, dpi=80)


def trained(folder: Path, run: Path) -> list[dict[str, Any]]:
    """The log of a training on made-up videos, a quarter of it warm-up by known geometry."""
    for seed in range(VIDEOS):
        scene = SyntheticScene(seed, FRAME, FRAMES, speed=SPEED, light=LIGHT, noise=NOISE)
        with VideoWriter(folder / f"videos/{seed}.mp4", 12, FRAME) as writer:
            for frame in scene:
                writer.write(frame.image)
    settings = {"steps": STEPS, "stages.0.share": 0.25, "stages.1.share": 0.75}
    train(RECIPE, [folder / "videos"], run, overrides=settings)
    return list(read_metrics(run / "metrics.jsonl"))


def draw_curriculum(lines: list[dict[str, Any]], path: Path) -> None:
    """What the curriculum read and set, step by step."""
    figure = new_figure(14, 3.4)
    panels = {
        "variance of T": "mined_contrast/variance",
        "upper hardness m2": "mined_contrast/m2",
        "positives, share of cells": "mined_contrast/positives",
        "J of made-up videos": "validation/synthetic_j",
    }
    for i, (title, name) in enumerate(panels.items()):
        axes = figure.add_subplot(1, 4, i + 1)
        steps, values = zip(*((x["step"], x[name]) for x in lines if name in x), strict=True)
        axes.plot(steps, values, color="#0072b2", marker="." if len(steps) < 50 else "", lw=1)
        axes.axvspan(0, STEPS / 4, color="0.9")
        axes.set(title=title, xlabel="step", xlim=(0, STEPS))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
