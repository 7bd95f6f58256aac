"""Speed and memory of label propagation at 480p under the DAVIS protocol.

    python benchmarks/propagation.py [--frames 24] [--threads 1] [--json FILE]

Times the steady state (20 preceding frames and frame 0 as references) of the blocked affinity
against a dense one written for the purpose: all 134,820 sources of each target cell, in blocks of
target cells so that it fits into memory. Both get the same features; their results are compared.
The peak memory is that of a process that propagates a whole video and nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pixelkin.propagation import Protocol, references, rules
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels

HEIGHT, WIDTH = 480, 854
GRID = (60, 107)
BLOCK = 642  # target cells that the dense form handles at once


def dense_crw(query: Tensor, keys: Tensor, labels: Tensor, protocol: Protocol, free: int) -> Tensor:
    """CRW's step with every source compared; slots before `free` have no radius."""
    assert protocol.top_k is not None and protocol.radius is not None
    channels, h, w = query.shape
    sources = keys.permute(1, 0, 2, 3).reshape(channels, -1)
    flat = labels.permute(0, 2, 3, 1).reshape(-1, labels.shape[1])
    y, x = torch.arange(h * w) // w, torch.arange(h * w) % w
    out = torch.empty(labels.shape[1], h * w)
    for i in range(0, h * w, BLOCK):
        affinity = query.reshape(channels, -1)[:, i : i + BLOCK].T @ sources
        squared = (y[i : i + BLOCK, None] - y) ** 2 + (x[i : i + BLOCK, None] - x) ** 2
        cut = squared >= protocol.radius**2
        affinity.view(len(cut), len(keys), -1)[:, free:].masked_fill_(cut[:, None], -torch.inf)
        values, ids = affinity.topk(protocol.top_k, dim=1)
        weights = (values / protocol.temperature).softmax(dim=1)
        out[:, i : i + BLOCK] = torch.einsum("nk,nkl->ln", weights, flat[ids])
    return out.view(-1, h, w)


def median_seconds(step: Callable[[], object], runs: int) -> float:
    step()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def compare(runs: int) -> dict[str, float]:
    """Seconds of one steady-state step, blocked and dense, and how far their results differ."""
    protocol = Protocol.named("davis")
    assert protocol.top_k is not None
    slots = references(protocol, protocol.context + 5)
    g = torch.Generator().manual_seed(0)
    # Smooth features, so that neighbouring cells resemble each other as in real frames.
    coarse = torch.randn(len(slots) + 1, 256, 8, 14, generator=g)
    features = torch.nn.functional.interpolate(coarse, GRID, mode="bicubic")
    features += 0.5 * torch.randn(features.shape, generator=g)
    features = torch.nn.functional.normalize(features, dim=1)
    query, keys = features[0], features[1:]
    labels = torch.rand(len(slots), 3, *GRID, generator=g).softmax(1)
    flags = [s.restricted for s in slots]

    def blocked() -> Tensor:
        return rules.crw(
            query,
            keys,
            labels,
            k=protocol.top_k or 0,
            radius=protocol.radius,
            temperature=protocol.temperature,
            restricted=flags,
        )

    def dense() -> Tensor:
        return dense_crw(query, keys, labels, protocol, flags.count(False))

    difference = float((blocked() - dense()).abs().max())
    return {
        "blocked_seconds": median_seconds(blocked, runs),
        "dense_seconds": median_seconds(dense, max(2, runs // 2)),
        "largest_difference": difference,
    }


def whole_video(frames: int) -> dict[str, float]:
    """Seconds per frame in the steady state, and peak memory, of a made-up 480p video."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16 + 8, 3), dtype=np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.int32)
    mask[120:360, 200:500] = 1
    propagator = Propagator("random", "davis")
    seconds = []
    for t in range(frames):
        frame = np.kron(np.roll(base, t, 1), np.ones((16, 16, 1), np.uint8))[:HEIGHT, :WIDTH]
        began = time.perf_counter()
        propagator.step(frame, Labels.from_mask(mask) if t == 0 else None)
        seconds.append(time.perf_counter() - began)
    steady = seconds[propagator.protocol.context + 1 :] or seconds[1:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"frame_seconds": statistics.median(steady), "peak_gib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only-video", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only_video:
        print(json.dumps(whole_video(options.frames)))
        return
    command = [sys.executable, __file__, "--only-video"]
    command += ["--frames", str(options.frames), "--threads", str(options.threads)]
    video = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    result = compare(options.runs) | video | {"threads": options.threads}
    ratio = result["dense_seconds"] / result["blocked_seconds"]
    print(f"480x854, DAVIS protocol, {options.threads} thread(s), medians")
    print(f"  affinity and label transfer, blocked  {result['blocked_seconds']:7.2f} s a frame")
    print(f"  the same, dense                       {result['dense_seconds']:7.2f} s a frame")
    print(f"  dense / blocked                       {ratio:7.1f}")
    print(f"  largest difference of a soft label    {result['largest_difference']:7.1e}")
    print(f"  whole frame, encoder included         {result['frame_seconds']:7.2f} s")
    print(f"  peak memory of the process            {result['peak_gib']:7.2f} GiB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
