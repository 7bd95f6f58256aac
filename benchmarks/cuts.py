"""How coherent consecutive frames are, and frames of different clips: what cuts are told by.

    python benchmarks/cuts.py CLIPS [--clips 120] [--json FILE]

CLIPS is a folder of short videos without cuts. Of each, one frame and the next, and one and that 8
frames later; and frames of one clip and of the next of the same size. Quantiles of `coherence`,
with the weights in the package.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from common import arguments, show, write_json

from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.cuts import coherence
from pixelkin.video.reader import open_video

FAR = 8
SHARES = (0, 0.01, 0.05, 0.5, 0.95, 0.99, 1)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    encoder, rng = load_encoder("default").for_inference(8), random.Random(1)
    paths = sorted(options.videos.rglob("*.mp4"))
    rng.shuffle(paths)
    found: dict[str, list[float]] = {"consecutive": [], f"{FAR} apart": [], "different clips": []}
    before = None
    for path in paths[: options.clips]:
        video = open_video(path)
        if len(video) <= FAR:
            continue
        start = rng.randrange(len(video) - FAR)
        frames = list(video.frames(start, start + FAR + 1))
        first, second, last = (encoder.encode(frames[k]) for k in (0, 1, FAR))
        found["consecutive"].append(coherence(first, second))
        found[f"{FAR} apart"].append(coherence(first, last))
        if before is not None and before.shape == first.shape:
            found["different clips"].append(coherence(before, first))
        before = first
    rows = [[name, len(x), *np.quantile(x, SHARES).tolist()] for name, x in found.items()]
    show("coherence, quantiles", ["frames", "pairs", *map(str, SHARES)], rows)
    write_json(options.json, found)


if __name__ == "__main__":
    main()
