"""How many augmented clips a second the loader makes, cold and warm.

    python benchmarks/clip_loader.py VIDEOS [--sizes 128 192] [--workers 0 1] [--rendering batched]

Cold: the clips' videos are decoded and stored on the way. Warm: frames come from the store. A
training step of 16 views of 128 pixels takes 0.25 to 1 s on one CPU core; the loader should need a
fraction of that for 8 clips of two views.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from pixelkin.data.augment import Augmentation
from pixelkin.data.batch import ClipSpec
from pixelkin.data.clips import ClipDataset, ClipKey, ClipSettings, clip_loader
from pixelkin.data.index import index_videos

BATCH = 8
SPEC = ClipSpec(2, (8, 16, 24, 32))


def clips_per_second(dataset: ClipDataset, steps: int, workers: int) -> float:
    keys = [[ClipKey(SPEC, s, p, s * BATCH + p) for p in range(BATCH)] for s in range(steps)]
    began = time.perf_counter()
    clips = sum(len(batch) for batch in clip_loader(dataset, keys, workers=workers))
    return clips / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 192])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rendering", choices=("single", "batched"), default="single")
    parser.add_argument("--short-side", type=int, default=240)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(
        f"{'size':>5} {'workers':>8} {'cold clips/s':>13} {'warm clips/s':>13} {'s per 8 warm':>13}"
    )
    for size in options.sizes:
        for workers in options.workers:
            with tempfile.TemporaryDirectory() as folder:
                sources = index_videos([options.videos], Path(folder, "index.json"))
                dataset = ClipDataset(
                    sources,
                    ClipSettings(short_side=options.short_side, rendering=options.rendering),
                    Augmentation(),
                    size=size,
                    store=Path(folder),
                    budget=10**10,
                )
                cold, warm = (clips_per_second(dataset, options.steps, workers) for _ in range(2))
            rows.append({"size": size, "workers": workers, "cold": cold, "warm": warm})
            print(f"{size:5} {workers:8} {cold:13.1f} {warm:13.1f} {BATCH / warm:13.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
