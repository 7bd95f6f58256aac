"""pixelkin evaluate: run or score a benchmark; the table is `evaluation.registry`'s."""

from __future__ import annotations

from collections.abc import Sequence

from pixelkin.evaluation import registry
from pixelkin.types import InputError

# One line for the help of each.
BENCHMARKS = {
    **{name: summary for name, (_, summary) in registry.BENCHMARKS.items()},
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
    if chosen == "keypoints":
        from pixelkin.app.commands.evaluate import keypoints

        keypoints.run(rest)
    else:
        from pixelkin.app.commands.evaluate import benchmark

        benchmark.run(chosen, rest)
    return 0
