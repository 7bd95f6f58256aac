"""The random walk's shortcuts and their cures: scores, and walks that return through other videos.

    python benchmarks/random_walk.py CLIPS --davis DAVIS2016 --out out/random_walk [--json FILE]

One training of each row and seed, all of them with the recipe of the scale `cpu` (see
pixelkin/experiments/scales/cpu.yaml) but for steps, size and a single phase, and with the same
number of views a step, pixels of patches aside. J&F is the quick score of DAVIS-2016: short side
240, every fourth frame. Of 32 videos of CLIPS, frames drawn as in the training: "unrelated", the
mean probability that a walk through four of the videos and back ends in the cell where it began,
"related", the same through four frames of one video, and "stays", that one through four of the
videos, one way, ends in the place where it began (temperature 0.03, feature maps, chance 1/N; of
what was trained on patches, for these as well). A row that has been trained is taken from --out.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from common import arguments, show, write_json
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.data.clips import ClipDataset, ClipKey, collate
from pixelkin.data.drawn import render_each
from pixelkin.data.frames import sample_frames
from pixelkin.data.index import index_videos
from pixelkin.evaluation.davis import load_split
from pixelkin.evaluation.quick import quick_score
from pixelkin.experiments.catalogue import KNOWN, PALINDROME, PATCHES, WALK, WARPED_PATCHES, Part
from pixelkin.experiments.scale import load_scale, merge
from pixelkin.files import cache_folder
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.objectives.contrast import unit_cells
from pixelkin.objectives.patches import cut_patches, pooled
from pixelkin.objectives.random_walk import RandomWalk, return_rate, stay_rate, unrelated
from pixelkin.training.config import Recipe
from pixelkin.training.loop import train
from pixelkin.training.schema import build
from pixelkin.training.trainer import initial_encoder
from pixelkin.training.validation import synthetic_score
from pixelkin.training.weights import measure_batch_norm

ROWS: dict[str, Part | None] = {
    "random weights": None,
    "palindrome": PALINDROME,
    "patches": PATCHES,
    "warped end": WALK,
    "patches, warped end": WARPED_PATCHES,
    "known geometry": KNOWN,
}
VIDEOS, FRAMES = 32, 4


def recipe(row: str, seed: int, steps: int, size: int) -> Recipe:
    """The scale's, in one phase from random weights."""
    part = ROWS[row] or KNOWN
    scale = load_scale("cpu")
    raw = scale.recipe_of([(part.objective, part.settings)], phase=1, seed=0, init=None)
    own = {"seed": seed, "steps": steps, "size": size, "run": {"report": False}}
    built: Recipe = build(Recipe, merge(raw, own))
    return built


def clips(recipe: Recipe, data: list[Path]) -> ClipBatch:
    """A clip of each of the first videos that a training would see."""
    sources = index_videos(data, cache_folder() / "clips" / "index.json")
    dataset = ClipDataset(sources, recipe.data, recipe.augmentation, size=recipe.size, seed=1)
    spec = ClipSpec(FRAMES, RandomWalk.gaps)
    found: dict[int, Any] = {}
    for visit in range(4 * VIDEOS):
        clip = dataset[ClipKey(spec, 0, visit, visit)]
        found.setdefault(clip.video, clip)
        if len(found) == VIDEOS:
            break
    return collate([render_each(clip, recipe.size) for clip in found.values()])


@torch.inference_mode()
def nodes(encoder: Encoder, batch: ClipBatch) -> Tensor:
    """The cells of all views: B x V x N x C."""
    return torch.stack([unit_cells(encoder(views)) for views in batch.views])


@torch.inference_mode()
def patches(encoder: Encoder, batch: ClipBatch) -> Tensor:
    """The patches of all views: B x V x N x C."""
    generator = torch.Generator().manual_seed(0)
    cut = cut_patches(batch.views, RandomWalk.patches, RandomWalk.patch_area, generator)
    return pooled(torch.stack([encoder(images) for images in cut]), batch.views.shape[1])


def rates(nodes: Tensor) -> dict[str, float]:
    """Walks that come back and that stay, in per cent."""
    tau = RandomWalk.temperature
    others = unrelated(nodes)
    return {
        "unrelated": 100 * float(return_rate(others, tau)),
        "related": 100 * float(return_rate(nodes, tau)),
        "stays": 100 * float(stay_rate(others, tau)),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--sequences", nargs="*", help="of DAVIS; all if left out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    videos = load_split(options.davis, 2016, "val", sequences=options.sequences)
    batch = clips(recipe("palindrome", 0, options.steps, options.size), options.data)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in options.seeds:
        for row in options.rows:
            own = recipe(row, seed, options.steps, options.size)
            began = time.process_time()
            if ROWS[row] is None:
                encoder = initial_encoder(own)
                sources = index_videos(options.data, cache_folder() / "clips" / "index.json")
                count = own.run.batch_norm_frames
                measure_batch_norm(encoder, list(sample_frames(sources, count, seed=seed)))
                encoder.eval()
            else:
                folder = options.out / f"{row.replace(' ', '-').replace(',', '')}-{seed}"
                if not (folder / "encoder" / "config.json").is_file():
                    train(own, options.data, folder)
                encoder = load_encoder(folder / "encoder")
            seconds = time.process_time() - began
            cells = nodes(encoder, batch)
            figures = {
                "jf": 100 * quick_score(encoder, videos, short_side=240, step=4)["jf"],
                "synthetic_j": 100 * synthetic_score(encoder),
                **rates(cells),
                "seconds": seconds,
            }
            print(row, seed, figures, flush=True)
            results.setdefault(row, []).append(figures)
            part = ROWS[row]
            if part is not None and part.settings.get("nodes") == "patches":
                print(f"{row} {seed}, {RandomWalk.patches**2} patches in place of cells:")
                print(rates(patches(encoder, batch)), flush=True)
    chance = 100 / cells.shape[2]
    rows = [
        [row, *(" ".join(f"{x[name]:.2f}" for x in each) for name in each[0])]
        for row, each in results.items()
    ]
    show(
        f"{options.steps} steps, views of {options.size} pixels, seeds {options.seeds}; chance "
        f"{chance:.2f} %",
        ["", "J&F", "J synthetic", "unrelated %", "related %", "stays %", "CPU s"],
        rows,
    )
    means = {
        row: {k: statistics.mean(x[k] for x in each) for k in each[0]}
        for row, each in results.items()
    }
    write_json(options.json, {"chance": chance, "each": results, "means": means})


if __name__ == "__main__":
    main()
