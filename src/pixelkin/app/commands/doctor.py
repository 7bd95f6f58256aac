"""pixelkin doctor: what is installed, what is missing, and what the machine has."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence

from pixelkin import __version__
from pixelkin.app.arguments import call
from pixelkin.app.console import say, show_table

DESCRIPTION = """
Show what pixelkin runs on: versions, threads, memory, weights, optional parts.

Example:
  pixelkin doctor
"""


def requirements() -> dict[str, list[str]]:
    """Distribution names by extra, as the installed package declares them; "" is the core."""
    import re

    found: dict[str, list[str]] = {"": []}
    for line in importlib.metadata.requires("pixelkin") or []:
        name = re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        found.setdefault(extra[1] if extra else "", []).append(name)
    return found


def version(distribution: str) -> str | None:
    """Installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def doctor() -> None:
    """Show what pixelkin runs on."""
    import torch

    from pixelkin.models.encoder import WEIGHTS_DIR
    from pixelkin.ops.devices import described, find_device

    rows = [("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows.append(("CPU", f"{cores} cores, {torch.get_num_threads()} torch threads"))
    rows.append(("vector instructions", torch.backends.cpu.get_cpu_capability()))
    gpu = find_device()
    rows.append(("GPU", "none" if gpu.type == "cpu" else described(gpu)))
    weights = WEIGHTS_DIR / "default" / "weights.safetensors"
    size = f"{weights.stat().st_size / 2**20:.1f} MiB" if weights.is_file() else "missing"
    rows.append(("default weights", size))
    missing = []
    for extra, names in requirements().items():
        if extra in ("dev", "interop", "browser"):
            continue
        for name in names:
            installed = version(name)
            needed_by = f"for pixelkin[{extra}]" if extra else "needed"
            if name == "torch":
                installed = torch.__version__  # and which build it is
            rows.append((name, installed or f"missing, {needed_by}"))
            if installed is None:
                missing.append((name, extra))
    show_table(rows, title=f"pixelkin {__version__}")
    broken = [name for name, extra in missing if not extra]
    if broken:
        say(f"missing and needed: pip install {' '.join(broken)}")
    for extra in sorted({e for _, e in missing if e}):
        say(f"optional ({extra}): pip install {' '.join(n for n, e in missing if e == extra)}")
    if not missing:
        say("everything is installed")


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(doctor, "doctor", arguments, DESCRIPTION)
