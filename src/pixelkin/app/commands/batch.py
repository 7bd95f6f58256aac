"""pixelkin propagate --list: many videos, each a job of its own."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.batch.engines import Ended, on_ray, on_this_machine
from pixelkin.app.batch.jobs import read_jobs, read_shard, share_of
from pixelkin.app.console import progress_bar, say
from pixelkin.app.options import Device, Runtime
from pixelkin.files import write_text
from pixelkin.types import InputError

DESCRIPTION = """
Carry labels through many videos.

LIST is a CSV file with a line a video under the heads video,labels,out[,weights,protocol], places
relative to it; labels are FILE or NUMBER=FILE, with spaces between. Or a folder, in which each
video NAME.mp4 has its labels NAME.png or NAME.json beside it. OUT/<out> receives what `pixelkin
propagate` gives. The same command goes on where it was: what is finished is left as it is, also
when the list has grown. Videos that failed are named in OUT/failures.csv, and the exit code is 1.

On several machines that share OUT: --shard 0/3 on the first, 1/3 and 2/3 on the others; by itself
in job arrays of Slurm and indexed jobs of Kubernetes with JOB_COMPLETIONS. Or --engine ray.

Example:
  pixelkin propagate --list jobs.csv --out results --jobs 4
"""


def batch(
    listed: Annotated[Path, tyro.conf.arg(name="list")],
    out: Path,
    jobs: int = 1,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    threads: int | None = None,
    device: Device = "auto",
    runtime: Runtime = "torch",
    weights: str | None = None,
    protocol: str | None = None,
    short_side: int | None = None,
    fast: bool = False,
    overlay: bool = False,
    overwrite: bool = False,
) -> int:
    """Carry labels through many videos.

    Args:
        listed: CSV file, or folder of videos with labels beside them.
        out: Folder for the results of all.
        jobs: Videos at the same time, with the local engine.
        shard: i/n: only the i-th of n parts of the list, from 0.
        engine: Processes of this machine, or tasks of a Ray cluster.
        threads: CPU threads of each video; all cores, divided among --jobs, by default.
        device: What computes: cpu, cuda or mps; auto takes a GPU where there is one.
        runtime: What computes features: torch, or onnx (onnxruntime, pixelkin[onnx]).
        weights: Encoder for the videos for which the list names none.
        protocol: Protocol, likewise.
        short_side: Work at this short side in pixels.
        fast: Approximate.
        overlay: Also write overlay.mp4.
        overwrite: Replace results that are there.
    """
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: must be 1 or more")
    number, count = read_shard(shard, os.environ)
    wanted = share_of(read_jobs(listed), (number, count))
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    options = ["--threads", str(threads), "--device", device, "--runtime", runtime]
    options += ["--short-side", str(short_side)] if short_side else []
    options += [f"--{name}" for name, on in (("fast", fast), ("overlay", overlay)) if on]
    options += ["--overwrite"] if overwrite else []
    commands = {}
    for job in wanted:
        if job.is_done(out) and not overwrite:
            continue
        defaults = [("--weights", job.weights or weights), ("--protocol", job.protocol or protocol)]
        own = [word for name, value in defaults if value for word in (name, value)]
        commands[job.out] = job.arguments(out, [*options, *own])
    shown = f" of shard {number}/{count}" if count > 1 else ""
    say(f"{len(wanted)} videos{shown}, {len(wanted) - len(commands)} of them finished already")
    name = "failures.csv" if count == 1 else f"failures.{number}-of-{count}.csv"
    return _run(commands, out / name, engine, jobs, threads)


def _run(todo: dict[str, list[str]], failures: Path, engine: str, jobs: int, threads: int) -> int:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    failed: list[Ended] = []
    began = time.monotonic()
    failures.unlink(missing_ok=True)
    with progress_bar("propagating", "videos") as progress:
        progress(0, len(todo))
        run = on_ray if engine == "ray" else on_this_machine
        ended = run(todo, environment, threads if engine == "ray" else jobs)
        for done, job in enumerate(ended, start=1):
            if job.code:
                failed.append(job)
                say(f"{job.out}: {job.message or f'exit code {job.code}'}")
                _write(failures, failed)
            progress(done, len(todo))
    say(f"{len(todo) - len(failed)} videos in {time.monotonic() - began:.0f} s")
    if failed:
        say(f"{len(failed)} failed: {failures}")
    return 1 if failed else 0


def _write(path: Path, failed: Sequence[Ended]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["out", "code", "message"])
    rows.writerows([job.out, job.code, job.message] for job in failed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    code: int = call(batch, "propagate", arguments, DESCRIPTION)
    return code
