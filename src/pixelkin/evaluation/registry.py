"""The benchmarks by name: the only list of them.

A new one is a file with a subclass of `Benchmark`, and a line here.
"""

from __future__ import annotations

import importlib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.evaluation.benchmark import Benchmark

# Name: (where its class is, one line about it). Modules are imported when they are asked for.
BENCHMARKS = {
    "davis": ("davis.Davis", "DAVIS 2016 and 2017, semi-supervised: J and F of masks"),
    "youtube_vos": (
        "youtube_vos.YoutubeVos",
        "YouTube-VOS 2018: a zip for its server, or J and F on a hold-out split",
    ),
    "vip": ("vip.Vip", "VIP, body parts: mean IoU of 20 classes"),
    "jhmdb": ("jhmdb.Jhmdb", "JHMDB, 15 body joints: PCK"),
}


def benchmark_class(name: str) -> type[Benchmark[Any]]:
    """The class of a benchmark.

    Raises:
        InputError: If there is none of that name.
    """
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
    module, kind = BENCHMARKS[name][0].split(".")
    found: type[Benchmark[Any]] = getattr(
        importlib.import_module(f"pixelkin.evaluation.{module}"), kind
    )
    return found


def make_benchmark(name: str, root: str | Path, **options: Any) -> Benchmark[Any]:
    """A benchmark on a data set's folder.

    Args:
        name: One of `BENCHMARKS`.
        root: The data set's folder.
        **options: What of it, such as `year=2016, split="val", sequences=["dog"]`.

    Raises:
        InputError: If there is no such benchmark, or it has no such option.
    """
    kind = benchmark_class(name)
    known = [field.name for field in fields(kind) if field.name != "root"]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"{name} has no option {unknown[0]!r}: it takes {', '.join(known)}")
    return kind(root=Path(root), **options)
