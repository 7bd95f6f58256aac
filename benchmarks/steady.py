"""One configuration of propagation in its steady state: what propagation.py and growth.py run.

    python benchmarks/steady.py '{"protocol": "davis"}'

prints JSON: CPU seconds a frame (features, propagation, all of a step; medians) and the peak memory
of the process, which does nothing else. The video is made up by another process, which leaves its
frames as files: to make it takes memory, too. The encoder is the one in the package.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast
from unittest import mock

import numpy as np
import torch
from common import cpu_seconds, peak_gib
from numpy.typing import NDArray

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models import quantised
from pixelkin.models.encoder import load_encoder
from pixelkin.ops.affinity import cells
from pixelkin.propagation import Protocol
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels

Frame = NDArray[np.uint8]
FIRST = 25  # number of the first frame that is timed; what it refers to is put into the memory


@dataclass(frozen=True)
class Case:
    """A protocol on a video. None: the protocol's own."""

    protocol: str = "davis"
    fast: bool = False
    height: int = 480
    width: int = 854
    context: int | None = None
    radius: float | None = None
    objects: int = 2
    threads: int = 1
    runs: int = 5
    float32: bool = False  # as on processors without fast bfloat16

    def chosen(self) -> Protocol:
        """The protocol with its changes."""
        named = replace(Protocol.named(self.protocol), fast=self.fast)
        context = named.context if self.context is None else self.context
        radius = named.radius if self.radius is None else self.radius
        return replace(named, context=context, radius=radius)


def stripes(height: int, width: int, objects: int) -> Labels:
    """Labels that cost what real ones do; where they are does not matter for speed."""
    ids = np.zeros((height, width), np.int32)
    ids[height // 4 : -height // 4] = np.arange(width) * objects // width + 1
    return Labels.from_mask(ids)


def made(height: int, width: int, frames: int, stack: ExitStack) -> Callable[[int], Frame]:
    """Reads the frames of a synthetic video by their numbers, from files that `stack` removes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    size = (str(height), str(width))
    subprocess.run([sys.executable, __file__, "make", str(folder), *size, str(frames)], check=True)
    return lambda t: cast(Frame, np.load(folder / f"{t}.npy"))


def make(folder: Path, height: int, width: int, frames: int) -> None:
    """Leave the frames of a synthetic video in a folder."""
    scene = SyntheticScene(size=(height, width), frames=frames)
    for t in range(frames):
        np.save(folder / f"{t}.npy", scene[t].image)


def steady(case: Case, stack: ExitStack) -> dict[str, float]:
    """CPU seconds a frame and peak memory in the steady state."""
    torch.set_num_threads(case.threads)
    protocol = case.chosen()
    first = max(FIRST, protocol.context + 2)
    read = made(case.height, case.width, first + case.runs + 1, stack)
    encoder = load_encoder()
    propagator = Propagator(encoder, protocol)
    labels = stripes(case.height, case.width, case.objects)
    propagator.step(read(0), labels)
    soft, objects = (propagator.state()[name] for name in ("given.0", "objects"))
    # As after frames that were all predicted: their features, and labels that are not hard.
    recent = range(first - max(protocol.context, 5), first)
    held = {0, *recent, *(protocol.long_term if protocol.rule == "mast" else ())}
    state = {f"predicted.{t}": 0.9 * soft + 0.1 / len(soft) for t in held}
    state |= {"given.0": soft, "next": np.array(first), "objects": objects}
    propagator = propagator.another()
    propagator.restore(state, labels, read)
    frames = [read(first + i) for i in range(case.runs + 1)]
    features = propagator.features(frames[0])
    encoding = cpu_seconds(lambda: propagator.features(frames[0]), case.runs)
    matching = cpu_seconds(lambda: propagator.votes(features), case.runs)
    whole = []
    for frame in frames:
        began = time.process_time()
        propagator.step(frame)
        whole.append(time.process_time() - began)
    return {
        "features": encoding,
        "propagation": matching,
        "total": statistics.median(whole),
        "peak_gib": peak_gib(),
        "memory_gib": propagator.memory_bytes / 2**30,
    }


def main() -> None:
    """Measure what the command line says, and print it."""
    if sys.argv[1] == "make":
        folder, *numbers = sys.argv[2:]
        make(Path(folder), *map(int, numbers))
        return
    case = Case(**json.loads(sys.argv[1]))
    with ExitStack() as stack:
        if case.float32:
            for module in (cells, quantised):
                stack.enter_context(mock.patch.object(module, "fast_bfloat16", lambda *_: False))
        print(json.dumps(asdict(case) | steady(case, stack)))


if __name__ == "__main__":
    main()
