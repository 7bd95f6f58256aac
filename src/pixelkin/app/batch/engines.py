"""Who runs the jobs: processes of this machine, or a Ray cluster.

A job is a command of its own, `pixelkin propagate`, so that nothing that happens to one touches
another, and each goes on where it was when it is given again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from pixelkin.types import InputError

RETRIES = 3  # of a job whose node died


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        out: Which: its folder of results.
        code: Exit code.
        message: The last line that it wrote, where it failed.
    """

    out: str
    code: int
    message: str


def run_job(out: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run one job and wait for it.

    Args:
        out: Its folder of results.
        arguments: Of `pixelkin propagate`.
        environment: Variables of its process.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pixelkin.app.cli", "propagate", *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = lines[-1].removeprefix("pixelkin: error: ") if lines and done.returncode else ""
    return Ended(out, done.returncode, last)


def on_this_machine(
    jobs: Mapping[str, Sequence[str]], environment: Mapping[str, str], at_once: int
) -> Iterator[Ended]:
    """Run jobs in processes of this machine; each is given as it ends.

    Args:
        jobs: Arguments by folder of results.
        environment: Variables of the processes.
        at_once: How many run at the same time.
    """
    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(run_job, out, words, environment) for out, words in jobs.items()]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def on_ray(
    jobs: Mapping[str, Sequence[str]], environment: Mapping[str, str], cores: int
) -> Iterator[Ended]:
    """Run jobs as tasks of the Ray cluster that this process can reach; each is given as it ends.

    A task whose node dies is run again elsewhere, and goes on there: results must lie on storage
    that all nodes share.

    Args:
        jobs: Arguments by folder of results.
        environment: Variables of the processes.
        cores: CPUs that a task takes.

    Raises:
        InputError: If Ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--engine ray needs the extra cluster: {error}") from error
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False)
        except ConnectionError as error:
            raise InputError(f"no Ray cluster can be reached (ray start --head): {error}") from (
                error
            )
    task: Any = ray.remote(num_cpus=cores, max_retries=RETRIES)(run_job)
    waiting = [task.remote(out, list(words), dict(environment)) for out, words in jobs.items()]
    while waiting:
        ready, waiting = ray.wait(waiting)
        yield from ray.get(ready)
