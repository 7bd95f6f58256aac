"""How the cost of propagation grows: resolution, context, radius, objects, length of the video.

    python benchmarks/growth.py [--only r objects] [--json FILE] [--plot FILE]

Each row is a process of its own: CPU seconds of a frame in the steady state under the DAVIS
protocol with one thing changed, and the peak memory of the process. "length" follows one long video
of 480 x 854 pixels through `Propagator`, the command and a session (long.py), and shows that
neither time nor memory grows with it. What FILE holds is not measured again, so that an
interrupted run goes on. On one core all but the length takes some 6 minutes, the length 9.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from common import arguments, in_own_process, show, write_json
from long import AFTER, WAYS
from steady import Case

Row = dict[str, Any]

SIZES = ((240, 426), (360, 640), (480, 854), (720, 1280), (1080, 1920))
# What is changed: where a row is on the axis and what the axis says, and the cases.
FACTORS: dict[str, tuple[Callable[[Case], float | None], str, list[Case]]] = {
    "resolution": (
        lambda case: case.height * case.width / 1e6,
        "resolution, megapixels",
        [Case(height=h, width=w) for h, w in SIZES],
    ),
    "n": (
        lambda case: case.chosen().context,
        "n, preceding frames",
        [Case(context=n) for n in (5, 10, 20, 40)],
    ),
    "r": (
        lambda case: case.chosen().radius,
        "r, cells",
        [Case(radius=r) for r in (6, 12, 18, 24)],
    ),
    "objects": (
        lambda case: case.objects,
        "objects",
        [Case(objects=k) for k in (1, 2, 5, 10, 20)],
    ),
}
LONG = "length"


@dataclass
class Measured:
    """Rows that are known, and the file that keeps them.

    Attributes:
        file: None: they are not kept.
        rows: By case.
        long: The long video, by how it was gone through.
    """

    file: Path | None
    rows: dict[str, Row] = field(default_factory=dict)
    long: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.is_file():
            known = json.loads(self.file.read_text(encoding="utf-8"))
            self.rows, self.long = known["rows"], known["long"]

    def row(self, case: Case) -> Row:
        """Figures of a case."""
        key = json.dumps(asdict(case) | asdict(case.chosen()))
        if key not in self.rows:
            steady = str(Path(__file__).with_name("steady.py"))
            self.rows[key] = in_own_process(steady, json.dumps(asdict(case)))
            self._keep()
        return self.rows[key]

    def length(self, way: str, frames: int, side: int, threads: int) -> Row:
        """Figures of the long video, gone through one way."""
        key = f"{way}, {frames} frames, short side {side}, {threads} threads"
        if key not in self.long:
            long = str(Path(__file__).with_name("long.py"))
            options = ("--short-side", side, "--threads", threads)
            self.long[key] = in_own_process(long, way, frames, *options)
            self._keep()
        return self.long[key]

    def _keep(self) -> None:
        write_json(self.file, {"rows": self.rows, "long": self.long})


def plot(file: Path, curves: dict[str, list[tuple[float, Row]]]) -> None:
    """Seconds and memory against each thing that is changed, by what its axis says."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    parts = {"total": "a frame", "propagation": "propagation", "features": "features"}
    figure, axes = plt.subplots(
        2, len(curves), figsize=(2.5 * len(curves), 4.4), sharex="col", squeeze=False
    )
    for (above, below), (name, points) in zip(axes.T, curves.items(), strict=True):
        at = [x for x, _ in points]
        for colour, (key, part) in enumerate(parts.items()):
            if key in points[0][1]:
                values = [row[key] for _, row in points]
                above.plot(at, values, "o-", ms=3, color=f"C{colour}", label=part)
        below.plot(at, [row["peak_gib"] for _, row in points], "o-", ms=3, color="C3")
        below.set_xlabel(name)
        below.set_xlim(left=0)
        for axis in (above, below):
            axis.set_ylim(0, axis.get_ylim()[1] * 1.05)
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("CPU s a frame")
    axes[1, 0].set_ylabel("peak memory, GiB")
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(file, dpi=100)


def main() -> None:
    """Measure, print, plot."""
    parser = arguments(__doc__ or "")
    parser.set_defaults(runs=3)
    names = [*FACTORS, LONG]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="parts to measure")
    parser.add_argument("--frames", type=int, default=5000, help="of the long video")
    parser.add_argument(
        "--short-side", type=int, default=96, help="of the labels of the long video"
    )
    parser.add_argument("--plot", type=Path, help="write a picture to this file")
    options = parser.parse_args()
    measured = Measured(options.json)
    curves: dict[str, list[tuple[float, Row]]] = {}
    for changed in (name for name in FACTORS if name in options.only):
        value, axis, cases = FACTORS[changed]
        cases = [replace(case, threads=options.threads, runs=options.runs) for case in cases]
        found = [measured.row(case) for case in cases]
        curves[axis] = [(value(case) or 0, row) for case, row in zip(cases, found, strict=True)]
        sizes = [f"{case.height} x {case.width}" for case in cases]
        labels = sizes if changed == "resolution" else [f"{x:g}" for x, _ in curves[axis]]
        keys = ("features", "propagation", "total", "peak_gib")
        rows = [[label, *map(row.get, keys)] for label, row in zip(labels, found, strict=True)]
        columns = (changed, "features s", "propagation s", "a frame s", "peak GiB")
        show(f"CPU seconds a frame against {changed}, DAVIS protocol", columns, rows)
    if LONG in options.only:
        told = (options.frames, options.short_side, options.threads)
        ways = {way: measured.length(way, *told) for way in WAYS}
        rows = [
            [way, found["after"], found["rows"][-1]["resident_mib"]]
            + [found["rows"][n]["total"] for n in (1, -1)]
            for way, found in ways.items()
        ]
        columns = ("way", f"MiB after frame {AFTER}", "in the end", "s a frame, 2nd tenth", "last")
        show(f"One long video, 480 x 854, {options.frames} frames", columns, rows)
        points = [(row["frames"], row) for row in ways["propagate"]["rows"]]
        curves[f"length, frames (short side {options.short_side})"] = points
    if options.plot is not None:
        plot(options.plot, curves)


if __name__ == "__main__":
    main()
