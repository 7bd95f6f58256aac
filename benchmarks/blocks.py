"""Which share of the blocks of frame 0 the search has to multiply (docs/internals/search.md).

    python benchmarks/blocks.py FRAMES --at 21 75

FRAMES is a folder of a video's frames. For each target frame, by side of the blocks: the mean share
that a tile of the DAVIS protocol wants.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from common import show
from torch import Tensor

from pixelkin import load_encoder
from pixelkin.ops.affinity import blocks, tiled, windowed_topk
from pixelkin.ops.affinity.bounded import Bounded
from pixelkin.propagation import Protocol, references
from pixelkin.video.reader import open_video

SIDES = (2, 4, 8)


def wanted(features: Tensor, restricted: list[bool], protocol: Protocol, side: int) -> float:
    """Mean share of the blocks that a tile wants; the last of the frames is the target."""
    shares = []
    own = blocks.Centres.wanted

    def counted(centres: blocks.Centres, points: Tensor, farthest: Tensor) -> Tensor:
        found = own(centres, points, farthest)
        shares.append(len(found) * side * side / features[0, 0].numel())
        return found

    with (
        mock.patch.object(blocks.Centres, "wanted", counted),
        mock.patch.object(Bounded, "fold", side * side),
        mock.patch.object(tiled, "in_blocks", partial(blocks.in_blocks, side=side)),
    ):
        windowed_topk(features[-1], features[:-1], protocol.kept, protocol.radius, restricted)
    return sum(shares) / len(shares)


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--at", type=int, nargs="+", default=[21], help="target frames")
    options = parser.parse_args()
    torch.set_num_threads(1)
    protocol = Protocol.named("davis")
    encoder, video = load_encoder().for_inference(protocol.stride), open_video(options.frames)
    rows = []
    for t in options.at:
        used = references(protocol, t)
        frames = [*(r.frame for r in used), t]
        features = torch.stack([F.normalize(encoder.encode(video[f]), dim=0) for f in frames])
        flags = [r.restricted for r in used]
        rows.append([t, *(f"{wanted(features, flags, protocol, s):.2f}" for s in SIDES)])
    show("share of blocks wanted", ("target", *(f"{s} x {s}" for s in SIDES)), rows)


if __name__ == "__main__":
    main()
