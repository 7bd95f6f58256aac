"""Speed of the mining's parts: Sinkhorn against POT's, the curriculum's variances.

    python benchmarks/mining.py [--cells 1024] [--json FILE]

Sinkhorn is compared at equal residuals: ours runs to a tolerance, POT's gets the least number of
iterations after which its plan misses its marginals by no more, and no check of its own. All in
float32 and epsilon 0.05. Costs are 1 - Q of features that are copies of each other up to noise, and
of the encoder in the package on made-up videos: the latter for the recipe's batch too, 16 pairs of
256 cells, which POT solves one after the other. What mining takes of a training step:
benchmarks/training.py.
"""

from __future__ import annotations

import warnings
from functools import partial

import ot
import torch
import torch.nn.functional as F
from common import arguments, cpu_seconds, show, write_json
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.mining.confidence import entries, forward_backward, optimal_transport
from pixelkin.mining.curriculum import variance, variance_of_entries
from pixelkin.models.encoder import load_encoder, split_encoder
from pixelkin.ops.transport import sinkhorn

EPSILON = 0.05
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


def video_features(cells: int, pairs: int) -> tuple[Tensor, Tensor]:
    """Unit features, pairs x cells x C, of frames of made-up videos that are GAP frames apart."""
    encoder, side = split_encoder(load_encoder("default"))[0], 8 * round(cells**0.5)
    found = []
    for seed in range(pairs):
        scene = SyntheticScene(seed, (max(64, side), max(64, side)))
        found.append([encoder.encode(scene[t].image).flatten(1).mT for t in (0, GAP)])
    a, b = (F.normalize(torch.stack(views), dim=2) for views in zip(*found, strict=True))
    return a, b


def compare(cost: Tensor, tolerance: float, runs: int) -> list[float]:
    """Residual; POT's iterations a pair; ms of POT, of POT in the log domain, and of ours."""
    ours, residual = [], 0.0
    for log in (False, True):
        solve = partial(
            sinkhorn,
            cost,
            epsilon=EPSILON,
            max_iterations=1000,
            tolerance=tolerance,
            log_domain=log,
        )
        residual = max(residual, max(missed(plan) for plan in solve()[0]))
        ours.append(1e3 * cpu_seconds(solve, runs))
    counts = [plain_iterations(c, residual) for c in cost]
    uniform = torch.full(cost.shape[1:2], 1 / cost.shape[1])

    def pot(method: str) -> None:
        for c, k in zip(cost, counts, strict=True):
            ot.sinkhorn(uniform, uniform, c, EPSILON, method, numItermax=k, stopThr=0)

    theirs = [1e3 * cpu_seconds(partial(pot, m), 1) for m in ("sinkhorn", "sinkhorn_log")]
    return [residual, sum(counts) / len(counts), *theirs, *ours]


def transport_rows(cells: int, runs: int) -> list[dict[str, float | str]]:
    few = min(256, cells)
    inputs = {f"noise {noise}": noisy_features(cells, noise) for noise in (0.1, 0.2, 0.4)}
    inputs |= {"video": video_features(cells, 1), f"16 x {few}": video_features(few, 16)}
    names = ("residual", "POT its", "POT", "POT log", "ours", "ours log")
    rows: list[dict[str, float | str]] = []
    for name, (a, b) in inputs.items():
        cost = 1 - forward_backward(a @ b.mT)
        for tolerance in TOLERANCES:
            figures = dict(zip(names, compare(cost, tolerance, runs), strict=True))
            ratios = {
                "x": figures["POT"] / figures["ours"],
                "x log": figures["POT log"] / figures["ours log"],
            }
            rows.append({"features": name, **figures, **ratios})
    show(
        f"Sinkhorn, {cells} cells: CPU ms to a residual, and how many times faster than POT",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    return rows


def variance_rows(cells: int, runs: int) -> list[dict[str, float | str]]:
    rows: list[dict[str, float | str]] = []
    for name, (a, b) in {
        "noise 0.2": noisy_features(cells, 0.2),
        "video": video_features(cells, 1),
    }.items():
        q = forward_backward(a @ b.mT)
        t = optimal_transport(q)
        found = entries(t)
        times = {
            "var(Q) dense": lambda q=q: variance(q, normalize_rows=True),
            "var(T) dense, torch.var": lambda t=t: t.var(),
            "var(T) dense, one pass": lambda t=t: variance(t),
            "var(T) of its entries": lambda found=found: variance_of_entries(
                found.values, found.clips, 1, cells
            ),
            "finding the entries": lambda t=t: entries(t),
        }
        per_row = len(found.values) / cells
        for what, step in times.items():
            ms = 1e3 * cpu_seconds(step, 10 * runs, warm=5)
            rows.append({"features": name, "entries a row": per_row, "what": what, "ms": ms})
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
    results = {
        "sinkhorn": transport_rows(options.cells, options.runs),
        "variance": variance_rows(options.cells, options.runs),
    }
    write_json(options.json, results)


if __name__ == "__main__":
    main()
