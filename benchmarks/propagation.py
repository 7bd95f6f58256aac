"""Speed and memory of label propagation, against what it cannot do without.

    python benchmarks/propagation.py [--runs 5] [--threads 1] [--json FILE]

CPU seconds of a frame in the steady state, each protocol in a process of its own, beside

* a dense form of the DAVIS protocol written for the purpose: every source of every target cell,
  the same features, results compared;
* the limit of the DAVIS protocol: the convolutions as torch runs them one by one, plus the
  15,160 products of a target cell as short as its bounds are, at this machine's rate of such.

The DAVIS protocol is measured by each instruction set that the processor has: as it is, without
bfloat16, and with AVX2 alone. Rates say how many times slower a published code is only where both
ran on one machine; see docs/internals/performance.md.

Growth with resolution, n, r, objects and length: benchmarks/growth.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import (
    AVX2,
    arguments,
    cpu_seconds,
    in_own_process,
    machine,
    matmul_gflops,
    show,
    write_json,
)
from PIL import Image
from steady import FIRST, Case, stripes
from torch import Tensor, nn

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.models.nnpack import NnpackConv
from pixelkin.ops.affinity import Cells, windowed_topk
from pixelkin.ops.affinity.bounds import KEPT
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.ops.products import fast_bfloat16, product
from pixelkin.ops.tiles import TILE
from pixelkin.propagation import Protocol, references, rules

HEIGHT, WIDTH = 480, 854
BLOCK = 642  # target cells that the dense form handles at once
PLAIN = ", float32"  # as without fast bfloat16
NARROW = ", AVX2 alone"
CASES: dict[str, dict[str, Any]] = {
    **{
        f"davis{fast}{how}": {"fast": bool(fast), "float32": bool(how)}
        for fast in ("", ", fast")
        for how in ("", PLAIN, NARROW)
    },
    "youtube_vos": {"protocol": "youtube_vos"},
    "vip": {"protocol": "vip", "height": 560, "width": 560, "objects": 20},
    "jhmdb": {"protocol": "jhmdb", "height": 320, "width": 320, "objects": 15},
}


def dense_crw(
    query: Tensor, keys: Tensor, labels: Tensor, protocol: Protocol, free: int
) -> tuple[Tensor, Tensor]:
    """CRW's step with every source compared; slots before `free` have no radius.

    Returns:
        (soft labels L x h x w, similarities of the kept sources hw x k).
    """
    assert protocol.top_k is not None and protocol.radius is not None
    channels, h, w = query.shape
    sources = keys.permute(1, 0, 2, 3).reshape(channels, -1)
    flat = labels.permute(0, 2, 3, 1).reshape(-1, labels.shape[1])
    y, x = torch.arange(h * w) // w, torch.arange(h * w) % w
    out = torch.empty(labels.shape[1], h * w)
    kept = torch.empty(h * w, protocol.top_k)
    for i in range(0, h * w, BLOCK):
        affinity = query.reshape(channels, -1)[:, i : i + BLOCK].T @ sources
        squared = (y[i : i + BLOCK, None] - y) ** 2 + (x[i : i + BLOCK, None] - x) ** 2
        cut = squared >= protocol.radius**2
        affinity.view(len(cut), len(keys), -1)[:, free:].masked_fill_(cut[:, None], -torch.inf)
        values, ids = affinity.topk(protocol.top_k, dim=1)
        kept[i : i + BLOCK] = values
        weights = (values / protocol.temperature).softmax(dim=1)
        out[:, i : i + BLOCK] = torch.einsum("nk,nkl->ln", weights, flat[ids])
    return out.view(-1, h, w), kept


@torch.inference_mode()
def against_dense(runs: int) -> dict[str, float]:
    """CPU seconds of one step: as it is, in float32 throughout, and dense; and their difference."""
    protocol = Protocol.named("davis")
    slots = references(protocol, FIRST)
    scene = SyntheticScene(size=(HEIGHT, WIDTH), frames=FIRST + 1)
    encoder = load_encoder().for_inference(protocol.stride)
    features = {f: encoder.encode(scene[f].image) for f in {FIRST, *(s.frame for s in slots)}}
    query, *keys = (F.normalize(features[f], dim=0) for f in (FIRST, *(s.frame for s in slots)))
    g = torch.Generator().manual_seed(0)
    labels = torch.rand(len(slots), 3, *query.shape[1:], generator=g).softmax(1)
    flags = [s.restricted for s in slots]
    stacked = torch.stack(keys)

    def blocked(how: str) -> Tensor:
        return rules.crw(
            target[how],
            store[how],
            labels,
            k=protocol.top_k or 0,
            radius=protocol.radius,
            temperature=protocol.temperature,
            restricted=flags,
        )

    bounds = {"step": bounds_for(stacked), "float32": bounds_for(stacked, rounded=False)}
    target = {how: Cells.of(query[None], bound) for how, bound in bounds.items()}
    store = {how: Cells.of(stacked, bound) for how, bound in bounds.items()}
    _, expected = dense_crw(query, stacked, labels, protocol, flags.count(False))
    found, _ = windowed_topk(
        target["step"], store["step"], protocol.top_k or 0, protocol.radius, flags
    )
    return {
        "step": cpu_seconds(lambda: blocked("step"), runs),
        "float32": cpu_seconds(lambda: blocked("float32"), runs),
        "dense": cpu_seconds(
            lambda: dense_crw(query, stacked, labels, protocol, flags.count(False)), 1, warm=0
        ),
        "difference": float((found - expected).abs().max()),
    }


@torch.inference_mode()
def convolutions(runs: int) -> float:
    """CPU seconds of the encoder's convolutions and nothing else, one frame."""
    encoder = load_encoder().for_inference(8)
    calls: list[tuple[nn.Module, Tensor]] = []
    layers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d | NnpackConv)]
    hooks = [m.register_forward_hook(lambda m, x, _: calls.append((m, x[0]))) for m in layers]
    encoder.encode(SyntheticScene(size=(HEIGHT, WIDTH), frames=1)[0].image)
    for hook in hooks:
        hook.remove()

    def one(layer: nn.Module, x: Tensor) -> float:
        if isinstance(layer, NnpackConv):
            given = x.contiguous(), layer.weight, layer.bias, [1, 1]
            return cpu_seconds(lambda: torch._nnpack_spatial_convolution(*given), runs)
        assert isinstance(layer, nn.Conv2d)
        margin = layer.kernel_size[0] // 2
        x = x.contiguous(memory_format=torch.channels_last)
        return cpu_seconds(
            lambda: F.conv2d(x, layer.weight, layer.bias, layer.stride, margin), runs
        )

    return sum(one(layer, x) for layer, x in calls)


def short_gflops(runs: int) -> float:
    """GFLOP a CPU second of products as short as bounds are."""
    a, b = torch.rand(2**13, KEPT + 1), torch.rand(TILE * TILE, KEPT + 1)
    return 2 * len(a) * b.numel() / cpu_seconds(lambda: product(a, b), runs) / 1e9


def needed_gflop() -> float:
    """Products of bounds that the DAVIS protocol needs for one frame."""
    protocol = Protocol.named("davis")
    assert protocol.radius is not None
    cells = -(-HEIGHT // protocol.stride) * -(-WIDTH // protocol.stride)
    r = int(protocol.radius)
    disc = sum(y * y + x * x < r * r for y in range(-r, r + 1) for x in range(-r, r + 1))
    return 2 * (KEPT + 1) * cells * (cells + protocol.context * disc) / 1e9


def start() -> dict[str, float]:
    """Seconds (CPU, wall) of `pixelkin --help` and of `propagate` for a first labelled frame."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder) / "frames"
        frames.mkdir()
        Image.fromarray(SyntheticScene(size=(HEIGHT, WIDTH), frames=1)[0].image).save(
            frames / "0.png"
        )
        ids = stripes(HEIGHT, WIDTH, 2).as_map().ids
        Image.fromarray(ids.astype(np.uint8)).save(Path(folder) / "mask.png")
        cli = [sys.executable, "-m", "pixelkin.app.cli"]
        first = ["propagate", str(frames), "--labels", f"{folder}/mask.png", "--out", f"{folder}/o"]
        result: dict[str, float] = {}
        for name, options in {"help": ["--help"], "first frame": first}.items():
            cpu, wall = [], []
            for _ in range(3):
                before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                subprocess.run(
                    [*cli, *options, *(["--overwrite"] if name != "help" else [])],
                    check=True,
                    capture_output=True,
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                wall.append(time.perf_counter() - began)
                cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            result |= {f"{name}, cpu": sorted(cpu)[1], f"{name}, wall": sorted(wall)[1]}
        return result


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "").parse_args()
    torch.set_num_threads(options.threads)
    print(machine())
    steady = str(Path(__file__).with_name("steady.py"))
    measured: dict[str, Any] = {}
    rows = []
    for name, changes in CASES.items():
        case = Case(**changes, threads=options.threads, runs=options.runs)
        if name.endswith(PLAIN) and not fast_bfloat16():
            continue
        switches = AVX2 if name.endswith(NARROW) else None
        found = in_own_process(steady, json.dumps(asdict(case)), switches=switches)
        measured[name] = found
        rows.append([name, *(found[k] for k in ("features", "propagation", "total", "peak_gib"))])
    columns = ("protocol", "features s", "propagation s", "total s", "peak GiB")
    show("CPU seconds a frame, steady state", columns, rows)

    peak, short = matmul_gflops(), short_gflops(options.runs)
    # Where it is slow, it takes minutes.
    rough = matmul_gflops(torch.bfloat16) if fast_bfloat16() else None
    convs, needed = convolutions(options.runs), needed_gflop()
    limit = convs + needed / short
    dense = against_dense(options.runs)
    total, fast = measured["davis"]["total"], measured["davis, fast"]["total"]
    figures = [
        ("float32 matrix products", f"{peak:.0f} GFLOP/s"),
        ("the same of bounds", f"{short:.0f} GFLOP/s"),
        ("bfloat16 matrix products", "slow" if rough is None else f"{rough:.0f} GFLOP/s"),
        ("convolutions alone", f"{convs:.3f} s"),
        (f"needed bounds, {needed:.1f} GFLOP at their rate", f"{needed / short:.3f} s"),
        ("limit: both", f"{limit:.3f} s"),
        ("a frame / limit", f"{total / limit:.2f}"),
        ("a frame, fast / limit", f"{fast / limit:.2f}"),
        ("a frame / a frame, fast", f"{total / fast:.2f}"),
        ("a step of propagation", f"{dense['step']:.3f} s"),
        ("the same without rounded features", f"{dense['float32']:.3f} s"),
        ("the same, dense", f"{dense['dense']:.2f} s, {dense['dense'] / dense['step']:.1f} times"),
        ("largest difference of a kept similarity to dense", f"{dense['difference']:.1e}"),
    ]
    begin = start()
    figures += [(f"pixelkin {name}", f"{seconds:.2f} s") for name, seconds in begin.items()]
    show("DAVIS protocol, 480 x 854", ("", "figure"), figures)
    result = {"protocols": measured, "peak_gflops": peak, "bfloat16_gflops": rough, "dense": dense}
    result |= {"convolutions": convs, "needed_gflop": needed, "limit": limit, "start": begin}
    write_json(options.json, result)


if __name__ == "__main__":
    main()
