"""A long session with many objects: how long questions take, how large it gets, what it holds.

    python benchmarks/sessions.py [--frames 5000] [--objects 10] [--height 96] [--json FILE]

A made-up video, three labels an object, everything computed with colours as features, so that the
session itself is what is measured. Seconds of the process on the CPU.
"""

from __future__ import annotations

import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from common import arguments, show, write_json
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.app.commands.session.results import status


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--height", type=int, default=96)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as root:
        rows = measure(Path(root), options.frames, options.objects, options.height)
    show("session", ["what", "figure"], [[what, round(value, 4)] for what, value in rows.items()])
    write_json(options.json, rows)


def measure(root: Path, frames: int, objects: int, height: int) -> dict[str, float]:
    """Figures by what they are of."""
    draw(root / "video", frames, objects, height)
    found: dict[str, float] = {}
    with Session.create(root / "s", root / "video", encoder="lab") as session:
        ids = [session.add_object(f"object {k}").id for k in range(objects)]
        for k, i in enumerate(ids):
            for frame in (0, (k + 1) * frames // (objects + 2), frames - 1):
                session.label(frame, i, mask(session.size, objects, k, frame))
        began = time.process_time()
        for progress in session.propagate():
            if "memory after a tenth, MiB" not in found and progress.done > progress.total / 10:
                found["memory after a tenth, MiB"] = memory()
        found["memory in the end, MiB"] = memory()
        found["run, s"] = time.process_time() - began
    passes = 2 * objects * frames  # about: from the first label on, and back from the last
    found["file, MiB"] = (root / "s" / "session.db").stat().st_size / 2**20
    found["file, bytes a frame, object and direction"] = found["file, MiB"] * 2**20 / passes
    with Session.open(root / "s") as session, redirect_stdout(StringIO()):
        found["opened and asked for the first time, s"] = seconds(session.stale, times=1)
        found["status, s"] = seconds(lambda: status(root / "s"))
        found["stale, s"] = seconds(session.stale)
        found["timeline of all objects, s"] = seconds(lambda: timeline(root / "s"))
        found["suggest, s"] = seconds(lambda: session.suggest(10))
        found["one frame, s"] = seconds(lambda: session[frames // 2])
        found["a label, s"] = seconds(lambda: session.mark_absent(frames // 2, 1), times=1)
        found["status after it, s"] = seconds(lambda: status(root / "s"))
        session.undo()
        found["all accepted, s"] = seconds(lambda: session.accept(range(frames)), times=1)
        found["status after it, all reviewed, s"] = seconds(lambda: status(root / "s"))
        found["undone, s"] = seconds(session.undo, times=1)
        found["annotations, s"] = seconds(session.annotations, times=1)
    return found


def draw(folder: Path, frames: int, objects: int, height: int) -> None:
    """Strips of one colour each that move over a texture."""
    rng = np.random.default_rng(0)
    size = height, height * 16 // 9
    ground = rng.integers(0, 120, (*size, 3), dtype=np.uint8)
    colours = rng.integers(130, 256, (objects, 3), dtype=np.uint8)
    folder.mkdir()
    for frame in range(frames):
        image = ground.copy()
        for k in range(objects):
            image[mask(size, objects, k, frame)] = colours[k]
        Image.fromarray(image).save(folder / f"{frame:05d}.png", compress_level=1)


def mask(size: tuple[int, int], objects: int, k: int, frame: int) -> np.ndarray:
    """Where an object is."""
    height, width = size
    found = np.zeros(size, bool)
    high = height // objects
    left = round((width * 2 // 3) * (0.5 + 0.5 * np.sin(frame / 40 + k)))
    found[k * high : (k + 1) * high, left : left + width // 3] = True
    return found


def timeline(folder: Path, i: int | None = None) -> None:
    """What a page needs to draw all frames of all objects, or of one."""
    chosen = "" if i is None else f" WHERE object={i}"
    with sqlite3.connect(folder / "session.db") as file:
        file.execute(f"SELECT object, frame, confidence FROM shown{chosen}").fetchall()
        file.execute("SELECT frame, state FROM frame").fetchall()
        file.execute("SELECT object, frame, state FROM label").fetchall()


def seconds(what: Callable[[], object], times: int = 3) -> float:
    """On the CPU, the least of some."""
    found = []
    for _ in range(times):
        began = time.process_time()
        what()
        found.append(time.process_time() - began)
    return min(found)


def memory() -> float:
    """Most that was ever held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
