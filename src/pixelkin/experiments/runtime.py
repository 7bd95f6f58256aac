"""The paper's runtime analysis [S]: Sinkhorn and the variances of Q, T and C, for one pair.

Processor time of one thread on the CPU, medians; dense matrices, and the entries that matter alone.
The pair is two frames of a synthetic video, 8 frames apart, as the weights in the package see them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.experiments.plots import plot_times
from pixelkin.experiments.runs import Tell
from pixelkin.experiments.scale import Scale, load_scale
from pixelkin.experiments.table import markdown
from pixelkin.files import remove_leftovers, write_json, write_text
from pixelkin.locks import LOCK, Lock
from pixelkin.mining.confidence import (
    MINIMUM,
    entries,
    forward_backward,
    optimal_transport,
    temporal_coherence,
)
from pixelkin.mining.curriculum import variance, variance_of_entries
from pixelkin.mining.positives import Geometry, mine
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.mining.window import is_near
from pixelkin.models.encoder import load_encoder
from pixelkin.ops.geometry import cell_centres
from pixelkin.training.resources import cpu_threads
from pixelkin.types import InputError

GAP = 8
LEAST_SIDE = 8  # cells: synthetic videos are not smaller
LEAST_SECONDS = 0.02  # of one measurement: far above the clock's resolution
PAPER = {"Sinkhorn": 242.0, "var(Q)": 38.1, "var(T)": 17.3, "var(C)": 16.5}
SERIES = {
    "sinkhorn_ms": "Sinkhorn",
    "sinkhorn_log_ms": "Sinkhorn, log domain",
    "var_q_ms": "var(Q)",
    "var_t_ms": "var(T), dense",
    "var_t_sparse_ms": "var(T), sparse",
    "var_c_ms": "var(C), dense",
    "var_c_sparse_ms": "var(C), sparse",
    "entries_ms": "entries of T",
}


def measure(side: int, repeats: int) -> dict[str, float]:
    """Milliseconds for one pair of frames of side x side cells, and what was found in it.

    Args:
        side: Cells along each side; N is its square.
        repeats: Measurements of each time, of which the median counts.
    """
    with cpu_threads(1), torch.inference_mode():
        encoder = load_encoder("default")
        pixels = side * encoder.stride
        scene = SyntheticScene(0, (pixels, pixels), frames=GAP + 1)
        a, b = (F.normalize(encoder.encode(scene[t].image).flatten(1).mT, dim=1) for t in (0, GAP))
        centres = cell_centres(side, side, encoder.stride)[None]
        size = torch.tensor([[pixels, pixels]])
        where = Geometry(centres, centres, torch.tensor([GAP]), size)
        mining = Mining(Confidence(threshold=MINIMUM))  # positives are all entries of C
        mined = mine(a[None], b[None], where, mining)
        q = forward_backward((a @ b.mT)[None])
        t = optimal_transport(q)
        radius = mining.window.radius(where.gap, size)
        c = temporal_coherence(t, is_near(centres[:, :, None], centres[:, None], radius))
        of_t, of_c = entries(t), mined.positives
        cells = side * side
        times: dict[str, Callable[[], object]] = {
            "sinkhorn_ms": lambda: optimal_transport(q),
            "sinkhorn_log_ms": lambda: optimal_transport(q, log_domain=True),
            "var_q_ms": lambda: variance(q, normalize_rows=True),
            "var_t_ms": lambda: variance(t),
            "var_t_sparse_ms": lambda: variance_of_entries(of_t.values, of_t.clips, 1, cells),
            "var_c_ms": lambda: variance(c),
            "var_c_sparse_ms": lambda: variance_of_entries(of_c.values, of_c.clips, 1, cells),
            "entries_ms": lambda: entries(t),
        }
        found = {name: milliseconds(work, repeats) for name, work in times.items()}
        dense = variance(t), variance(c)
        sparse = (variance_of_entries(m.values, m.clips, 1, cells) for m in (of_t, of_c))
        missed = [float(1 - s / d) for s, d in zip(sparse, dense, strict=True)]
    return {
        "cells": cells,
        **found,
        "residual": float(mined.residual),
        "q_per_row": float((q > MINIMUM).sum()) / cells,
        "t_per_row": len(of_t.values) / cells,
        "c_per_row": len(of_c.values) / cells,
        "sparse_misses_t": missed[0],
        "sparse_misses_c": missed[1],
    }


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median processor time of one call."""
    work()
    calls = 1
    found: list[float] = []
    while len(found) < repeats:
        began = time.process_time()
        for _ in range(calls):
            work()
        taken = time.process_time() - began
        if taken < LEAST_SECONDS and not found:
            calls *= 2
        else:
            found.append(1e3 * taken / calls)
    return median(found)


def run_runtime(
    out: str | Path, *, scale: str = "cpu", command: str = "", tell: Tell = lambda _: None
) -> Path:
    """Measure what has not been measured yet, and write OUT/runtime: report, CSV and plot.

    Args:
        out: Folder of the experiments.
        scale: Its `cells` and `repeats` count.
        command: The command line, for the report.
        tell: Called with a line about what happens.

    Returns:
        Path of the report.
    """
    size, folder = load_scale(scale), Path(out) / "runtime"
    with Lock(folder / LOCK):
        files = ("report.md", "results.csv", "plot.png", *(f"{n}x{n}.json" for n in size.cells))
        remove_leftovers(folder / name for name in files)
        return _report(folder, size, command, tell)


def _report(folder: Path, size: Scale, command: str, tell: Tell) -> Path:
    """Measure what has not been measured yet, and write the files."""
    found = [_measured(folder, side, size.repeats, tell) for side in size.cells]
    names = list(found[0])
    lines = [",".join(names), *(",".join(f"{x[n]:.6g}" for n in names) for x in found)]
    _write(folder / "results.csv", "\n".join(lines) + "\n")
    series = {
        label: [(int(x["cells"]), x[name]) for x in found]
        for name, label in SERIES.items()
        if name != "entries_ms"
    }
    sections = ["# Time of the mining", __doc__.split("\n", 2)[2].strip()]
    sections += [f"```sh\n{command}\n```", markdown(_table(found)), _found(found)]
    try:
        plot_times(folder / "plot.png", series, PAPER)
        sections.append("![Time of the mining](plot.png)")
    except InputError as error:
        tell(f"no plot: {error}")
    _write(folder / "report.md", "\n\n".join(sections) + "\n")
    return folder / "report.md"


def times_section(out: Path, scale: Scale) -> list[str]:
    """Times of the variances at the scale's own grid, for the report on the curriculum's signal."""
    side = max(LEAST_SIDE, int(scale.recipe.get("size", 128)) // 8)
    found = _measured(out / "runtime", side, scale.repeats, lambda _: None)
    rows = [["signal", "ms a pair", "the paper's ms"]]
    for key, name in (("var_q", "var(Q)"), ("var_t", "var(T)"), ("var_c_sparse", "var(C)")):
        rows.append([name, f"{found[f'{key}_ms']:.3f}", f"{PAPER[name]}"])
    return [
        f"## Time of the variances\n\n{markdown(rows)}\n\nFor one pair of {side} x {side} cells on "
        "one CPU thread, as mining computes them: var(Q) and var(T) in one pass over the matrix, "
        "var(C) from its entries. The paper's on its GPU, for 32 x 32 cells as we read it. See "
        "`pixelkin experiment runtime`."
    ]


def _measured(folder: Path, side: int, repeats: int, tell: Tell) -> dict[str, float]:
    path = folder / f"{side}x{side}.json"
    if not path.is_file():
        tell(f"measuring {side} x {side} cells")
        write_json(path, measure(side, repeats))
    content: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _table(found: list[dict[str, Any]]) -> list[list[str]]:
    rows = [["ms a pair", *(f"N = {x['cells']:,}" for x in found), "the paper"]]
    for name, label in SERIES.items():
        paper = PAPER.get(label.split(",")[0])
        given = "–" if paper is None or "log" in label else f"{paper}"
        rows.append([label, *(f"{x[name]:.3g}" for x in found), given])
    return rows


def _found(found: list[dict[str, Any]]) -> str:
    rows = [["entries above 0.001 in a row", *(f"N = {x['cells']:,}" for x in found)]]
    for key, name in (("q", "Q"), ("t", "T"), ("c", "C")):
        rows.append([name, *(f"{x[f'{key}_per_row']:.1f}" for x in found)])
    worst = max(x[f"sparse_misses_{k}"] for x in found for k in "tc")
    return (
        f"{markdown(rows)}\n\nSparse: from the entries above 0.001, without finding them, which is "
        f"the row “entries of T”; they miss at most {100 * worst:.1g} % of the variance. Q has no "
        "sparse form worth the name. The paper's times are for its GPU and its own code, for "
        "256 x 256 crops (N = 1,024) as we read it: compare ratios, not milliseconds."
    )


def _write(path: Path, text: str) -> None:
    write_text(path, text)
