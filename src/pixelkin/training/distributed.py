"""The processes of one training: a single one, or those that torchrun started.

    torchrun --nproc-per-node 2 -m pixelkin.training RECIPE --data DIR --out DIR

The recipe stays the same: its batch is divided among the processes. Backend gloo on the CPU, nccl
on GPUs. On GPUs batch-norm sees the pass of all processes together; on the CPU, for which torch has
no synchronised batch-norm, every process its own part, as with `accumulate` in one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from pixelkin.types import InputError

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)  # the others wait while the main process validates


@dataclass(frozen=True)
class Processes:
    """This process among those of the training.

    Attributes:
        device: What it computes on.
        rank: Its number; 0 writes the files.
        count: How many there are.
    """

    device: torch.device
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

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The block runs in the main process before it runs in the others."""
        if self.count > 1 and not self.is_main:
            dist.barrier()
        yield
        if self.count > 1 and self.is_main:
            dist.barrier()

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes; itself if there is one."""
        if self.count == 1:
            return network
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(
            network, device_ids=[self.device] if on_gpu else None
        )


@contextmanager
def start_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU if there is one.

    Raises:
        InputError: If there is no GPU for this process although one is asked for.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and gpus <= local:
        raise InputError(f"run.device: cuda, but there are {gpus} GPUs for process {local}")
    on_gpu = device == "cuda" or (device == "auto" and gpus > local)
    where = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(where)
    if count == 1:
        yield Processes(where)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(where, rank, count)
    finally:
        dist.destroy_process_group()


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device has units that make bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    ask = getattr(torch.cpu, "get_capabilities", None)  # not in older versions
    capabilities: dict[str, object] = ask() if ask else {}
    return bool(capabilities.get("amx_bf16"))
