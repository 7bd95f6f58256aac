"""Speed of the mining's parts: Sinkhorn against POT's, the curriculum's variances.

    python benchmarks/mining.py [--cells 1024] [--json FILE]

Sinkhorn is compared at equal residuals: ours runs to a tolerance, POT's as a user calls it, with
its `stopThr` (the norm of what the marginal misses, looked at every tenth iteration) such that its
plan misses its marginals by no more; and, as nobody could call it, with the least number of
iterations that do and no threshold ("least"). All in float32, calls in turns, three at a time
after one that does not count. Costs are 1 - Q of features that are copies of each other up to
noise, and of the encoder in the package on synthetic videos: the latter for the recipe's batch too,
16 pairs of 256 cells, which POT solves one after the other. "torch" is ours without numba. The
parts are printed first: the kernel and the plan, element by element, the two products of an
iteration, an iteration of POT. What mining takes of a training step: benchmarks/training.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import ot
import torch
import torch.nn.functional as F
from common import arguments, cpu_seconds, show, write_json
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.mining.confidence import entries, forward_backward, optimal_transport
from pixelkin.mining.curriculum import variance, variance_of_entries
from pixelkin.models.encoder import load_encoder
from pixelkin.ops.transport import sinkhorn

EPSILONS = (0.05, 0.02)
GAP = 16
TOLERANCES = (1e-2, 1e-3, 1e-4)


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


def plain_iterations(
    cost: Tensor, epsilon: float, target: float, most: int = 5000
) -> tuple[int, float]:
    """Iterations of Sinkhorn-Knopp, as POT does them, until the residual is at most `target`.

    And the norm of what the marginal then misses, a little more: what POT is told to stop at.
    """
    kernel = (-cost.double() / epsilon).exp()
    n, m = kernel.shape
    u = kernel.new_full((n,), 1 / n)
    count, missing = 0, u.new_ones(m)
    while float(missing.abs().sum()) > target and count < most:
        v = 1 / (m * (u @ kernel))
        u = 1 / (n * (kernel @ v))
        count, missing = count + 1, v * (u @ kernel) - 1 / m
    return count, 1.0001 * float(missing.norm())


def video_features(cells: int, pairs: int) -> tuple[Tensor, Tensor]:
    """Unit features, pairs x cells x C, of frames of synthetic videos that are GAP frames apart."""
    encoder, side = load_encoder("default"), 8 * round(cells**0.5)
    found = []
    for seed in range(pairs):
        scene = SyntheticScene(seed, (max(64, side), max(64, side)))
        found.append([encoder.encode(scene[t].image).flatten(1).mT for t in (0, GAP)])
    a, b = (F.normalize(torch.stack(views), dim=2) for views in zip(*found, strict=True))
    return a, b


def compare(cost: Tensor, epsilon: float, tolerance: float, runs: int) -> dict[str, float]:
    """Residual; POT's least iterations a pair; ms of POT and of ours; how many times faster."""
    ours = partial(sinkhorn, cost, epsilon=epsilon, max_iterations=1000, tolerance=tolerance)
    ours_log, ours_torch = partial(ours, log_domain=True), partial(ours, form="torch")
    forms = (ours, ours_log, ours_torch)
    residual = max(missed(plan) for solve in forms for plan in solve()[0])
    counts, thresholds = zip(*(plain_iterations(c, epsilon, residual) for c in cost), strict=True)
    uniform = torch.full(cost.shape[1:2], 1 / cost.shape[1])

    def pot(method: str, most: Sequence[int], thresholds: Sequence[float]) -> None:
        for c, k, t in zip(cost, most, thresholds, strict=True):
            ot.sinkhorn(uniform, uniform, c, epsilon, method, numItermax=k, stopThr=t)

    never, enough = [0.0] * len(cost), [10000] * len(cost)
    calls: dict[str, Callable[[], object]] = {
        "ours": ours,
        "ours log": ours_log,
        "ours torch": ours_torch,
        "POT": partial(pot, "sinkhorn", enough, thresholds),
        "POT least": partial(pot, "sinkhorn", counts, never),
    }
    every = [[1e3 * cpu_seconds(f, 3) for f in calls.values()] for _ in range(runs)]
    ms = dict(zip(calls, map(median, zip(*every, strict=True)), strict=True))
    slow = partial(pot, "sinkhorn_log", enough, thresholds)  # seconds: one call has to do
    ms["POT log"] = 1e3 * cpu_seconds(slow, 1, warm=0)
    ratios = {
        f"x{name[3:]}": ms[name] / ms["ours log" if "log" in name else "ours"]
        for name in ms
        if name.startswith("POT")
    }
    return {"missed": residual, "POT its": sum(counts) / len(counts)} | ms | ratios


def transport_rows(cells: int, runs: int) -> list[dict[str, float | str]]:
    few = min(256, cells)
    inputs = {
        "video": video_features(cells, 1),
        f"16 x {few}": video_features(few, 16),
        "noise": noisy_features(cells, 0.2),
    }
    rows: list[dict[str, float | str]] = []
    for name, (a, b) in inputs.items():
        cost = 1 - forward_backward(a @ b.mT)
        for epsilon in EPSILONS:
            for tolerance in TOLERANCES:
                figures = compare(cost, epsilon, tolerance, runs)
                rows.append({"input": name, "eps": epsilon, **figures})
    show(
        f"Sinkhorn, {cells} cells: CPU ms to a residual, and how many times faster than POT (x)",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    return rows


def parts(cells: int, runs: int) -> dict[str, float]:
    """CPU ms of what a plan of one pair is made of, as torch has it, and of an iteration of POT."""
    a, b = noisy_features(cells, 0.2)
    cost = 1 - (a @ b.mT)[0]
    uniform, kernel = torch.full((cells,), 1 / cells), (-cost / EPSILONS[0]).exp()

    def pot(iterations: int) -> None:
        ot.sinkhorn(uniform, uniform, cost, EPSILONS[0], numItermax=iterations, stopThr=0.0)

    def ms(step: Callable[[], object]) -> float:
        return 1e3 * cpu_seconds(step, 5 * runs, warm=5)

    return {
        "kernel": ms(lambda: torch.mul(cost, -1 / EPSILONS[0]).exp_()),
        "plan": ms(lambda: torch.mul(kernel, uniform[:, None]).mul_(uniform)),
        "two products": ms(lambda: uniform @ kernel) + ms(lambda: kernel @ uniform),
        "iteration of POT": (ms(partial(pot, 50)) - ms(partial(pot, 10))) / 40,
    }


def variance_rows(cells: int, runs: int) -> list[dict[str, float | str]]:
    rows: list[dict[str, float | str]] = []
    noise, video = noisy_features(cells, 0.2), video_features(cells, 1)
    cases = [("noise", 0.05, *noise), *(("video", e, *video) for e in EPSILONS)]
    for name, epsilon, a, b in cases:
        q = forward_backward(a @ b.mT)
        t = optimal_transport(q, epsilon=epsilon, max_iterations=60)
        found = entries(t)
        of_entries = partial(variance_of_entries, found.values, found.clips, 1, cells)
        times: dict[str, Callable[[], object]] = {
            "var(Q) dense": partial(variance, q, normalize_rows=True),
            "var(T) dense, torch.var": t.var,
            "var(T) dense, one pass": partial(variance, t),
            "var(T) of its entries": of_entries,
            "finding the entries": partial(entries, t),
        }
        v, a_row = float(variance(t)), len(found.values) / cells
        about: dict[str, float | str] = {"input": name, "eps": epsilon, "entries a row": a_row}
        about |= {"v": v, "entries miss": v - float(of_entries())}
        for what, step in times.items():
            ms = 1e3 * cpu_seconds(step, 10 * runs, warm=5)
            rows.append({**about, "what": what, "ms": ms})
    show(
        f"Variances of one pair of {cells} cells: CPU ms",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cells", type=int, default=1024)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="ot")
    ms = parts(options.cells, options.runs)
    show(f"Parts of Sinkhorn, {options.cells} cells: CPU ms", list(ms), [list(ms.values())])
    results = {
        "parts": [ms],
        "sinkhorn": transport_rows(options.cells, options.runs),
        "variance": variance_rows(options.cells, options.runs),
    }
    write_json(options.json, results)


if __name__ == "__main__":
    main()
