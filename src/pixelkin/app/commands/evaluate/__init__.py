"""pixelkin evaluate: run or score a benchmark; one module each."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from pixelkin.app.arguments import call
from pixelkin.types import InputError

# Benchmark: one line for the help. Its module has a function `evaluate` and a text DESCRIPTION.
BENCHMARKS = {
    "davis": "DAVIS 2016 and 2017, semi-supervised: J and F of masks",
    "youtube_vos": "YouTube-VOS 2018: a zip for its server, or J and F on a hold-out split",
    "vip": "VIP, body parts: mean IoU of 20 classes",
    "jhmdb": "JHMDB, 15 body joints: PCK",
    "keypoints": "joints of one video (JHMDB's .mat, BADJA's .json): PCK",
}

USAGE = """usage: pixelkin evaluate BENCHMARK [options]

Run a benchmark with some weights, or score predictions that are there.

benchmarks:
{benchmarks}

example:
  pixelkin evaluate davis --root DAVIS --year 2017 --split val --out out/davis17 --videos

several processes, on one machine or, with a shared folder, on many:
  torchrun --nproc-per-node 2 --no-python pixelkin evaluate davis --root DAVIS --out out/davis17

`pixelkin evaluate BENCHMARK --help` says where to get the data, how its folder must look, and
shows the options.
"""


def usage() -> str:
    """The help of the command."""
    lines = (f"  {name:<12}{summary}" for name, summary in BENCHMARKS.items())
    return USAGE.format(benchmarks="\n".join(lines))


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage(), end="")
        return 0 if arguments else 2
    name, *rest = arguments
    chosen = name.replace("-", "_")
    if chosen not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
    module = importlib.import_module(f"{__name__}.{chosen}")
    call(module.evaluate, f"evaluate {name}", rest, module.DESCRIPTION)
    return 0
