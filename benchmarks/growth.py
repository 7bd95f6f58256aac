"""How the cost of propagation grows: resolution, context, radius, objects, length of the video.

    python benchmarks/growth.py [--long 2000] [--plot FILE] [--json FILE]

Each row is a process of its own: CPU seconds of a frame in the steady state under the DAVIS
protocol with one thing changed, and the peak memory of the process. The last table follows one long
video of 240 x 426 pixels and shows that neither grows with its length.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from common import arguments, in_own_process, peak_gib, show, write_json
from steady import Case, stripes

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.propagation.propagator import Propagator

SIZES = ((240, 426), (360, 640), (480, 854), (720, 1280), (1080, 1920))
CONTEXTS, RADII, OBJECTS = (5, 10, 20, 40), (6.0, 12.0, 24.0), (1, 5, 10, 20)


def cases(threads: int, runs: int) -> dict[str, list[Case]]:
    """By what is changed."""
    same: dict[str, Any] = {"threads": threads, "runs": runs}
    return {
        "resolution": [Case(height=h, width=w, **same) for h, w in SIZES],
        "n": [Case(context=n, **same) for n in CONTEXTS],
        "r": [Case(radius=r, **same) for r in RADII],
        "objects": [Case(objects=k, **same) for k in OBJECTS],
    }


def label(changed: str, case: Case) -> str:
    """The value of what is changed."""
    values = {
        "resolution": f"{case.height} x {case.width}",
        "n": case.context,
        "r": case.radius,
        "objects": case.objects,
    }
    return f"{values[changed]:g}" if changed == "r" else str(values[changed])


def long_video(frames: int, threads: int) -> list[dict[str, float]]:
    """Medians over stretches of a long video, and the peak memory up to each."""
    torch.set_num_threads(threads)
    scene = [frame.image for frame in SyntheticScene(size=(240, 426), frames=96)]
    propagator = Propagator("default", "davis")
    seconds: list[float] = []
    rows = []
    stretch = max(frames // 10, 1)
    for t in range(frames):
        # There and back again, so that the video has no cut.
        frame = scene[min(t % 190, 190 - t % 190)]
        began = time.process_time()
        propagator.step(frame, stripes(240, 426, 2) if t == 0 else None)
        seconds.append(time.process_time() - began)
        if (t + 1) % stretch == 0:
            median = statistics.median(seconds[-stretch:])
            rows.append({"frames": t + 1, "seconds": median, "peak_gib": peak_gib()})
    return rows


def plot(file: Path, measured: dict[str, list[dict[str, Any]]]) -> None:
    """Seconds and memory against each thing that is changed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(measured), figsize=(12, 5), sharex="col", sharey="row")
    for column, (changed, rows) in zip(axes.T, measured.items(), strict=True):
        names = [str(row["label"]).split(" x ")[0] for row in rows]
        for axis, key in zip(column, ("total", "peak_gib"), strict=True):
            axis.plot(names, [row[key] for row in rows], "o-")
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
        column[1].set_xlabel("height in pixels" if changed == "resolution" else changed)
    axes[0, 0].set_ylabel("CPU seconds a frame")
    axes[1, 0].set_ylabel("peak memory, GiB")
    for axis in axes.flat:
        axis.set_ylim(0)
    figure.tight_layout()
    figure.savefig(file, dpi=100)


def main() -> None:
    """Measure, print, plot."""
    if sys.argv[1:2] == ["video"]:
        print(json.dumps(long_video(int(sys.argv[2]), int(sys.argv[3]))))
        return
    parser = arguments(__doc__ or "")
    parser.add_argument("--long", type=int, default=2000, help="frames of the long video; 0: none")
    parser.add_argument("--plot", type=Path, help="write a picture to this file")
    options = parser.parse_args()
    measured: dict[str, list[dict[str, Any]]] = {}
    here = Path(__file__)
    for changed, changes in cases(options.threads, options.runs).items():
        measured[changed] = [
            {"label": label(changed, case)}
            | in_own_process(str(here.with_name("steady.py")), json.dumps(asdict(case)))
            for case in changes
        ]
        keys = ("label", "features", "propagation", "total", "peak_gib")
        columns = (changed, "features s", "propagation s", "total s", "peak GiB")
        rows = [[row[key] for key in keys] for row in measured[changed]]
        show(f"CPU seconds a frame against {changed}, DAVIS protocol", columns, rows)
    result: dict[str, Any] = {"growth": measured}
    if options.plot is not None:
        plot(options.plot, measured)
    if options.long:
        rows = in_own_process(str(here), "video", options.long, options.threads)
        columns = ("frames so far", "s a frame (median since)", "peak GiB")
        show("One long video, 240 x 426", columns, [list(row.values()) for row in rows])
        result["long"] = rows
    write_json(options.json, result)


if __name__ == "__main__":
    main()
