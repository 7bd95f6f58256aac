"""A network by direct convolutions and by NNPACK: CPU seconds a frame, and how far from float64.

    python benchmarks/convolutions.py [--frame FRAME]

By the encoder in the package; distances are between unit vectors.
"""

from __future__ import annotations

import argparse
import copy
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import cpu_seconds
from PIL import Image

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.models.nnpack import available, by_nnpack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frame", type=Path, help="a picture; made up if none is given")
    options = parser.parse_args()
    frame = SyntheticScene(size=(480, 854), frames=1)[0].image
    if options.frame is not None:
        frame = np.asarray(Image.open(options.frame).convert("RGB"))
    encoder = load_encoder()
    rgb = torch.tensor(frame).permute(2, 0, 1)[None].float() / 255
    x = encoder.preprocess(rgb).to(memory_format=torch.channels_last)
    processor = torch.backends.cpu.get_cpu_capability()
    print(f"{processor}, {torch.get_num_threads()} threads, NNPACK: {available()}")
    with torch.inference_mode():
        for stride in (8, 4):
            direct = encoder.with_stride(stride).eval().net.folded()
            nets = {"direct": direct, "NNPACK": by_nnpack(direct)}
            exact = F.normalize(copy.deepcopy(direct).double()(x.double()))
            for name, net in nets.items():
                far = (F.normalize(net(x).double()) - exact).norm(dim=1)
                print(
                    f"stride {stride}, {name}: {cpu_seconds(partial(net, x), 9):.3f} s; "
                    f"from float64 {far.mean():.1e}, at most {far.max():.1e}"
                )


if __name__ == "__main__":
    main()
