"""Speed of the mining: Sinkhorn against POT's, the curriculum's variances, a training step's share.

    python benchmarks/mining.py [--cells 1024] [--json FILE]

Sinkhorn is compared at equal residuals: ours runs to a tolerance, POT's gets the least number of
iterations after which its plan misses its marginals by no more, and no check of its own. All on one
thread, float32, epsilon 0.05, one pair of frames; the cost is 1 - Q of features that are copies of
each other up to noise.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ot
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.mining.confidence import entries, forward_backward, optimal_transport
from pixelkin.mining.curriculum import variance, variance_of_entries
from pixelkin.mining.negatives import negatives_in_band
from pixelkin.mining.positives import mine_positives
from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.ops.transport import sinkhorn

EPSILON = 0.05
BATCH = 16


def milliseconds(step: Callable[[], object], runs: int = 9) -> float:
    """The best of some runs: the others shared the processor with something else."""
    step()
    best = math.inf
    for _ in range(runs):
        began = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - began)
    return 1e3 * best


def noisy_features(cells: int, noise: float, batch: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(batch, cells, 64, generator=generator)
    b = F.normalize(a, dim=2) + noise * torch.randn(batch, cells, 64, generator=generator)
    return F.normalize(a, dim=2), F.normalize(b, dim=2)


def missed(plan: Tensor) -> float:
    """Share of the mass by which a plan misses its uniform marginals, rows and columns."""
    plan = plan.double()
    rows, columns = plan.sum(1), plan.sum(0)
    return float((rows - 1 / len(rows)).abs().sum() + (columns - 1 / len(columns)).abs().sum())


def plain_iterations(cost: Tensor, target: float, most: int = 5000) -> int:
    """Iterations of Sinkhorn-Knopp, as POT does them, until the residual is at most `target`."""
    kernel = (-cost.double() / EPSILON).exp()
    n, m = kernel.shape
    u = kernel.new_full((n,), 1 / n)
    for k in range(1, most + 1):
        v = 1 / (m * (u @ kernel))
        u = 1 / (n * (kernel @ v))
        if float((v * (u @ kernel) - 1 / m).abs().sum()) <= target:
            return k
    return most


def transport_rows(cells: int) -> list[dict[str, float | str]]:
    rows: list[dict[str, float | str]] = []
    print(f"Sinkhorn, {cells} x {cells}: ms, and how many times faster than POT")
    print(f"{'noise':>6} {'residual':>9} {'POT its':>8} {'POT':>8} {'POT log':>9} "
          f"{'kernel':>8} {'log':>8} {'x':>6} {'x log':>7}")  # fmt: skip
    marginal = torch.full((cells,), 1 / cells)
    for noise in (0.1, 0.2, 0.4):
        a, b = noisy_features(cells, noise)
        cost = 1 - forward_backward(a @ b.mT)
        for tolerance in (1e-2, 1e-3, 1e-4, 1e-5):
            ours, theirs, residual = {}, {}, 0.0
            for log in (False, True):
                run = partial(
                    sinkhorn,
                    cost,
                    epsilon=EPSILON,
                    max_iterations=1000,
                    tolerance=tolerance,
                    log_domain=log,
                )
                residual = max(residual, missed(run()[0][0]))
                ours[log] = milliseconds(run)
            k = plain_iterations(cost[0], residual)
            for method in ("sinkhorn", "sinkhorn_log"):
                pot = partial(ot.sinkhorn, marginal, marginal, cost[0], EPSILON, method)
                theirs[method] = milliseconds(partial(pot, numItermax=k, stopThr=0), runs=3)
            row = {
                "noise": noise,
                "residual": residual,
                "pot_iterations": k,
                "pot_ms": theirs["sinkhorn"],
                "pot_log_ms": theirs["sinkhorn_log"],
                "kernel_ms": ours[False],
                "log_ms": ours[True],
            }
            rows.append(row)
            print(
                f"{noise:6.2f} {residual:9.1e} {k:8d} {theirs['sinkhorn']:8.1f} "
                f"{theirs['sinkhorn_log']:9.1f} {ours[False]:8.1f} {ours[True]:8.1f} "
                f"{theirs['sinkhorn'] / ours[False]:6.1f} "
                f"{theirs['sinkhorn_log'] / ours[True]:7.1f}",
                flush=True,
            )
    return rows


def variance_rows(cells: int) -> list[dict[str, float | str]]:
    a, b = noisy_features(cells, 0.2)
    q = forward_backward(a @ b.mT)
    t = optimal_transport(q)
    found = entries(t)
    times = {
        "var(Q) dense": milliseconds(lambda: variance(q, normalize_rows=True)),
        "var(T) dense, torch.var": milliseconds(lambda: t.var()),
        "var(T) dense, one pass": milliseconds(lambda: variance(t)),
        "var(T) of its entries": milliseconds(
            lambda: variance_of_entries(found.values, found.clips, 1, cells)
        ),
        "finding the entries (positives need them too)": milliseconds(lambda: entries(t)),
    }
    print(
        f"\nVariance of one pair, {cells} x {cells}, {len(found.values) / cells:.1f} entries a row"
    )
    for name, ms in times.items():
        print(f"{ms:9.3f} ms  {name}")
    return [{"what": name, "ms": ms} for name, ms in times.items()]


def share_rows() -> list[dict[str, float | str]]:
    rows: list[dict[str, float | str]] = []
    print(f"\nMining {BATCH} pairs against the network's step (bf16) on their {2 * BATCH} images")
    for side in (16, 32):
        encoder = Encoder(EncoderConfig()).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.rand(BATCH, 3, 8 * side, 8 * side)

        def half_step(encoder: Encoder = encoder, images: Tensor = images) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                features = encoder(images)
            features.square().mean().backward()

        a, b = (F.pad(x, (0, 192)) for x in noisy_features(side**2, 0.2, BATCH))
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        points = torch.stack([x, y], -1).float().view(1, -1, 2).expand(BATCH, -1, 2)
        anchors = min(4096, BATCH * side**2)
        similarity = torch.rand(anchors, side**2)
        candidates = torch.ones(anchors, side**2, dtype=torch.bool)
        step = 2 * milliseconds(half_step, runs=3)
        positives = milliseconds(
            lambda a=a, b=b, points=points: mine_positives(
                a, b, (points, points), torch.full((BATCH,), 1e9)
            ),
            runs=3,
        )
        negatives = milliseconds(
            lambda s=similarity, c=candidates: negatives_in_band(s, c, 0.0, 0.7), runs=3
        )
        share = (positives + negatives) / step
        print(
            f"{side} x {side}: network {step:.0f} ms, positives {positives:.0f} ms, "
            f"negatives {negatives:.0f} ms: {share:.1%}"
        )
        rows.append(
            {"side": side, "step_ms": step, "positives_ms": positives, "negatives_ms": negatives}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1024)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="ot")
    results = {
        "sinkhorn": transport_rows(options.cells),
        "variance": variance_rows(options.cells),
        "share": share_rows(),
    }
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
