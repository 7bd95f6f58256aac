"""J of an object that turns, deforms, moves fast or is hidden: training clips, two frames by hand.

    python benchmarks/clips.py CLIPS --encoders A B

The object of each of sixteen clips is drawn, as polygons in clips.json, in a frame at or near the
beginning and in a late one. From either frame its mask is carried to the other, and J is taken
there: under the DAVIS protocol with 5 frames of context, on every second frame, enlarged to a short
side of 400. CLIPS is the folder of the clips. Encoders as in steps.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import arguments, show, write_json
from numpy.typing import NDArray
from PIL import Image
from steps import CONTEXT, load

from pixelkin import Encoder, Labels, Propagator, Protocol
from pixelkin.evaluation.metrics import region_similarity
from pixelkin.ops.outlines import fill
from pixelkin.video.reader import open_video

EVERY, SHORT_SIDE = 2, 400


class Clip(NamedTuple):
    """A clip from one frame drawn by hand to the other.

    Attributes:
        name: Its file's, without suffix.
        frames: H x W x 3 uint8 RGB each.
        first: Mask of the first frame, H x W bool.
        last: Of the last one.
    """

    name: str
    frames: list[NDArray[np.uint8]]
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]


def clip(file: Path, polygons: dict[str, list[list[list[int]]]]) -> Clip:
    """Read and enlarge the frames between the two that have polygons."""
    begin, end = sorted(int(number) for number in polygons)
    video = open_video(file)
    size = (video.info.width, video.info.height)
    numbers = sorted({*range(begin, end, EVERY), end})
    images = [Image.fromarray(video[number]) for number in numbers]
    scale = SHORT_SIDE / min(size)
    enlarged = (round(size[0] * scale), round(size[1] * scale))
    masks = []
    for number in (begin, end):
        parts = [np.array(polygon) * scale for polygon in polygons[str(number)]]
        masks.append(np.any([fill([part], enlarged[::-1]) for part in parts], axis=0))
    frames = [np.asarray(image.resize(enlarged, Image.Resampling.BICUBIC)) for image in images]
    return Clip(file.stem, frames, *masks)


def carried(encoder: Encoder, clip: Clip) -> tuple[float, float]:
    """J in percent of the last frame's mask from the first, and of the first's from the last."""
    propagator = Propagator(encoder, replace(Protocol.named("davis"), context=CONTEXT))
    features = [propagator.features(frame) for frame in clip.frames]
    both = []
    for order in (1, -1):
        given, sought = (clip.first, clip.last)[::order]
        steps = list(zip(clip.frames, features, strict=True))[::order]
        run = propagator.another()
        result = run.step(
            steps[0][0], Labels.from_mask(given.astype(np.int32)), features=steps[0][1]
        )
        for frame, found in steps[1:]:
            result = run.step(frame, features=found)
        both.append(100 * float(region_similarity(sought[None], result.ids[None] > 0)[0]))
    return both[0], both[1]


def table(clips: Sequence[Clip], results: dict[str, list[tuple[float, float]]]) -> None:
    """A row for each clip, and what they give; J forwards and backwards for each encoder.

    A mean may be made by one clip that is lost or found: so the median difference to the first
    encoder, and in how many of all passes it is higher, stand below.
    """
    rows = [
        [clip.name, *("{:.0f} {:.0f}".format(*found[i]) for found in results.values())]
        for i, clip in enumerate(clips)
    ]
    means = ["{:.1f} {:.1f}".format(*np.mean(found, axis=0)) for found in results.values()]
    total = [f"{np.mean(found):.1f}" for found in results.values()]
    control, *others = (np.array(found) for found in results.values())
    gains = [found - control for found in others]
    medians = [f"{np.median(gain):+.1f}" for gain in gains]
    higher = [f"{(gain > 0).sum()} of {gain.size}" for gain in gains]
    ends = [["mean", *means], ["of both", *total], ["median difference", "", *medians]]
    show("J, forwards and backwards", ["", *results], [*rows, *ends, ["higher in", "", *higher]])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--encoders", nargs="+", required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    drawn = json.loads(Path(__file__).with_suffix(".json").read_text())
    clips = [clip(options.clips / f"{name}.mp4", polygons) for name, polygons in drawn.items()]
    results: dict[str, list[tuple[float, float]]] = {}
    for name in options.encoders:
        encoder = load(name)
        results[name] = [carried(encoder, one) for one in clips]
        print(name, f"{np.mean(results[name]):.1f}", flush=True)
    table(clips, results)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
