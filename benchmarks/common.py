"""What the benchmarks share: medians of CPU seconds, the machine's peak, a table, a JSON file.

CPU seconds are those of all threads of the process, so that they hold on a machine that does
something else besides; ratios are of figures of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from pixelkin.ops.products import one_dnn

# What keeps torch, oneDNN and MKL from using more than AVX2.
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def arguments(doc: str) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark: --runs, --threads, --json."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="figures are medians of so many")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser


def cpu_seconds(step: Callable[[], object], runs: int = 5, warm: int = 1) -> float:
    """Median CPU seconds of a call, after `warm` calls that do not count."""
    for _ in range(warm):
        step()
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        step()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def matmul_gflops(dtype: torch.dtype = torch.float32, side: int = 2048, runs: int = 7) -> float:
    """The machine's peak: GFLOP a CPU second of square matrix products, best of some runs."""
    a, b = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype)
    best = min(cpu_seconds(lambda: a @ b, runs=1) for _ in range(runs))
    return 2 * side**3 / best / 1e9


def peak_gib() -> float:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent had before the process began
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_own_process(file: str, *options: object, switches: Mapping[str, str] | None = None) -> Any:
    """The JSON that a script prints when run on its own, so that its peak memory is its own.

    `switches` are environment variables, such as those of `AVX2`.
    """
    command = [sys.executable, file, *map(str, options)]
    environment = os.environ | dict(switches or {})
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    return json.loads(done.stdout)


def machine() -> dict[str, Any]:
    """Date, hardware and versions: what figures are worth nothing without."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": date.today().isoformat(),
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "simd": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": [name for name in ("amx_bf16", "avx512_bf16") if _has(name)],
        "float32_products": "oneDNN" if one_dnn() is not None else "torch's (MKL, where built in)",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _has(name: str) -> bool:
    """Whether the processor has an instruction set."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    return capabilities is not None and bool(capabilities().get(name, False))


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; floats with three significant digits, None as nothing."""
    table = Table(title=title, title_justify="left")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def write_json(file: Path | None, result: dict[str, Any]) -> None:
    """Write figures beside the machine's description, if a file was asked for."""
    if file is not None:
        text = json.dumps({"machine": machine(), **result}, indent=2)
        file.write_text(text + "\n", encoding="utf-8")
