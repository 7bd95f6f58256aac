"""How coherent consecutive frames are, and frames of different clips: what cuts are told by.

    python benchmarks/cuts.py CLIPS [--clips 120] [--json FILE]

CLIPS is a folder of short videos without cuts. Of each, one frame and the next, and one and that 8
frames later; and frames of one clip and of the next of the same size. Quantiles of `coherence`,
the span of `alike`, and how many of the pairs are called cuts, with the weights in the package and
with `lab`, at the clips' own size and at smaller ones.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import arguments, show, write_json
from torch import Tensor

from pixelkin.propagation.cuts import alike, coherence, is_cut
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.video.reader import open_video

FAR = 8
SIDES = (None, 128, 64)
SHARES = (0, 0.01, 0.5, 0.99, 1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paths = sorted(options.videos.rglob("*.mp4"))
    random.Random(1).shuffle(paths)
    rows, found = [], {}
    for weights in ("default", "lab"):
        for side in SIDES:
            protocol = replace(Protocol.named("davis"), short_side=side)
            pairs = measured(Propagator(weights, protocol), paths[: options.clips])
            for name, some in pairs.items():
                values = np.array([coherence(*pair) for pair in some])
                places = np.array([alike(*pair) for pair in some])
                called = float(np.mean([is_cut(*pair) for pair in some]))
                quantiles = np.quantile(values, SHARES).tolist()
                head = [weights, "own" if side is None else side, name, len(some)]
                span = f"{places.min():.2f} to {places.max():.2f}"
                rows.append([*head, *quantiles, span, f"{called:.1%}"])
                found[f"{weights} {side} {name}"] = {
                    "coherence": values.tolist(), "alike": places.tolist(), "cuts": called
                }  # fmt: skip
    heads = ["weights", "short side", "frames", "pairs", *map(str, SHARES), "alike", "called cuts"]
    show("coherence, quantiles", heads, rows)
    write_json(options.json, found)


def measured(propagator: Propagator, paths: list[Path]) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Features of pairs of frames: of one clip, and of one and the next of its size."""
    rng = random.Random(2)
    found: dict[str, list[tuple[Tensor, Tensor]]] = {
        "consecutive": [], f"{FAR} apart": [], "different clips": []
    }  # fmt: skip
    before = None
    for path in paths:
        video = open_video(path)
        if len(video) <= FAR:
            continue
        start = rng.randrange(len(video) - FAR)
        frames = list(video.frames(start, start + FAR + 1))
        first, second, last = (propagator.features(frames[k]) for k in (0, 1, FAR))
        found["consecutive"].append((first, second))
        found[f"{FAR} apart"].append((first, last))
        if before is not None and before.shape == first.shape:
            found["different clips"].append((before, first))
        before = first
    return found


if __name__ == "__main__":
    main()
