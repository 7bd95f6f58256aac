"""Features of a frame by direct convolutions and by NNPACK: seconds, and how far from float64.

python benchmarks/convolutions.py [--frame FRAME]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.models.nnpack import available, by_nnpack


def seconds(call: Callable[[], object], runs: int = 9) -> str:
    """Medians of CPU and wall seconds."""
    call()
    cpu, wall = [], []
    for _ in range(runs):
        began = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return f"{statistics.median(cpu):.3f} s of CPU, {statistics.median(wall):.3f} s"


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
            exact = _unit(copy.deepcopy(direct).double()(x.double()))
            for name, net in nets.items():
                far = (_unit(net(x).double()) - exact).norm(dim=1)
                print(
                    f"stride {stride}, {name}: {seconds(lambda net=net: net(x))}; "
                    f"from float64 {far.mean():.1e}, at most {far.max():.1e}"
                )


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1)


if __name__ == "__main__":
    main()
