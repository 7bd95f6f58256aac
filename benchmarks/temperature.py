"""How long features should be, where their dot products are logits: by jhmdb, vip and youtube_vos.

    python benchmarks/temperature.py DEV --joints bear.json --weights default

For each temperature, which makes features 1/sqrt(temperature) long: PCK of bear's joints (BADJA's
file; the video is DEV's, which is laid out as DAVIS-2016) and of four made-up bodies of five joints
under the protocol jhmdb; J&F of DEV's videos on every second frame under vip, and under youtube_vos
at a short side of 240. The other protocols do not ask how long features are.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import arguments, show, write_json
from numpy.typing import NDArray
from PIL import Image

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.evaluation import keypoints
from pixelkin.evaluation.davis import every_nth, load_split
from pixelkin.evaluation.quick import score_encoder
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.video.reader import VideoReader, open_video

TEMPERATURES = (0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005)
BODIES, FRAMES = 4, 32
ALPHAS = (0.1, 0.2)
Video = tuple[VideoReader, dict[int, NDArray[np.float32]]]


def bodies(folder: Path) -> list[Video]:
    """Made-up videos of one body each, and its joints."""
    videos: list[Video] = []
    for seed in range(BODIES):
        scene = SyntheticScene(seed=100 + seed, frames=FRAMES, objects=1)
        (folder / f"{seed}").mkdir()
        truth = {}
        for frame in scene:
            Image.fromarray(frame.image).save(folder / f"{seed}" / f"{frame.index:05}.png")
            truth[frame.index] = frame.keypoints.reshape(-1, 2)
        videos.append((open_video(folder / f"{seed}"), truth))
    return videos


def with_temperature(weights: str, temperature: float) -> Encoder:
    encoder = load_encoder(weights)
    encoder.config = replace(encoder.config, temperature=temperature)
    return encoder


def accuracy(videos: list[Video], encoder: Encoder) -> list[float]:
    """PCK in percent at each of `ALPHAS`, the mean over videos."""
    rules = Protocol.named("jhmdb")
    scores = [keypoints.evaluate(*video, encoder, rules).official.mean for video in videos]
    which = [keypoints.ALPHAS.index(alpha) for alpha in ALPHAS]
    return [float(x) for x in np.mean(scores, axis=0)[which]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--joints", type=Path, required=True, help="bear's, of BADJA")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--temperatures", type=float, nargs="*", default=list(TEMPERATURES))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bear = open_video(options.dev / "JPEGImages" / "480p" / "bear")
    masks = [every_nth(video, 2) for video in load_split(options.dev, 2016, "val")]
    small = replace(Protocol.named("youtube_vos"), short_side=240)
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "bear": [(bear, keypoints.load_truth(options.joints, bear))],
            "made up": bodies(Path(folder)),
        }
        for temperature in options.temperatures:
            encoder = with_temperature(options.weights, temperature)
            found = results[f"{temperature:g}"] = {}
            for name, videos in sets.items():
                scores = zip(ALPHAS, accuracy(videos, encoder), strict=True)
                found |= {f"{name}, PCK@{alpha}": value for alpha, value in scores}
            for name, rules in (("vip", Protocol.named("vip")), ("youtube_vos", small)):
                found[f"{name}, J&F"] = 100 * score_encoder(encoder, masks, rules).summary.jf
            print(temperature, found, flush=True)
    heads = list(next(iter(results.values())))
    rows = [[name, *(f"{found[h]:.1f}" for h in heads)] for name, found in results.items()]
    show(f"Features of length 1/sqrt(temperature), {options.weights}", ["", *heads], rows)
    write_json(options.json, results)


if __name__ == "__main__":
    main()
