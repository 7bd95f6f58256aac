"""What more steps, larger frames and other negatives buy, after one warm-up.

    python benchmarks/steps.py CLIPS --init WARM_UP --davis DAVIS2016 --dev DEV --out out/steps
    python benchmarks/steps.py --encoders A B --davis DAVIS2016 --dev DEV
    python benchmarks/steps.py --encoders runs/A-0/encoder ... runs/B-2/encoder --control A ...

Each row trains from the encoder WARM_UP on CLIPS (folders or packs): 16 clips of two 128-pixel
views a step, colours as they are. "pieces" is half known geometry with pieces of other videos
pasted on and negatives from other videos alone, half mined by Q, T, C and var(T). A row that has
been trained is taken from --out. Scored are these encoders, or --encoders. J&F on every fourth
frame under the DAVIS protocol: of DEV (laid out as DAVIS-2016) with 5 frames of context at native
size and at a short side of 240, and of DAVIS2016 at 240 with 20; of these also J by the number of
frames from the labelled one. --control: encoders are seeds of rows, by their folders ROW-SEED, and
the table has means over seeds, and their differences to that row with 95 % intervals. A+B are two
networks side by side: similarities are the mean of theirs. In A+B@1.5, B sees frames 1.5 times as
large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from common import arguments, show, write_json
from torch import Tensor, nn

from pixelkin.evaluation.davis import every_nth, load_split
from pixelkin.evaluation.quick import score_encoder
from pixelkin.experiments.distance import BANDS, mean_j
from pixelkin.experiments.statistics import difference
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.models.resnet import ResNet18
from pixelkin.propagation.protocol import Protocol
from pixelkin.training.config import Recipe
from pixelkin.training.loop import train
from pixelkin.training.schema import build

CROPS = {
    "scale": [0.35, 1.0], "aspect": 1.15, "shift": 0.25, "rotation": 15,
    "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "greyscale": 0,
}  # fmt: skip
CONTRAST = {"symmetric": False, "cross_video": 4096, "max_pairs": 2048}
EVERY, CONTEXT = 4, 5


class SideBySide(nn.Module):
    """Unit vectors of several networks, one after the other, on the grid of the first.

    Args:
        nets: The first sees its input as it is.
        scales: How many times as large each sees it.
    """

    def __init__(self, nets: Sequence[nn.Module], scales: Sequence[float]) -> None:
        super().__init__()
        self.nets, self.scales = nn.ModuleList(nets), scales
        self.channels = sum(cast(ResNet18, net).channels for net in nets)

    def forward(self, x: Tensor) -> Tensor:
        found: list[Tensor] = []
        for net, scale in zip(self.nets, self.scales, strict=True):
            size = tuple(round(n * scale) for n in x.shape[2:])
            seen = x if scale == 1 else F.interpolate(x, size, mode="bicubic")
            unit = F.normalize(net(seen).float(), dim=1)
            if found and unit.shape[2:] != found[0].shape[2:]:
                unit = F.normalize(F.interpolate(unit, found[0].shape[2:], mode="bilinear"), dim=1)
            found.append(unit)
        return torch.cat(found, dim=1)

    def folded(self) -> SideBySide:
        return SideBySide([cast(ResNet18, net).folded() for net in self.nets], self.scales)


def load(where: str) -> Encoder:
    """An encoder, or several side by side: A+B, or A+A@1.5, see the head of this file."""
    parts = [one.partition("@") for one in where.split("+")]
    encoders = [load_encoder(name) for name, _, _ in parts]
    if len(encoders) > 1:
        scales = [float(scale or 1) for _, _, scale in parts]
        encoders[0].net = SideBySide([one.net for one in encoders], scales)
    return encoders[0]


class Row(NamedTuple):
    """A training."""

    objectives: str
    steps: int
    short_side: int = 192


ROWS = {
    "pieces-200": Row("pieces", 200),
    "pieces-200-of-128": Row("pieces", 200, 128),
    "pieces-200-of-256": Row("pieces", 200, 256),
    "pieces-250": Row("pieces", 250),
    "pieces-800": Row("pieces", 800),
    "mined-200": Row("mined", 200),
    "mined-easy-200": Row("mined-easy", 200),
    "mined-easy-800": Row("mined-easy", 800),
    "known-800": Row("known", 800),
}


def mined(share: float, curriculum: dict[str, Any]) -> dict[str, Any]:
    mining = {
        "transport": {"epsilon": 0.02, "max_iterations": 30},
        "negatives": {"exclude": 1, "cross_video": 4096},
        "curriculum": curriculum,
    }
    settings = {"max_pairs": 2048, "mining": mining}
    return {"name": "mined_contrast", "share": share, "settings": settings}


def known(share: float, exclude: int, **crops: float) -> dict[str, Any]:
    settings = CONTRAST | {"exclude": exclude}
    views = {"augmentation": CROPS | crops}
    return {"name": "known_geometry", "share": share, "settings": settings} | views


def objectives(name: str) -> list[dict[str, Any]]:
    by_variance = {"signal": "var_t"}
    return {
        "known": [known(1.0, exclude=1)],
        "pieces": [known(0.5, exclude=64, paste=0.8), mined(0.5, by_variance)],
        "mined": [mined(1.0, by_variance)],
        "mined-easy": [mined(1.0, {"signal": "fixed", "high": 0.5})],
    }[name]


def recipe(row: Row, init: str, seed: int) -> Recipe:
    built: Recipe = build(Recipe, {
        "seed": seed, "steps": row.steps, "batch": 16, "size": 128, "init": init, "ema": 0.99,
        "network": {"widths": [64, 128, 256]},
        "data": {"short_side": row.short_side, "rendering": "batched"},
        "augmentation": CROPS,
        "optimiser": {
            "learning_rate": 5e-4, "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.01,
            "betas": [0.9, 0.98], "final": 0.0,
        },
        "stages": [{"objectives": objectives(row.objectives)}],
        "run": {"workers": 0, "report": False, "validate_scenes": 0, "batch_norm_frames": 48},
    })  # fmt: skip
    return built


def by_row(results: dict[str, dict[str, float]]) -> dict[str, dict[int, dict[str, float]]]:
    """Figures by row and seed, from folders ROW-SEED or ROW-SEED/encoder."""
    rows: dict[str, dict[int, dict[str, float]]] = {}
    for where, found in results.items():
        path = Path(where)
        name = path.parent.name if path.name == "encoder" else path.name
        row, _, seed = name.rpartition("-")
        rows.setdefault(row, {})[int(seed)] = found
    return rows


def against(results: dict[str, dict[str, float]], control: str) -> list[list[str]]:
    """Lines of means over seeds and, under each, of differences to the control."""
    rows, lines = by_row(results), []
    for row, seeds in rows.items():
        heads = list(next(iter(seeds.values())))
        means = [np.mean([found[h] for found in seeds.values()]) for h in heads]
        lines.append([f"{row}, {len(seeds)} seeds", *(f"{mean:.1f}" for mean in means)])
        if row != control:
            told = [
                difference(
                    {seed: found[h] for seed, found in seeds.items()},
                    {seed: found[h] for seed, found in rows[control].items()},
                )
                for h in heads
            ]
            half = [f" ± {d.half:.1f}" if d.seeds > 1 else "" for d in told]
            differences = [f"{d.mean:+.1f}{h}" for d, h in zip(told, half, strict=True)]
            lines.append([f"less {control}", *differences])
    return lines


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--davis", type=Path)
    parser.add_argument("--dev", type=Path)
    parser.add_argument("--init", help="the encoder that rows begin with")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoders", nargs="*", default=[])
    parser.add_argument("--control", help="the row to which others are compared")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.encoders and not (options.data and options.init and options.out):
        parser.error("give CLIPS, --init and --out to train, or --encoders to score")
    davis = Protocol.named("davis")
    brief = replace(davis, context=CONTEXT)
    sets = {
        "dev, native": (options.dev, brief),
        "dev, 240": (options.dev, replace(brief, short_side=240)),
        "davis, 240": (options.davis, replace(davis, short_side=240)),
    }
    videos = {
        root: [every_nth(video, EVERY) for video in load_split(root, 2016, "val")]
        for root, _ in sets.values()
        if root is not None
    }
    encoders = {name: name for name in options.encoders}
    for name in [] if encoders else options.rows:
        folder = options.out / f"{name}-{options.seed}"
        if not (folder / "encoder" / "config.json").is_file():
            train(recipe(ROWS[name], options.init, options.seed), options.data, folder)
        encoders[name] = str(folder / "encoder")
    results: dict[str, dict[str, float]] = {}
    for name, where in encoders.items():
        found = results[name] = {}
        for title, (root, protocol) in sets.items():
            if root is not None:
                score = score_encoder(load(where), videos[root], protocol)
                found[title] = 100 * score.summary.jf
        if options.davis is not None:  # the last one that was scored
            for band in BANDS:
                values = [mean_j(one, band, EVERY) for one in score.sequences]
                found[f"J {band}"] = 100 * float(np.nanmean(values))
        print(name, found, flush=True)
    heads = list(next(iter(results.values())))
    rows = [[name, *(f"{found[h]:.1f}" for h in heads)] for name, found in results.items()]
    if options.control:
        rows = against(results, options.control)
    show("J&F, and J by frames from the labelled one", ["", *heads], rows)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
