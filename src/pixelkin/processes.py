"""The processes of one command: a single one, or those that torchrun started.

    torchrun --nproc-per-node 2 --no-python pixelkin evaluate davis --root DAVIS --out out/davis

Backend gloo on the CPU, nccl on GPUs. Where a process dies, torchrun ends the others, and the same
command goes on with what is missing; on several machines the folders must be shared ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from pixelkin.ops.devices import find_device
from pixelkin.types import InputError

T = TypeVar("T")
_CPU = torch.device("cpu")
_PATIENCE = timedelta(days=7)  # the others wait while one validates, or finishes its share
# Before 2.8, torch ends a group with Python's lock held, and waits without end for a thread that
# needs the lock to let go of the last message. So it has a moment for that before.
_LETTING_GO = 0.05


@dataclass(frozen=True)
class Processes:
    """This process among those of the command.

    Attributes:
        device: What it computes on.
        rank: Its number; 0 writes the files that are there once, and talks to the user.
        count: How many there are.
    """

    device: torch.device = _CPU
    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and talks to the user."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in the order of their ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Means over the processes that have the figure."""
        values: dict[str, list[float]] = {}
        for own in self.gather(dict(figures)):
            for name, value in own.items():
                values.setdefault(name, []).append(value)
        return {name: sum(v) / len(v) for name, v in values.items()}

    def agree(self, make: Callable[[], T]) -> T:
        """What `make` gives in the main process, in all; an InputError is raised in all."""
        if self.count == 1:
            return make()
        box: list[Any] = [None, None]
        if self.is_main:
            try:
                box[0] = make()
            except InputError as error:
                box[1] = error
        dist.broadcast_object_list(box)
        value: T = box[0]
        _raise_first(box[1:])
        return value

    def finish(self, work: Callable[[], object]) -> None:
        """Do this process's `work` and wait for the others; an InputError of one is raised in all.

        Those that can, finish their work first, so that it is not lost.
        """
        problem = None
        try:
            work()
        except InputError as error:
            problem = error
        _raise_first(self.gather(problem))

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The block runs in the main process before it runs in the others.

        An InputError of the main process is raised in all.
        """
        if self.count == 1:
            yield
            return
        box: list[InputError | None] = [None]
        if self.is_main:
            try:
                yield
            except InputError as error:
                box[0] = error
                raise
            finally:
                dist.broadcast_object_list(box)
        else:
            dist.broadcast_object_list(box)
            _raise_first(box)
            yield

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes; itself if there is one.

        On GPUs batch-norm sees the micro-batches of all processes together; on the CPU, for which
        torch has no synchronised batch-norm, every process its own, as with `accumulate` in one.
        """
        if self.count == 1:
            return network
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(
            network, device_ids=[self.device] if on_gpu else None
        )


def _raise_first(problems: Sequence[InputError | None]) -> None:
    for problem in problems:
        if problem is not None:
            raise problem


@contextmanager
def join_processes(device: str = "cpu", setting: str = "run.device") -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU if there is one for each process of this machine;
            one that is alone may compute on others.
        setting: Where that was said, for the error.

    Raises:
        InputError: If there is no GPU for this process although one is asked for.
    """
    names = {"WORLD_SIZE": 1, "RANK": 0, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    count, rank, local, beside = (int(os.environ.get(n, d)) for n, d in names.items())
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and gpus <= local:
        which = f" for process {local} of this machine" if beside > 1 else " here"
        raise InputError(
            f"{setting}: cuda, but there are {gpus} GPUs{which} (torch {torch.__version__}): take "
            "cpu, or auto for what there is"
        )
    on_gpu = device == "cuda" or (device == "auto" and gpus >= max(beside, local + 1))
    if device not in ("auto", "cpu", "cuda"):
        find_device(device)
        if count > 1:
            raise InputError(f"{setting}: {device} is for one process, and there are {count}")
    where = torch.device("cuda", local) if on_gpu else _CPU
    if on_gpu:
        torch.cuda.set_device(where)
    if count == 1:
        yield Processes(where)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(where, rank, count)
    finally:
        time.sleep(_LETTING_GO)
        dist.destroy_process_group()


def shares(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Indices of work of different sizes, divided among `count` processes, about evenly.

    The largest comes first and goes to whoever has least, so that the result does not depend on
    anything but the sizes. Within a share the order is that of `sizes`.

    Example:
        >>> shares([3, 9, 5, 2], 2)
        [[1], [0, 2, 3]]
    """
    own: list[list[int]] = [[] for _ in range(count)]
    load = [0] * count
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        least = load.index(min(load))
        own[least].append(index)
        load[least] += sizes[index]
    return [sorted(share) for share in own]
